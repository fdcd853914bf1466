"""Checked values: what is valid comes back as it is, and everything else is refused with its position."""

import math
from pathlib import Path
from typing import Any

import pytest

from detcli.io.record_values import RecordError, RecordPosition

POSITION = RecordPosition(Path("r.jsonl"), "line 3")
NAN, INFINITE = math.nan, math.inf


@pytest.mark.parametrize(
    "box", [[1.5, 2.0, 3.0, 4.0], (0.0, 0.0, 0.0, 0.0), [-5.0, -5.0, 2.0**31, 1.0], [1, 2, 3, 4.5]]
)
def test_boxes_come_back_as_they_are(box: Any) -> None:
    assert POSITION.box(box) == tuple(box)


@pytest.mark.parametrize(
    ("box", "message"),
    [
        ([NAN, 0.0, 1.0, 1.0], "bbox is nan, not a finite number"),
        ([0.0, 0.0, 1.0, NAN], "bbox is nan, not a finite number"),
        ([INFINITE, 0.0, 1.0, 1.0], "bbox is inf, not a finite number"),
        ([0.0, 0.0, -INFINITE, 1.0], "bbox is -inf, not a finite number"),
        ([0.0, 2.0**32, 1.0, 1.0], "larger than any image"),
        ([0.0, 0.0, -0.5, 1.0], "has the width -0.5"),
        ([0.0, 0.0, 1.0, -1.0], "and the height -1"),
        ([0.0, 0.0, 1.0], "not a list of four numbers"),
        ([0.0, 0.0, True, 1.0], "bbox is True, not a number"),
        ([0.0, 0.0, "1", 1.0], "bbox is '1', not a number"),
        ([0.0, 0.0, None, 1.0], "bbox is missing, not a number"),
        (None, "bbox is missing"),
    ],
)
def test_other_boxes_are_refused(box: Any, message: str) -> None:
    with pytest.raises(RecordError, match=message) as refused:
        POSITION.box(box)
    assert str(refused.value).startswith("'r.jsonl', line 3: ")


@pytest.mark.parametrize("score", [0.0, 1, 0.5, -3.5, 1e9])
def test_scores_come_back_as_they_are(score: float) -> None:
    assert POSITION.score(score) == score


@pytest.mark.parametrize(
    ("score", "message"),
    [
        (NAN, "not a finite"),
        (-INFINITE, "not a finite"),
        (1.1e9, "scores are from 0 to 1"),
        (-2e9, "from 0 to 1"),
        (10**400, "finite"),
    ],
)
def test_scores_out_of_any_range_are_refused(score: float, message: str) -> None:
    with pytest.raises(RecordError, match=message):
        POSITION.score(score)


@pytest.mark.parametrize(("value", "expected"), [(3, 3), (3.0, 3), (-1, -1), (0, 0)])
def test_integers_may_be_written_as_floats(value: Any, expected: int) -> None:
    read = POSITION.integer(value, "id")
    assert (read, type(read)) == (expected, int)


@pytest.mark.parametrize("value", [True, False, 3.5, NAN, INFINITE, "3", None, [3]])
def test_what_is_no_integer_is_refused(value: Any) -> None:
    with pytest.raises(RecordError, match="id is"):
        POSITION.integer(value, "id")
