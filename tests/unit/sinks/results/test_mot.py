"""MOT: lines of ten numbers, read by motmetrics."""

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detcli.errors import UsageError
from detcli.io.results.format_choice import format_of_output
from detcli.io.results.formats import FORMATS
from detcli.sinks.results.mot import MotLines
from detcli.sinks.sink import SinkSettings
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame
from detcli.structures.json_records import Result


def written(results: list[Any], settings: SinkSettings) -> bytes:
    stream = io.BytesIO()
    sink = MotLines(stream, settings)
    for result in results:
        sink.write(*result)
    sink.close(complete=True)
    return stream.getvalue()


def film(results: list[Result], *, file: str = "in.mp4") -> list[tuple[Frame, Detections]]:
    """The readable results as the frames 0, 1, … of a tracked video."""
    frames = []
    readable = [
        (frame, found) for frame, found in results if isinstance(frame, Frame) and isinstance(found, Detections)
    ]
    for number, (frame, found) in enumerate(readable):
        origin = replace(frame.origin, file=file, frame=number, time_s=number / 25)
        frames.append((replace(frame, origin=origin), replace(found, track_ids=np.arange(len(found)) + 4)))
    return frames


def test_a_line_is_that_of_motchallenge_counted_from_one(settings: SinkSettings, results: list[Result]) -> None:
    lines = written(film(results)[:2], settings).decode().splitlines()
    assert lines == ["1,4,11.1,21.2,100.2,200.2,0.93,-1,-1,-1", "1,5,1.0,1.0,640.0,480.0,0.5,-1,-1,-1"]


def test_without_tracking_the_id_is_minus_one(settings: SinkSettings, results: list[Result]) -> None:
    rows = [line.split(",") for line in written(results, settings).decode().splitlines()]
    assert {row[1] for row in rows} == {"-1"}
    numbers = [frame.origin.index + 1 for frame, found in results if isinstance(found, Detections) and len(found)]
    assert list(dict.fromkeys(int(row[0]) for row in rows)) == numbers
    assert {len(row) for row in rows} == {10}


def test_empty_and_failed_frames_have_no_line(settings: SinkSettings, results: list[Result]) -> None:
    assert written(results[1:3], settings) == b""
    assert isinstance(results[2][1], FailedFrame)


def test_motmetrics_reads_the_same_boxes(settings: SinkSettings, results: list[Result], tmp_path: Path) -> None:
    motmetrics = pytest.importorskip("motmetrics")
    frames = film(results)
    path = tmp_path / "in.txt"
    path.write_bytes(written(frames, settings))
    table = motmetrics.io.loadtxt(str(path), fmt="mot15-2D")
    boxes = np.concatenate([found.boxes_xyxy for _, found in frames])
    read = table[["X", "Y", "Width", "Height"]].to_numpy()
    read[:, 2:] += read[:, :2]
    np.testing.assert_allclose(read, boxes, atol=1e-3)
    numbers = [(frame.origin.frame + 1, int(i)) for frame, found in frames for i in found.track_ids]  # type: ignore[operator, union-attr]
    assert list(table.index) == numbers


def test_several_classes_and_several_videos_are_remarked(settings: SinkSettings, results: list[Result]) -> None:
    sink = MotLines(io.BytesIO(), settings)
    for result in [*film(results), *film(results, file="other.mp4")]:
        sink.write(*result)
    sink.close(complete=True)
    assert "several classes" in sink.remarks[0]
    assert "several videos" in sink.remarks[1]
    one = MotLines(io.BytesIO(), settings)
    one.write(*film(results)[-1])
    assert one.remarks == ()


def test_the_lines_grow_and_an_aborted_file_has_whole_ones(
    settings: SinkSettings, results: list[Result], tmp_path: Path
) -> None:
    sink = MotLines(tmp_path / "x.txt", settings)
    sink.write(*results[0])
    sink.flush()
    sink.write(*results[3])
    sink.abort()
    assert (tmp_path / "x.txt").read_bytes() == written(results[:1], settings)


def test_infinite_numbers_are_never_written(settings: SinkSettings, results: list[Result]) -> None:
    _, found = results[0]
    assert isinstance(found, Detections)
    found.boxes_xyxy[0, 0] = float("inf")
    with pytest.raises(ValueError, match="finite"):
        written(results[:1], settings)


def test_text_files_are_mot_only_by_name() -> None:
    with pytest.raises(UsageError, match="YOLO text files go to a folder"):
        format_of_output("out.txt")
    with pytest.raises(UsageError, match="cannot be read"):
        FORMATS["mot"].load_reader()
