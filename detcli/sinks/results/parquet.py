"""Parquet: one row per image with a list of detections, or one row per box, for data frames and databases.

Provenance is in the footer, as JSON under the key `detcli`. The file appears when the run ends. A file has several row
groups, whose limits follow from the results alone, so that memory stays small and a resumed run writes the same bytes.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from detcli.extras import install_command
from detcli.io.outputs import OutputFile, open_output
from detcli.io.results.parquet_schema import PROVENANCE_KEY, box_schema, image_schema
from detcli.io.results.utf8_names import as_utf8
from detcli.libraries import optional_library
from detcli.sinks.sink import BaseSink, SinkSettings
from detcli.structures.detections import STD_COLUMNS, Detections
from detcli.structures.float_text import shortest
from detcli.structures.frame import FailedFrame, Frame
from detcli.structures.json_records import Record, to_record

# About bytes of content. A batch is as many Python objects, some ten times as large; a row group is Arrow's memory.
_BATCH_SIZE = 1 << 20
_ROW_GROUP_SIZE = 16 << 20
_ROW_SIZE, _BOX_SIZE = 100, 64  # without names and masks


class ParquetTable(BaseSink):
    """Writes the records of images, or of boxes with `settings.rows`; every file has the same columns."""

    ordered = True
    needs_pixels = False

    def __init__(self, target: Path | BinaryIO, settings: SinkSettings) -> None:
        self._pa = optional_library("pyarrow", need="Parquet needs", install=install_command("parquet"))
        parquet = optional_library("pyarrow.parquet", need="Parquet needs", install=install_command("parquet"))
        self._labels, self._info = settings.info.labels, settings.info
        self._of_boxes = settings.rows == "boxes"
        self._schema = box_schema(self._pa) if self._of_boxes else image_schema(self._pa)
        self._output = open_output(target, in_place=False)
        self._bytes = _CountedBytes(self._output)
        self._rows: list[Record] = []
        self._batches: list[Any] = []
        self._rows_size = self._batches_size = 0
        self._writer = parquet.ParquetWriter(
            self._pa.PythonFile(self._bytes, mode="w"), self._schema, compression="zstd"
        )

    def write(self, frame: Frame | FailedFrame, detections: Detections | FailedFrame) -> None:
        """Add one image; complete row groups are written."""
        record = to_record(frame, detections, self._labels)
        record["file"] = as_utf8(record["file"])
        if record["error"] is not None:
            record["error"]["message"] = as_utf8(record["error"]["message"])
        for detection in record["detections"] or ():
            detection["label"] = as_utf8(detection["label"])
        rows = list(_box_rows(record, detections)) if self._of_boxes else [record]
        self._rows += rows
        self._rows_size += sum(map(_size, rows))
        if self._rows_size >= _BATCH_SIZE:
            self._end_batch()
        if self._batches_size >= _ROW_GROUP_SIZE:
            self._end_row_group()

    def close(self, *, complete: bool) -> None:
        """Write the last rows and the footer, and rename the file into place."""
        self._end_batch()
        self._end_row_group()
        provenance = json.dumps(self._info.as_json() | {"complete": complete}, allow_nan=False)
        self._writer.add_key_value_metadata({PROVENANCE_KEY.decode(): provenance})
        self._writer.close()
        self._output.commit(complete=complete)

    def abort(self) -> None:
        """Discard the new file; an earlier file stays as it is."""
        self._bytes.discard()
        self._rows, self._batches = [], []
        self._output.discard()

    def _end_batch(self) -> None:
        if self._rows:
            self._batches.append(self._pa.RecordBatch.from_pylist(self._rows, schema=self._schema))
        self._batches_size += self._rows_size
        self._rows, self._rows_size = [], 0

    def _end_row_group(self) -> None:
        if self._batches:
            table = self._pa.Table.from_batches(self._batches, schema=self._schema)
            self._writer.write_table(table, row_group_size=table.num_rows)
        self._batches, self._batches_size = [], 0


class _CountedBytes:
    """The file that pyarrow writes to; it asks for the position, which a pipe has not. After `discard` it writes nothing."""

    closed = False

    def __init__(self, output: OutputFile) -> None:
        self._output: OutputFile | None = output
        self._position = 0

    def write(self, data: bytes) -> int:
        data = bytes(data)
        if self._output is not None:
            self._output.write(data)
        self._position += len(data)
        return len(data)

    def tell(self) -> int:
        return self._position

    def flush(self) -> None:
        """Do nothing: `commit` of the output does."""

    def close(self) -> None:
        """Do nothing: `commit` of the output does."""

    def discard(self) -> None:
        self._output = None  # pyarrow writes a footer when its writer is deleted


def _box_rows(record: Record, detections: Detections | FailedFrame) -> Iterator[Record]:
    if isinstance(detections, FailedFrame) or record["error"] is not None:
        return
    image = {key: record.get(key) for key in ("index", "file", "frame", "time_s", "width", "height")}
    corners = shortest(detections.boxes_xyxy.reshape(-1))
    for start, detection in zip(range(0, len(corners), 4), record["detections"], strict=True):
        sides = dict(zip(("x_min", "y_min", "x_max", "y_max"), corners[start : start + 4], strict=True))
        deviations = dict(zip(STD_COLUMNS, detection.get("bbox_std", (None,) * 4), strict=True))
        yield image | detection | sides | deviations


def _size(row: Record) -> int:
    """About the bytes of a row."""
    boxes = row.get("detections") or ()
    masks = sum(len(box["segmentation"]["counts"]) for box in (row, *boxes) if box.get("segmentation"))
    return _ROW_SIZE + len(row["file"]) + _BOX_SIZE * len(boxes) + masks
