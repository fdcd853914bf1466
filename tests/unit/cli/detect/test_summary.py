"""The last line of a run over images."""

from pathlib import Path

import pytest

from detcli.cli.detect.summary import show_summary
from detcli.cli.framework.console import Console
from detcli.engine.outputs.output_plan import OutputPlan, ResultTarget
from detcli.pipeline.statistics import RunStats

PLAN = OutputPlan((ResultTarget("jsonl", Path("out.jsonl")),), journal=Path("out.jsonl.journal"))


@pytest.mark.parametrize(("done", "is_named"), [(3, True), (0, False)])
def test_resume_is_named_where_there_are_results_to_continue(
    done: int, is_named: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    show_summary(Console(), RunStats(images=done, interrupted="SIGINT", seconds=1.0), PLAN)
    assert capsys.readouterr().err.rstrip().endswith(", --resume continues") is is_named


def test_the_summary_counts_and_names_the_outputs(capsys: pytest.CaptureFixture[str]) -> None:
    plan = OutputPlan((ResultTarget("yolo", Path("texts")), ResultTarget("jsonl", None)), crops=Path("cut"))
    show_summary(Console(), RunStats(images=2, failed=1, boxes=1, seconds=21.0), plan)
    assert capsys.readouterr().err == "3 images, 1 failed, 1 box in 21 s -> texts/, cut/\n"
