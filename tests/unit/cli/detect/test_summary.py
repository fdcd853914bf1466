"""The last line of a run over images."""

import json
from pathlib import Path

import pytest

from detcli.cli.detect.summary import show_summary
from detcli.cli.framework.console import Console
from detcli.cli.framework.text import duration
from detcli.engine.outputs.output_plan import OutputPlan
from detcli.engine.outputs.output_targets import ResultTarget
from detcli.io.remote.store_path import as_path
from detcli.pipeline.statistics import RunStats

PLAN = OutputPlan((ResultTarget("jsonl", Path("out.jsonl")),), journal=Path("out.jsonl.journal"))


@pytest.mark.parametrize(("done", "journal", "is_named"), [(3, True, True), (0, True, False), (3, False, False)])
def test_resume_is_named_where_there_are_results_and_a_journal(
    done: int,
    journal: bool,
    is_named: bool,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    if journal:
        Path("out.jsonl.journal").touch()
    show_summary(Console(), RunStats(images=done, interrupted="SIGINT", seconds=1.0), PLAN)
    assert capsys.readouterr().err.rstrip().endswith(", --resume continues") is is_named


def test_resume_is_named_for_parts_in_an_object_store(capsys: pytest.CaptureFixture[str]) -> None:
    plan = OutputPlan((), parts=as_path("s3://b/out/.parts"), kept=ResultTarget("csv", as_path("s3://b/out")))
    show_summary(Console(), RunStats(images=3, interrupted="SIGINT", seconds=0.5), plan)
    assert capsys.readouterr().err.endswith("-> s3://b/out/; interrupted by SIGINT, --resume continues\n")


def test_the_summary_counts_and_names_the_outputs(capsys: pytest.CaptureFixture[str]) -> None:
    plan = OutputPlan((ResultTarget("yolo", Path("texts")), ResultTarget("jsonl", None)), crops=Path("cut"))
    show_summary(Console(), RunStats(images=2, failed=1, boxes=1, seconds=21.0), plan)
    assert capsys.readouterr().err == "3 images, 1 failed, 1 box in 21 s (0.1 images/s) -> texts/, cut/\n"


@pytest.mark.parametrize(
    ("images", "resumed", "seconds", "speed"),
    [(60, 10, 2.0, " (25.0 images/s)"), (10, 10, 2.0, ""), (3, 0, 0.9, ""), (5000, 0, 2.0, " (2,500 images/s)")],
)
def test_the_rate_is_that_of_this_run(
    images: int, resumed: int, seconds: float, speed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    show_summary(Console(), RunStats(images=images, resumed=resumed, seconds=seconds), OutputPlan(()))
    assert capsys.readouterr().err == f"{images:,} images, 0 boxes in {duration(seconds)}{speed}\n"


@pytest.mark.parametrize(("seconds", "speed"), [(2.0, " (25.0 images/s with openvino)"), (0.9, "")])
def test_the_runtime_is_named_beside_the_rate(seconds: float, speed: str, capsys: pytest.CaptureFixture[str]) -> None:
    show_summary(Console(), RunStats(images=50, seconds=seconds), OutputPlan(()), runtime="openvino")
    assert capsys.readouterr().err == f"50 images, 0 boxes in {duration(seconds)}{speed}\n"


def test_the_runtime_is_a_value_of_the_json_log(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console()
    console.log_format = "json"
    show_summary(console, RunStats(images=50, seconds=0.5), OutputPlan(()), runtime="onnx")
    assert json.loads(capsys.readouterr().err)["runtime"] == "onnx"
