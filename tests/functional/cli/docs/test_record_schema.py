"""What the commands write is what docs/reference/record.schema.json and records.md describe."""

import csv
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker, ValidationError

from detcli.cli.docs.reference.record_page import EXAMPLES
from detcli.errors import IMAGE_ERROR_CODES
from tests.helpers.cli_runs import Run
from tests.helpers.segment_samples import write_panoptic_model
from tests.helpers.shape_images import shape_images, shape_video

REFERENCE = Path(__file__).parents[4] / "docs" / "reference"
SCHEMA: dict[str, Any] = json.loads((REFERENCE / "record.schema.json").read_text(encoding="utf-8"))
PAGE = (REFERENCE / "records.md").read_text(encoding="utf-8")
VALIDATOR = Draft202012Validator(SCHEMA, format_checker=FormatChecker())

RunDetcli = Callable[..., Run]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder: two images with shapes, an empty file, a truncated image, and text with the name of an image."""
    monkeypatch.chdir(tmp_path)
    first, _ = shape_images(tmp_path / "in", count=2)
    (tmp_path / "in" / "empty.png").touch()
    (tmp_path / "in" / "text.png").write_text("no image")
    (tmp_path / "in" / "truncated.png").write_bytes(first.read_bytes()[:9000])
    return tmp_path


def checked_lines(path: Path | str) -> list[dict[str, Any]]:
    """The lines of a file, each valid."""
    lines = [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]
    for line in lines:
        VALIDATOR.validate(line)
    assert lines
    return lines


def keys_of(name: str) -> set[str]:
    """The keys that the schema lists for one of its objects."""
    return set(SCHEMA["$defs"][name]["properties"])


def table_keys(heading: str, text: str = PAGE) -> list[str]:
    """The first column of the table below a heading of the page."""
    return re.findall(r"^\| `(\w+)` \|", text.split(heading, 1)[1].split("\n#", 1)[0], re.MULTILINE)


def test_the_schema_is_a_schema_and_its_examples_are_valid() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    for example in EXAMPLES.values():
        VALIDATOR.validate(example)


def test_records_of_images_are_valid(folder: Path, detcli: RunDetcli) -> None:
    assert detcli("detect", "in", "missing.jpg", "-m", "shapes", "-o", "out.jsonl", "--header").code == 3
    header, *records = checked_lines("out.jsonl")
    assert set(header["detcli"]) == set(table_keys("### Header line"))
    assert {len(record["detections"]) > 0 for record in records if record["error"] is None} == {True}
    failed = [record["error"]["code"] for record in records if record["error"]]
    assert sorted(failed) == ["empty", "not-an-image", "not-found", "truncated"]


def test_records_of_a_video_with_tracks_are_valid(folder: Path, detcli: RunDetcli) -> None:
    whole = shape_video(folder / "in.mp4", frames=8)
    assert detcli("video", whole, "-m", "shapes", "--track", "-o", "out.jsonl").code == 0
    records = checked_lines("out.jsonl")
    assert set(records[0]) == keys_of("processed") == set(table_keys("### Keys of a record"))
    assert {"track_id"} <= set(records[0]["detections"][0])


def test_records_of_a_truncated_video_are_valid(folder: Path, detcli: RunDetcli) -> None:
    whole = shape_video(folder / "whole.mkv", frames=30).read_bytes()
    (folder / "in.mkv").write_bytes(whole[: len(whole) * 2 // 3])
    assert detcli("video", "in.mkv", "-m", "shapes", "-o", "out.jsonl").code == 3
    records = checked_lines("out.jsonl")
    assert [record["error"]["code"] for record in records if record["error"]] == ["truncated"]


@pytest.mark.parametrize("task", ["panoptic", "instance", "semantic"])
def test_records_of_segments_are_valid(folder: Path, detcli: RunDetcli, task: str) -> None:
    model = write_panoptic_model(folder / "model")
    arguments = ("-m", model, "--task", task, "-t", "0.1", "-o", "out.jsonl", "--device", "cpu")
    assert detcli("segment", "in", *arguments).code == 3
    found = [detection for record in checked_lines("out.jsonl") for detection in record["detections"] or ()]
    assert {frozenset(detection) for detection in found} == {frozenset(keys_of("detection") - {"track_id"})}
    assert set(table_keys("### Keys of a detection")) == keys_of("detection")
    assert set(table_keys("### Keys of a mask")) == keys_of("mask") == set(found[0]["segmentation"])


def test_every_error_code_is_in_schema_and_page() -> None:
    assert SCHEMA["$defs"]["error"]["properties"]["code"]["enum"] == list(IMAGE_ERROR_CODES)
    codes = re.findall(r"^\| `([\w-]+)` \|", PAGE.split("### Error codes", 1)[1].split("\n## ", 1)[0], re.MULTILINE)
    assert codes == list(IMAGE_ERROR_CODES)


def broken_records() -> Iterator[Any]:
    """Records that differ from a valid one in one point, with the name of the point."""
    image, frame, failed = EXAMPLES["image"], EXAMPLES["frame"], EXAMPLES["failed"]
    box = image["detections"][0]
    yield pytest.param(image | {"more": 1}, id="an unknown key")
    yield pytest.param({k: v for k, v in image.items() if k != "index"}, id="a missing key")
    yield pytest.param(image | {"error": failed["error"]}, id="detections and an error")
    yield pytest.param(failed | {"error": {"code": "other", "message": ""}}, id="an unknown error code")
    yield pytest.param({k: v for k, v in frame.items() if k != "time_s"}, id="a frame without a time")
    yield pytest.param(image | {"detections": [box | {"score": 1.5}]}, id="a score above 1")
    yield pytest.param(image | {"detections": [box | {"bbox": [1, 2, 3]}]}, id="a box of three numbers")
    yield pytest.param(image | {"detections": [box | {"segment_id": 1}]}, id="a segment without a mask")


@pytest.mark.parametrize("record", list(broken_records()))
def test_the_schema_rejects_other_records(record: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        VALIDATOR.validate(record)


def test_csv_has_the_columns_of_the_page(folder: Path, detcli: RunDetcli) -> None:
    shape_video(folder / "in.mp4", frames=3)
    detcli("video", "in.mp4", "-m", "shapes", "--track", "-o", "out.csv")
    with (folder / "out.csv").open(newline="") as file:
        assert next(csv.reader(file)) == table_keys("## CSV")


def test_coco_has_the_keys_of_the_page(folder: Path, detcli: RunDetcli) -> None:
    detcli("detect", "in", "-m", "shapes", "-o", "out.json")
    document = json.loads((folder / "out.json").read_text())
    assert list(document) == table_keys("## COCO\n")
    text = PAGE.split("## COCO\n", 1)[1].split("\n## ", 1)[0]
    for name in ("images", "annotations", "categories"):
        assert {f"`{key}`" for key in document[name][0]} <= set(re.findall(r"`\w+`", text))
    assert document["info"]["complete"]
    assert len(document["info"]["failed"]) == 3


def test_yolo_lines_have_the_columns_of_the_page(folder: Path, detcli: RunDetcli) -> None:
    detcli("detect", "in/0.png", "-m", "shapes", "-o", "yolo/")
    [line, *_] = (folder / "yolo" / "0.txt").read_text().splitlines()
    [example] = re.findall(r"^\d+(?: [\d.]+){5}$", PAGE, re.MULTILINE)
    assert len(line.split()) == len(example.split())
    assert (folder / "yolo" / "classes.txt").is_file()
