"""Numbers that no format holds are refused with their place, before anything is written."""

import json
from pathlib import Path
from typing import Any

import pytest

from detcli.errors import InputError
from detcli.structures.run_info import RunInfo
from tests.helpers.sink_fixtures import info
from tests.helpers.stored_results import convert

__all__ = ["info"]

BOX = {"label": "cat", "label_id": 0, "category_id": 1, "score": 0.5, "bbox": [1.0, 1.0, 2.0, 2.0]}
IMAGE: dict[str, Any] = {"index": 0, "file": "a.jpg", "width": 9, "height": 9, "detections": [BOX], "error": None}
HUGE = 10**30


def of_box(**changes: Any) -> dict[str, Any]:
    return {"detections": [BOX, BOX | changes]}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"index": HUGE}, "index is a number of 31 digits; it must be from 0 to 4,611,686,018,427,387,904"),
        ({"index": -5}, "index is -5; it must be from 0 to"),
        ({"frame": HUGE, "time_s": 0.0}, "frame is a number of 31 digits"),
        ({"frame": -1, "time_s": 0.0}, "frame is -1"),
        ({"width": HUGE}, "width is a number of 31 digits; it must be from 1 to 2,147,483,647"),
        ({"width": 0}, "width is 0"),
        ({"height": -3}, "height is -3"),
        (of_box(track_id=HUGE), "track_id is a number of 31 digits"),
        (of_box(category_id=-HUGE), "category_id is a number of 32 digits"),
        (of_box(label_id=-1), "label_id is -1; it must be from 0 to 1,000,000"),
        (of_box(label_id=10**9), "label_id is 1000000000"),
    ],
)
def test_numbers_that_no_format_holds_are_refused(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    first = IMAGE | {"file": "0.jpg", "frame": 0, "time_s": 0.0} if "frame" in changes else IMAGE
    detections = [BOX | {"track_id": 1}] * 2 if "track_id" in str(changes) else [BOX]
    second = IMAGE | {"index": 1, "file": "b.jpg"} | changes
    if "track_id" in str(changes):
        second["detections"][0] = detections[0]
    source = tmp_path / "a.jsonl"
    source.write_text("".join(json.dumps(record) + "\n" for record in (first | {"detections": detections}, second)))
    for target in ("b.jsonl", "b.json", "b.csv", "b.parquet"):
        with pytest.raises(InputError) as refused:
            convert(source, tmp_path / target)
        assert f"a.jsonl', line 2: {message}" in str(refused.value)
    assert [path.name for path in tmp_path.iterdir()] == ["a.jsonl"]


def test_the_largest_numbers_go_through_every_format(tmp_path: Path, info: RunInfo) -> None:
    box = BOX | {"track_id": 2**62, "category_id": 2**62, "label_id": 0}
    record = IMAGE | {"index": 2**62, "width": 2**31 - 1, "height": 2**31 - 1, "detections": [box]}
    source = tmp_path / "a.jsonl"
    source.write_text(json.dumps(record) + "\n")
    for target in ("b.jsonl", "b.json", "b.csv", "b.parquet"):
        convert(source, tmp_path / target)
    convert(tmp_path / "b.parquet", tmp_path / "c.jsonl")
    back = json.loads((tmp_path / "c.jsonl").read_bytes().splitlines()[-1])
    assert (back["index"], back["width"], back["detections"][0]["track_id"]) == (2**62, 2**31 - 1, 2**62)
