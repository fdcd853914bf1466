"""The last sentence of a run."""

from pathlib import Path

import pytest

from detcli.cli.detect.summary import closing
from detcli.cli.framework.console import Console
from detcli.engine.outputs import OutputPlan, ResultTarget
from detcli.pipeline.run import RunStats

PLAN = OutputPlan((ResultTarget("jsonl", Path("out.jsonl")),), journal=Path("out.jsonl.journal"))


@pytest.mark.parametrize(("done", "goes_on"), [(3, True), (0, False)])
def test_resume_is_named_where_there_are_results_to_go_on_from(
    done: int, goes_on: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    closing(Console(), RunStats(images=done, interrupted="SIGINT"), PLAN, seconds=1.0)
    assert capsys.readouterr().err.rstrip().endswith(", --resume goes on") is goes_on


def test_the_sentence_counts_and_says_where_the_results_are(capsys: pytest.CaptureFixture[str]) -> None:
    plan = OutputPlan((ResultTarget("yolo", Path("texts")), ResultTarget("jsonl", None)), crops=Path("cut"))
    closing(Console(), RunStats(images=2, failed=1, boxes=1), plan, seconds=21.0)
    said = capsys.readouterr().err
    assert said == "3 images, 1 failed, 1 box in 21 s -> texts/, cut/\n"
