"""Options that filter detections: checked values, and thresholds of classes."""

from collections.abc import Callable

import pytest

from detcli.cli.detect.detect import detect as detect_command
from tests.helpers.cli_runs import Run, assert_refused


@pytest.mark.parametrize(
    "slip",
    [
        ("--threshold", "nan"),
        ("--threshold", "1.5"),
        ("--threshold", "inf"),
        ("--threshold", "dog=1.5"),
        ("--threshold", "dog=0.5,dog=0.6"),
        ("--nms", "0"),
        ("--nms", "2"),
        ("--nms", "nan"),
        ("--max-det", "0"),
        ("--classes", " , "),
    ],
    ids=" ".join,
)
def test_a_value_that_makes_no_sense_is_told_with_its_flag(detcli: Callable[..., Run], slip: tuple[str, str]) -> None:
    assert_refused(detcli, *slip)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], None),
        (["-t", "0"], 0.0),
        (["-t", "0.4"], 0.4),
        (["-t", "0.4", "--conf", "0.5"], 0.5),
        (["-t", "0.4,person=0.6"], {"*": 0.4, "person": 0.6}),
        (["-t", "0.4", "-t", "person=0.6", "-t", "traffic light=0.1"], {"*": 0.4, "person": 0.6, "traffic light": 0.1}),
        (["-t", "person=0.6", "-t", "0.4,2=0.3"], {"*": 0.4, "person": 0.6, "2": 0.3}),
        (["-t", " person = 0.6 , 0.4 "], {"*": 0.4, "person": 0.6}),
        (["-t", "a=b=0.6"], {"a=b": 0.6}),
    ],
)
def test_thresholds_of_classes_are_separated_by_commas_or_repeated(words: list[str], expected: object) -> None:
    with detect_command.make_context("detect", ["a.jpg", *words]) as ctx:
        assert ctx.params["threshold"] == expected
