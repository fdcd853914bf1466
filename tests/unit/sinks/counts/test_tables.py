"""The files of counts and events."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from detcli.counting.count_settings import CountSettings
from detcli.counting.run_counter import RunCounter
from detcli.errors import OutputError, UsageError
from detcli.io.outputs import GrowingFile
from detcli.sinks.counts.count_table import IMAGE_COLUMNS, ImageCountTable, VideoCountTable, video_columns
from detcli.sinks.counts.event_table import EVENT_COLUMNS, EventTable
from detcli.sinks.counts.row_file import RowFile
from detcli.structures.class_labels import ClassLabels
from detcli.structures.frame import FailedFrame, Frame, Origin
from tests.helpers.sink_fixtures import HOSTILE_NAMES
from tests.unit.counting.test_source_counter import SIZE_HW, Box, detections, walk

LABELS = ClassLabels.from_names(["=cat"])
SETTINGS = CountSettings(lines="gate=0,50,200,50", zones="yard=0,0,100,0,100,100,0,100", bin_s=0.5)
WAY = walk(1, (50, 90), (50, 10))  # through the line, all of it in the zone


def write_video(
    folder: Path, suffix: str = ".csv", *, safe: bool = False, file: str = "in.mp4", gaps: frozenset[int] = frozenset()
) -> tuple[Path, Path]:
    """The tables of a video with one object."""
    counter = RunCounter(SETTINGS, tracks=True)
    paths = folder / f"c{suffix}", folder / f"e{suffix}"
    sinks = (
        VideoCountTable(RowFile(paths[0], video_columns(counter), safe=safe), counter, LABELS),
        EventTable(RowFile(paths[1], EVENT_COLUMNS, safe=safe), counter, LABELS),
    )
    for number, boxes in enumerate(WAY):
        origin = Origin(number, file, "in/f", "in/f", number, number / 10, "in")
        given: Frame | FailedFrame = Frame(origin, SIZE_HW, None)
        found: Any = detections(*boxes)
        if number in gaps:
            given = found = FailedFrame(origin, "gap", "the stream was interrupted")
        counted = counter(given, found)
        for sink in sinks:
            sink.write(counted, found)
            sink.flush()
    for sink in sinks:
        sink.close(complete=True)
    return paths


def rows(path: Path) -> list[dict[str, str]]:
    text = path.read_bytes().decode("utf-8", "surrogateescape")
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_json_lines_have_the_cells_of_csv_with_their_types(tmp_path: Path) -> None:
    for of_csv, of_json in zip(write_video(tmp_path), write_video(tmp_path, ".jsonl"), strict=True):
        records = [json.loads(line) for line in of_json.read_text().splitlines()]
        cells = [{key: "" if value is None else str(value) for key, value in record.items()} for record in records]
        assert len(records) == len(rows(of_csv)) > 2
        for row, record in zip(rows(of_csv), cells, strict=True):
            assert {key: value for key, value in row.items() if value} == {key: v for key, v in record.items() if v}


def test_rows_of_an_interval_are_in_the_file_when_the_next_begins(tmp_path: Path) -> None:
    counter = RunCounter(SETTINGS, tracks=True)
    path = tmp_path / "c.csv"
    table = VideoCountTable(RowFile(path, video_columns(counter)), counter, LABELS)
    seen = []
    for number, boxes in enumerate(WAY):
        frame = Frame(Origin(number, "in.mp4", "in/f", "in/f", number, number / 10, "in"), SIZE_HW, None)
        table.write(counter(frame, detections(*boxes)), detections(*boxes))
        table.flush()
        seen.append({row["start_s"] for row in rows(path)})
    assert seen[4] == set()
    assert seen[5] == seen[9] == {"0.0"}
    assert seen[10] == {"0.0", "0.5"}
    table.close(complete=True)
    assert {row["start_s"] for row in rows(path)} == {"0.0", "0.5", "1.0"}


def test_gaps_are_no_frames_and_a_track_may_cross_in_one(tmp_path: Path) -> None:
    counts, events = write_video(tmp_path, gaps=frozenset({4, 5, 6}))
    assert [row["event"] for row in rows(events)] == ["enter", "in", "end"]
    frames = [row["frames"] for row in rows(counts) if row["kind"] == "frame" and not row["label"]]
    assert frames == ["4", "3", "1"]


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_names_of_files_are_read_back(name: str, tmp_path: Path) -> None:
    for path in write_video(tmp_path, file=name):
        assert {row["file"] for row in rows(path)} == {name}
    counts, _ = write_video(tmp_path, ".jsonl", file=name)
    assert {json.loads(line)["file"] for line in counts.read_text().splitlines()} == {name}


def test_formulas_can_be_made_safe(tmp_path: Path) -> None:
    counts, events = write_video(tmp_path, safe=True, file="=1+1.mp4")
    for path in (counts, events):
        assert {row["file"] for row in rows(path)} == {"'=1+1.mp4"}
        assert {row["label"] for row in rows(path)} - {""} == {"'=cat"}


def test_an_image_has_rows_for_each_class_and_a_failed_one_its_reason(tmp_path: Path) -> None:
    counter = RunCounter(CountSettings(zones="left=0,0,100,0,100,100,0,100"), tracks=False)
    table = ImageCountTable(RowFile(tmp_path / "c.csv", IMAGE_COLUMNS), counter, LABELS)
    boxes: list[Box] = [(1, 50, 90), (2, 150, 90)]
    found = detections(*boxes, tracks=False)
    for index, shown in enumerate((found, found[:0])):
        table.write(counter(Frame(Origin(index, f"{index}.jpg", "a", "a"), SIZE_HW, None), shown), shown)
    failed = FailedFrame(Origin(2, "2.jpg", "a", "a"), "truncated", "cut")
    table.write(failed, failed)
    table.close(complete=True)
    assert [tuple(row.values()) for row in rows(tmp_path / "c.csv")] == [
        ("0", "0.jpg", "", "", "", "2", ""),
        ("0", "0.jpg", "", "=cat", "1", "2", ""),
        ("0", "0.jpg", "left", "", "", "1", ""),
        ("0", "0.jpg", "left", "=cat", "1", "1", ""),
        ("1", "1.jpg", "", "", "", "0", ""),
        ("1", "1.jpg", "left", "", "", "0", ""),
        ("2", "2.jpg", "", "", "", "", "truncated"),
    ]


def test_other_suffixes_are_refused_and_the_file_is_locked(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"'.*c\.xlsx' must be a \.csv or a \.jsonl file"):
        RowFile(tmp_path / "c.xlsx", ("a",))
    first = RowFile(tmp_path / "c.csv", ("a",))
    with pytest.raises(OutputError, match="another run"):
        RowFile(tmp_path / "c.csv", ("a",))
    first.close(complete=True)


def test_an_aborted_table_keeps_the_rows_that_were_flushed(tmp_path: Path) -> None:
    file = RowFile(tmp_path / "c.csv", ("a",))
    file.write({"a": 1})
    file.flush()
    file.write({"a": 2})
    file.abort()
    assert (tmp_path / "c.csv").read_text().split() == ["a", "1"]
    assert isinstance(file._output, GrowingFile)
