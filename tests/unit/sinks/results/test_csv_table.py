import csv
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from detcli.sinks.results.csv_table import COLUMNS, CsvTable
from detcli.sinks.sink import SinkSettings
from detcli.structures.class_labels import ClassLabels
from detcli.structures.detections import Detections
from detcli.structures.json_records import Result


def table(results: list[Result], settings: SinkSettings) -> bytes:
    stream = io.BytesIO()
    sink = CsvTable(stream, settings)
    for result in results:
        sink.write(*result)
    sink.close(complete=True)
    return stream.getvalue()


def rows(data: bytes) -> list[dict[str, str]]:
    text = data.decode("utf-8", "surrogateescape")
    return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))


def test_the_columns_are_documented() -> None:
    assert ",".join(COLUMNS) == "file,frame,time_s,width,height,label,category_id,score,x_min,y_min,x_max,y_max"


def test_with_tracking_the_last_column_is_the_track_id(settings: SinkSettings, results: list[Result]) -> None:
    frame, found = results[0]
    assert isinstance(found, Detections)
    numbered = replace(found, track_ids=np.array([12, 3]))
    data = table([(frame, numbered), results[1], results[2]], replace(settings, tracks=True))
    assert data.splitlines()[0].endswith(b",y_max,track_id")
    assert [row["track_id"] for row in rows(data)] == ["12", "3"]


def test_with_uncertainty_the_last_columns_are_the_deviations(settings: SinkSettings, results: list[Result]) -> None:
    frame, found = results[0]
    assert isinstance(found, Detections)
    known = replace(found, track_ids=np.array([12, 3]), box_std=np.arange(8.0).reshape(2, 4))
    data = table([(frame, known)], replace(settings, tracks=True, uncertainty=True))
    assert data.splitlines()[0].endswith(b",y_max,track_id,x_min_std,y_min_std,x_max_std,y_max_std")
    assert [float(row["y_max_std"]) for row in rows(data)] == [3.0, 7.0]
    for given, has in ((known, False), (found, True)):
        with pytest.raises(ValueError, match="standard deviations"):
            table([(frame, given)], replace(settings, tracks=given is known, uncertainty=has))


@pytest.mark.parametrize("tracks", [True, False])
def test_rows_must_match_the_header_about_tracks(settings: SinkSettings, results: list[Result], tracks: bool) -> None:
    frame, found = results[0]
    assert isinstance(found, Detections)
    other = found if tracks else replace(found, track_ids=np.array([1, 2]))
    with pytest.raises(ValueError, match="track column"):
        table([(frame, other)], replace(settings, tracks=tracks))


def test_the_header_row_is_written_without_detections_too(settings: SinkSettings) -> None:
    assert table([], settings) == ",".join(COLUMNS).encode() + b"\r\n"


def test_every_box_can_be_read_back(settings: SinkSettings, results: list[Result]) -> None:
    read = iter(rows(table(results, settings)))
    for frame, found in results:
        if not isinstance(found, Detections):
            continue
        for box, score, class_id in zip(found.boxes_xyxy, found.scores, found.class_ids, strict=True):
            row = next(read)
            assert row["file"] == frame.origin.file
            assert (row["frame"], row["time_s"], row["width"], row["height"]) == ("", "", "640", "480")
            assert row["label"] == settings.info.labels.names[class_id]
            assert int(row["category_id"]) == settings.info.labels.category_ids[class_id]
            assert np.float32(row["score"]) == score
            corners = [np.float32(row[name]) for name in ("x_min", "y_min", "x_max", "y_max")]
            assert corners == box.astype(np.float32).tolist()
    assert next(read, None) is None


def test_lines_end_in_crlf_and_names_keep_their_bytes(settings: SinkSettings, results: list[Result]) -> None:
    data = table(results, settings)
    assert data.count(b"\r\n") == len(rows(data)) + 1
    assert b"not utf-8 \xff.jpg" in data
    assert b'"in/quote"".jpg"' in data


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_formulas_are_made_text_only_on_request(settings: SinkSettings, results: list[Result], start: str) -> None:
    labels = ClassLabels((f"{start}cmd", "dog", "x"), (1, 2, 3))
    odd = replace(settings, info=replace(settings.info, labels=labels))
    exact = rows(table(results[:1], odd))
    safe = rows(table(results[:1], replace(odd, csv_safe=True)))
    assert exact[1]["label"] == f"{start}cmd"
    assert safe[1]["label"] == f"'{start}cmd"
    assert safe[0]["label"] == "dog"


def test_the_file_grows_by_complete_rows(tmp_path: Path, settings: SinkSettings, results: list[Result]) -> None:
    sink = CsvTable(tmp_path / "x.csv", settings)
    for result in results:
        sink.write(*result)
        sink.flush()
        assert (tmp_path / "x.csv").read_bytes().endswith(b"\r\n")
    sink.write(*results[0])
    sink.abort()
    assert (tmp_path / "x.csv").read_bytes() == table(results, settings)


def test_nan_and_infinity_are_never_written(settings: SinkSettings, results: list[Result]) -> None:
    _, detections = results[0]
    detections.boxes_xyxy[0, 0] = float("inf")
    with pytest.raises(ValueError, match="finite"):
        table(results, settings)
