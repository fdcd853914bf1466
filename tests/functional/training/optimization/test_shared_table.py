"""Processes of one machine gather small tensors through shared memory, and notice which of them has ended."""

import errno
import os
import platform
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import torch

from detcli.errors import LostProcessError
from detcli.training.optimization import shared_table
from detcli.training.optimization.shared_table import SharedTable, open_table
from tests.helpers.processes import run

pytestmark = pytest.mark.skipif(
    sys.platform == "win32" or platform.machine().lower() not in ("x86_64", "amd64"),
    reason="such tables need POSIX locks and the memory order of x86-64",
)

GATHERING = """
import random
import sys
from pathlib import Path
import torch
from detcli.training.optimization.distributed import join_processes

def tensor(rank, turn):
    generator = torch.Generator().manual_seed(1000 * turn + rank)
    draws = random.Random(turn)
    shape = (2, draws.choice((1, 7, 64, 2048)))
    dtype = draws.choice((torch.float32, torch.float64))
    return torch.randn(shape, generator=generator, dtype=dtype)

torch.set_num_threads(1)
with join_processes(torch.device("cpu")) as processes:
    assert processes.table is not None
    for turn in range(1500):
        found = processes.gather_tensor(tensor(processes.rank, turn))
        for rank, row in enumerate(found):
            assert torch.equal(row, tensor(rank, turn)), (rank, turn)
    for large in (torch.full((20_000,), 1.0 + processes.rank), torch.tensor([processes.rank])):  # over the network
        assert not processes.table.holds(large)
        assert torch.equal(processes.gather_tensor(large)[1], large - processes.rank + 1)
    if processes.is_first:
        Path(sys.argv[1]).write_text("all are equal")
"""


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    """Opens the table of the first of two processes, the second of which has ended."""
    monkeypatch.setattr(shared_table, "_MEMORY", tmp_path)
    monkeypatch.setattr(shared_table, "_CHECK_S", 0.0)

    with ExitStack() as open_tables:

        def opened(timeout: float = 60.0) -> SharedTable:
            table = open_table(0, 2, lambda value: [value, value], timeout)
            assert table is not None
            open_tables.callback(table.close)
            return table

        yield opened


@pytest.mark.parametrize("processes", [2, 3])
def test_each_turn_gives_the_tensors_of_all_processes(tmp_path: Path, processes: int) -> None:
    (tmp_path / "script.py").write_text(GATHERING)
    ended = run([str(tmp_path / "script.py"), str(tmp_path / "said")], processes=processes)
    assert ended.returncode == 0, ended.stderr
    assert (tmp_path / "said").read_text() == "all are equal"


def test_a_table_leaves_no_file_and_names_the_ended(alone: Any, tmp_path: Path) -> None:
    table = alone()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(LostProcessError, match="another process of this run has ended: process 2 of 2"):
        table.gather(torch.ones(3))


def test_a_process_that_never_writes_is_waited_for_until_the_timeout(alone: Any) -> None:
    with pytest.raises(LostProcessError, match="does not respond: process 2 of 2"):
        alone(timeout=0.0).gather(torch.ones(3))


@pytest.mark.parametrize("others", [[False], [True, False]])
def test_a_machine_where_one_cannot_open_it_has_no_table(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, others: list[bool]
) -> None:
    monkeypatch.setattr(shared_table, "_MEMORY", tmp_path)
    assert open_table(0, 2, lambda value: [value, *others] if isinstance(value, bool) else [value], 1.0) is None
    assert list(tmp_path.iterdir()) == []


def test_memory_that_is_full_gives_no_table_and_leaves_no_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def full(descriptor: int, mode: str) -> Any:
        os.close(descriptor)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shared_table, "_MEMORY", tmp_path)
    monkeypatch.setattr(os, "fdopen", full)
    assert open_table(0, 1, lambda value: [value], 1.0) is None
    assert list(tmp_path.iterdir()) == []


def test_another_processor_has_no_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    assert open_table(0, 1, lambda value: [value], 1.0) is None
