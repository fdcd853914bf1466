"""Runs say at their end why a network did not run as CUDA graphs."""

from collections.abc import Callable
from pathlib import Path

import pytest

from detcli.inference import load_checkpoint
from tests.helpers.cli_runs import Run
from tests.helpers.graph_recorders import CpuRecorder

REMARK = "CUDA graphs are off, and the network may be slower: CUDA error: operation not permitted"


@pytest.fixture
def _no_graphs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A device that can record nothing."""
    error = RuntimeError("CUDA error: operation not permitted when stream is capturing")
    monkeypatch.setattr(load_checkpoint, "cuda_recorder", lambda device: CpuRecorder(error=error))


@pytest.mark.usefixtures("images", "_no_graphs")
def test_detect_says_it_once(detect: Callable[..., Run]) -> None:
    run = detect("in", "-b", "1", "-o", "out.jsonl")
    assert run.code == 0
    assert " ".join(run.err.split()).count(REMARK) == 1


@pytest.mark.usefixtures("images", "_no_graphs")
def test_eval_says_it(detcli: Callable[..., Run]) -> None:
    run = detcli("eval", "-m", "shapes", "--data", "shapes:1:5", "-b", "1", "--device", "cpu")
    assert run.code == 0
    assert REMARK in " ".join(run.err.split())


@pytest.mark.usefixtures("images")
def test_graphs_that_work_are_not_mentioned(detect: Callable[..., Run], monkeypatch: pytest.MonkeyPatch) -> None:
    expected = detect("in", "-b", "1", "-o", "plain.jsonl")
    recorder = CpuRecorder()
    monkeypatch.setattr(load_checkpoint, "cuda_recorder", lambda device: recorder)
    run = detect("in", "-b", "1", "-o", "graphs.jsonl")
    assert recorder.replays == 2
    assert "CUDA" not in run.err + expected.err
    assert Path("graphs.jsonl").read_bytes() == Path("plain.jsonl").read_bytes()
