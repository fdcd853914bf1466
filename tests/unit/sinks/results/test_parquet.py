"""Parquet: rows of images and of boxes, read by pyarrow, pandas and DuckDB."""

import io
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detcli.errors import InputError, NoDataError, OutputError
from detcli.io.results import read_results
from detcli.io.results.provenance import ResultsProvenance, read_provenance
from detcli.sinks.results import parquet
from detcli.sinks.results.jsonl import JsonLines
from detcli.sinks.results.parquet import ParquetTable
from detcli.sinks.sink import SinkSettings
from detcli.structures.detections import Detections
from detcli.structures.json_records import Result

pq = pytest.importorskip("pyarrow.parquet")
pa = pytest.importorskip("pyarrow")


def written(results: list[Result], settings: SinkSettings, *, complete: bool = True) -> bytes:
    stream = io.BytesIO()
    sink = ParquetTable(stream, settings)
    for result in results:
        sink.write(*result)
        sink.flush()
    sink.close(complete=complete)
    return stream.getvalue()


def table(data: bytes) -> Any:
    return pq.read_table(io.BytesIO(data))


def json_records(results: list[Result], settings: SinkSettings) -> list[dict[str, Any]]:
    stream = io.BytesIO()
    sink = JsonLines(stream, settings)
    for result in results:
        sink.write(*result)
    sink.close(complete=True)
    return [json.loads(line) for line in stream.getvalue().decode().splitlines()]


def as_float32(value: Any) -> Any:
    if isinstance(value, float):
        return float(np.float32(value))
    if isinstance(value, list):
        return [as_float32(part) for part in value]
    return {key: as_float32(part) for key, part in value.items()} if isinstance(value, dict) else value


def without_null(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_null(part) for key, part in value.items() if part is not None}
    return [without_null(part) for part in value] if isinstance(value, list) else value


@pytest.fixture
def rich(results: list[Result], segments: list[Result]) -> list[Result]:
    """Boxes, masks, tracks, deviations and a frame of a video, empty and failed images, hostile names."""
    frame, found = results[0]
    assert isinstance(found, Detections)
    origin = replace(frame.origin, index=40, frame=7, time_s=0.28)
    tracked = replace(found, track_ids=np.array([12, 3]), box_std=np.arange(8.0).reshape(2, 4) / 3)
    return [*results, *segments, (replace(frame, origin=origin), tracked)]  # type: ignore[list-item]


def test_rows_of_images_are_the_json_records(settings: SinkSettings, rich: list[Result]) -> None:
    read = table(written(rich, settings)).to_pylist()
    wanted = json_records(rich, settings)
    for record in wanted:
        record["file"] = record["file"].encode("utf-8", "backslashreplace").decode()
    assert [row.pop("time_s") for row in read] == [record.pop("time_s", None) for record in wanted]
    assert [without_null(row) for row in read] == [without_null(as_float32(record)) for record in wanted]


def test_rows_of_boxes_have_the_columns_of_csv_and_masks(settings: SinkSettings, rich: list[Result]) -> None:
    read = table(written(rich, replace(settings, rows="boxes"))).to_pylist()
    boxes = [(record, box) for record in json_records(rich, settings) for box in record["detections"] or ()]
    assert len(read) == len(boxes)
    for row, (record, box) in zip(read, boxes, strict=True):
        left, top, width, height = box["bbox"]
        assert (row["index"], row["width"], row["label"]) == (record["index"], record["width"], box["label"])
        assert (row["frame"], row["track_id"]) == (record.get("frame"), box.get("track_id"))
        sides = [row[side] for side in ("x_min", "y_min", "x_max", "y_max")]
        assert sides == pytest.approx([left, top, left + width, top + height], abs=1e-3)
        deviations = [row[f"{side}_std"] for side in ("x_min", "y_min", "x_max", "y_max")]
        assert deviations == pytest.approx(box.get("bbox_std", [None] * 4))
        assert row["segmentation"] == box.get("segmentation")


@pytest.mark.parametrize("rows", ["images", "boxes"])
def test_every_file_has_the_same_columns(settings: SinkSettings, rich: list[Result], rows: Any) -> None:
    chosen = replace(settings, rows=rows)
    files = [table(written(part, chosen)) for part in ([], rich[:1], rich[2:3], rich)]
    assert len({str(file.schema.remove_metadata()) for file in files}) == 1
    assert pa.concat_tables(files).num_rows == sum(file.num_rows for file in files)


@pytest.mark.parametrize("complete", [True, False])
def test_the_footer_has_the_provenance(settings: SinkSettings, tmp_path: Path, complete: bool) -> None:
    path = tmp_path / "out.parquet"
    path.write_bytes(written([], settings, complete=complete))
    footer = json.loads(pq.read_metadata(path).metadata[b"detcli"])
    assert footer == settings.info.as_json() | {"complete": complete}
    assert read_provenance(path, "parquet") == ResultsProvenance("dfine-s", 0.4)


@pytest.mark.parametrize("rows", ["images", "boxes"])
def test_pandas_and_duckdb_count_the_same_boxes(
    settings: SinkSettings, rich: list[Result], tmp_path: Path, rows: Any
) -> None:
    pandas = pytest.importorskip("pandas")
    path = tmp_path / "out.parquet"
    path.write_bytes(written(rich, replace(settings, rows=rows)))
    count = sum(len(found) for _, found in rich if isinstance(found, Detections))
    frame = pandas.read_parquet(path)
    assert count == (len(frame) if rows == "boxes" else frame["detections"].dropna().map(len).sum())
    duckdb = pytest.importorskip("duckdb")
    boxes = "*" if rows == "boxes" else "unnest(detections, recursive := true)"
    query = f"select count(*), max(score) from (select {boxes} from '{path}')"
    best = max(float(found.scores.max()) for _, found in rich if isinstance(found, Detections) and len(found))
    assert duckdb.sql(query).fetchall() == [(count, pytest.approx(best))]


@pytest.mark.parametrize("rows", ["images", "boxes"])
def test_what_was_written_is_read_as_from_json_lines(
    settings: SinkSettings, rich: list[Result], tmp_path: Path, rows: Any
) -> None:
    (tmp_path / "out.parquet").write_bytes(written(rich, replace(settings, rows=rows)))
    sink = JsonLines(tmp_path / "out.jsonl", settings)
    for result in rich:
        sink.write(*result)
    sink.close(complete=True)
    read = [image for image in read_results(tmp_path / "out.parquet") if image.boxes or rows == "images"]
    wanted = [image for image in read_results(tmp_path / "out.jsonl") if image.boxes or rows == "images"]
    for image, other in zip(read, wanted, strict=True):
        assert (image.file, image.frame, image.size_hw) == (other.file, other.frame, other.size_hw)
        assert (image.index, image.time_s) == (other.index, other.time_s)
        assert (image.boxes is None) == (other.boxes is None)
        for box, same in zip(image.boxes or (), other.boxes or (), strict=True):
            assert box.bbox == (same.bbox if rows == "images" else pytest.approx(same.bbox, abs=1e-3))
            assert box._replace(bbox=same.bbox, corners=None) == same


def test_row_groups_are_bounded_and_the_same_whatever_is_flushed(
    settings: SinkSettings, many: Callable[[int], Iterator[Result]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet, "_BATCH_SIZE", 2000)
    monkeypatch.setattr(parquet, "_ROW_GROUP_SIZE", 10_000)
    results = list(many(300))
    data = written(results, settings)
    footer = pq.read_metadata(io.BytesIO(data))
    assert footer.num_rows == 300
    rows = [footer.row_group(number).num_rows for number in range(footer.num_row_groups)]
    assert len(rows) > 5
    assert max(rows) < 60
    stream = io.BytesIO()
    sink = ParquetTable(stream, settings)
    for result in results:  # without a flush
        sink.write(*result)
    sink.close(complete=True)
    assert stream.getvalue() == data


def test_the_file_appears_at_the_end_and_an_old_one_stays(
    settings: SinkSettings, results: list[Result], tmp_path: Path
) -> None:
    path = tmp_path / "out.parquet"
    path.write_bytes(b"old")
    sink = ParquetTable(path, settings)
    sink.write(*results[0])
    sink.abort()
    del sink
    assert [(entry.name, entry.read_bytes()) for entry in tmp_path.iterdir()] == [("out.parquet", b"old")]


def test_a_failed_write_is_an_output_error(settings: SinkSettings, results: list[Result]) -> None:
    class Full(io.BytesIO):
        def write(self, data: Any) -> int:
            raise OSError(28, "No space left on device")

    with pytest.raises((OutputError, OSError), match=r"full|space"):
        ParquetTable(Full(), settings).close(complete=True)


def other_table(path: Path, columns: dict[str, list[Any]]) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


BOX = {"file": ["a.jpg"], "label": ["cat"], "score": [0.5], "x_min": [1], "y_min": [2], "x_max": [3], "y_max": [4]}


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"price": [1.0]}, "Parquet of something else: .* this file has price"),
        ({}, "this file has no columns"),
        ({f"c{number}": [1] for number in range(30)}, "c7, …"),
        (BOX | {"label": [None]}, "row 1: label is missing"),
        (BOX | {"score": ["high"]}, "row 1: score is 'high', not a number"),
        (BOX | {"x_max": [0.5]}, "row 1: the box at 1, 2 has the width -0.5"),
        (BOX | {"x_min": [float("nan")]}, "row 1: x_min is nan, not a finite number"),
        (BOX | {"file": [None]}, "row 1: file is missing"),
        ({"file": ["a"], "detections": [None]}, "row 1: it has neither a list of detections nor an error"),
        ({"file": ["a"], "detections": [[7]]}, "row 1: 7 is not a JSON object"),
        ({"file": ["a"], "detections": [[{"label": "x", "score": 0.5, "bbox": [1.0]}]]}, "row 1: bbox is"),
    ],
)
def test_parquet_of_something_else_is_refused(tmp_path: Path, columns: dict[str, list[Any]], message: str) -> None:
    path = other_table(tmp_path / "x.parquet", columns)
    with pytest.raises(InputError, match=message):
        list(read_results(path))


def test_boxes_of_another_program_are_read_without_optional_columns(tmp_path: Path) -> None:
    [image] = read_results(other_table(tmp_path / "x.parquet", BOX))
    assert image.boxes is not None
    assert (image.file, image.boxes[0].bbox, image.boxes[0].score) == ("a.jpg", (1, 2, 2, 2), 0.5)


@pytest.mark.parametrize("cut", [0, 4, 100, -1, -20])
def test_a_truncated_file_is_named_as_damaged(
    settings: SinkSettings, rich: list[Result], tmp_path: Path, cut: int
) -> None:
    path = tmp_path / "out.parquet"
    path.write_bytes(written(rich, settings)[:cut])
    for use in (lambda: list(read_results(path)), lambda: read_provenance(path, "parquet")):
        with pytest.raises(InputError, match="is not Parquet, or is damaged"):
            use()


def test_a_damaged_file_is_an_error_or_read(settings: SinkSettings, rich: list[Result], tmp_path: Path) -> None:
    data = written(rich, settings)
    random = np.random.default_rng(0)
    path = tmp_path / "out.parquet"
    refusals = []
    for _ in range(60):
        damaged = bytearray(data)
        for place in random.integers(0, len(data), 3).tolist():
            damaged[place] = int(random.integers(0, 256))
        path.write_bytes(damaged)
        try:
            list(read_results(path))
        except InputError as error:
            refusals.append(str(error))
    assert refusals
    assert all(text.startswith(f"'{path}'") for text in refusals)


def test_a_missing_file_or_a_folder_is_no_data(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.parquet"):
        with pytest.raises(NoDataError):
            list(read_results(path, format_name="parquet"))
