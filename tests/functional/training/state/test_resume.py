"""Killed and resumed is not killed at all; what is not the same run is refused."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from detcli.errors import DamagedModelError, OutputError, UsageError
from detcli.io.locks.file_lock import FileLock
from detcli.training.state.training_state import read_snapshot, write_snapshot
from detcli.training.training_loop import train
from tests.helpers.processes import PROJECT, environment
from tests.helpers.training_jobs import Rectangles, job, quick_recipe

SCRIPT = PROJECT / "tests" / "helpers" / "training_jobs.py"
OFTEN = quick_recipe(save_every_s=0)
COMPARED = ("last/model.safetensors", "best/model.safetensors", "last/config.json", "metrics.jsonl")


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run without interruption."""
    import torch

    torch.set_num_threads(1)
    run = tmp_path_factory.mktemp("straight") / "run"
    train(job(run))
    return run


def start(run: Path, asked: dict[str, Any]) -> int:
    return subprocess.run(
        [sys.executable, str(SCRIPT), str(run), json.dumps(asked)], env=environment(), check=False, timeout=300
    ).returncode


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
# Five steps of six: within the last epoch, which has begun again from the best. With a state after each step, and with
# one an epoch alone.
@pytest.mark.parametrize("save_every_s", [0, 1000])
def test_a_killed_run_that_is_resumed_ends_in_the_same_bytes(straight: Path, tmp_path: Path, save_every_s: int) -> None:
    run = tmp_path / "run"
    assert start(run, {"recipe": {"save_every_s": save_every_s}, "kill_at": 5}) == -9
    train(job(run, quick_recipe(save_every_s=save_every_s), resume=True))
    for name in COMPARED:
        assert (run / name).read_bytes() == (straight / name).read_bytes(), name


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_a_killed_run_with_all_changes_of_geometry_ends_in_the_same_bytes(tmp_path: Path) -> None:
    changes = {
        "vertical_flip": 0.5, "quarter_turn": 0.5, "rotation": 0.7, "max_rotation": 30.0, "mosaic": 0.3,
        "resize": "letterbox", "image_size": [64, 96], "epochs": 2, "stop_augmentation_epoch": 1,
    }  # fmt: skip
    train(job(tmp_path / "straight", quick_recipe(**changes)))
    assert start(tmp_path / "run", {"recipe": {**changes, "save_every_s": 0}, "kill_at": 3}) == -9
    train(job(tmp_path / "run", quick_recipe(**changes, save_every_s=0), resume=True))
    for name in (*COMPARED, "last/preprocessor_config.json"):
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "straight" / name).read_bytes(), name


def test_lines_after_the_last_state_are_written_again(straight: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    stop_after(run, steps=3)
    with (run / "metrics.jsonl").open("ab") as file:
        file.write(b'{"kind": "epoch", "half a li')
    train(job(run, OFTEN, resume=True))
    assert (run / "metrics.jsonl").read_bytes() == (straight / "metrics.jsonl").read_bytes()


def stop_after(run: Path, *, steps: int) -> None:
    """Leave a run as a kill after a saved step would."""
    from detcli.structures.stop_signal import StopSignal
    from detcli.training.training_events import Event, TrainingStep

    stop, left = StopSignal(), steps

    def watch(event: Event) -> None:
        nonlocal left
        left -= isinstance(event, TrainingStep)
        if left == 1 and isinstance(event, TrainingStep):
            stop.set()

    train(job(run, OFTEN), observer=watch, stop=stop)


@pytest.fixture(scope="module")
def halted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("halted") / "run"
    stop_after(run, steps=2)
    return run


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"recipe": quick_recipe(lr=0.5)}, "another recipe: lr was 0.001 and is 0.5 now"),
        (
            {"recipe": quick_recipe(seed=1, flip=0)},
            "another recipe: flip was 0.5 and is 0.0 now; seed was 0 and is 1 now",
        ),
        ({"data": Rectangles(11)}, "other data: .*images was 10 and is 11 now"),
        (
            {"data": Rectangles(10, backwards=True)},
            "other data: its images have other names or classes, or another order",
        ),
        ({"val": None}, "other data to evaluate on: there was some, and now there is none"),
    ],
)
def test_another_run_cannot_be_resumed(halted: Path, changes: dict[str, Any], words: str) -> None:
    before = (halted / "state.safetensors").read_bytes()
    with pytest.raises(UsageError, match=words):
        train(replace(job(halted), **changes, resume=True))
    assert (halted / "state.safetensors").read_bytes() == before


def test_a_run_of_another_network_cannot_be_resumed(halted: Path) -> None:
    asked = job(halted, resume=True)
    other = asked.family.read_config({**asked.family.write_config(asked.config), "num_queries": 13})
    with pytest.raises(UsageError, match="another network: num_queries was 12 and is 13 now"):
        train(replace(asked, config=other))


def test_a_run_of_a_version_without_newer_fields_is_resumed(straight: Path, halted: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(halted, run)
    snapshot = read_snapshot(run / "state.safetensors")
    assert snapshot is not None
    for name in ("vertical_flip", "quarter_turn", "rotation", "max_rotation"):
        del snapshot.identity["recipe"][name]
    for part in ("data", "val"):
        del snapshot.identity[part]["image_list"]
    write_snapshot(run / "state.safetensors", snapshot)
    train(job(run, OFTEN, resume=True))
    for name in COMPARED:
        assert (run / name).read_bytes() == (straight / name).read_bytes(), name


def test_where_there_is_no_run_there_is_nothing_to_resume(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no run in"):
        train(job(tmp_path / "none", resume=True))
    assert not (tmp_path / "none").exists()


def test_a_run_that_was_killed_before_its_first_state_can_begin_again(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text(OFTEN.to_toml())
    (tmp_path / "metrics.jsonl").write_bytes(b"")
    (tmp_path / ".detcli-0123456789abcdef.part").write_bytes(b"half a state")
    assert train(job(tmp_path, quick_recipe(epochs=1), val=None)).epochs == 1
    assert [path.name for path in tmp_path.glob(".detcli*")] == [".detcli-output"], "no parts, no lock"


def test_two_runs_do_not_share_a_folder(halted: Path) -> None:
    lock = FileLock(halted / ".detcli.lock")
    try:
        for asked in (job(halted, OFTEN, resume=True), job(halted, OFTEN, if_exists="overwrite")):
            with pytest.raises(OutputError, match="is locked"):
                train(asked)
    finally:
        lock.remove()
    assert (halted / "state.safetensors").exists()


def test_a_damaged_state_is_named(halted: Path, tmp_path: Path) -> None:
    whole = (halted / "state.safetensors").read_bytes()
    for content in (whole[: len(whole) // 2], b"", (halted / "last" / "model.safetensors").read_bytes()):
        (tmp_path / "state.safetensors").write_bytes(content)
        with pytest.raises(DamagedModelError, match=r"state\.safetensors"):
            read_snapshot(tmp_path / "state.safetensors")


FULL = """
import resource, sys
from pathlib import Path
from tests.helpers.training_jobs import job, quick_recipe
from detcli.errors import OutputError
from detcli.training.training_events import TrainingStep
from detcli.training.training_loop import train

def watch(event):
    if isinstance(event, TrainingStep) and (event.epoch, event.step) == (0, 1):
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))

try:
    train(job(Path(sys.argv[1]), quick_recipe(save_every_s=0), val=None), observer=watch)
except OutputError as error:
    print(error)
    sys.exit(8)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX limits")
@pytest.mark.parametrize("limit", [1000, 1_000_000])  # the disk is full at the model, and at the state
def test_a_full_disk_ends_the_run_and_leaves_what_was_saved(straight: Path, tmp_path: Path, limit: int) -> None:
    run = tmp_path / "run"
    ended = subprocess.run(
        [sys.executable, "-c", FULL, str(run), str(limit)],
        capture_output=True, text=True, check=False, timeout=300, env=environment(),
    )  # fmt: skip
    assert ended.returncode == 8, ended.stderr
    assert "is larger" in ended.stdout
    assert "is complete" in ended.stdout
    assert "`resume`" in ended.stdout
    assert read_snapshot(run / "state.safetensors").progress.step == 1
    assert not list(run.rglob("*.part"))
    train(job(run, OFTEN, val=None, resume=True))


def test_the_machine_may_change_its_mind_about_saving(halted: Path) -> None:
    assert train(job(halted, quick_recipe(save_every_s=12345), resume=True)).epochs == 3
