"""CSV (RFC 4180): one row per box, for spreadsheets, databases and data frames; grows while the run goes on.

Images without boxes and failed images have no row; JSON Lines has both. With tracking, a further column is the track id;
with uncertainty, the last four are the standard deviations of the edges.
"""

import csv
import io
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

import numpy as np

from detcli.io.atomic_write import to_bytes
from detcli.io.outputs import open_output
from detcli.sinks.sink import BaseSink, SinkSettings
from detcli.structures.detections import STD_COLUMNS, Detections
from detcli.structures.float_text import shortest
from detcli.structures.frame import FailedFrame, Frame

COLUMNS = (
    "file", "frame", "time_s", "width", "height", "label", "category_id", "score", "x_min", "y_min", "x_max", "y_max",
)  # fmt: skip

TRACK_COLUMN = "track_id"

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")


class CsvTable(BaseSink):
    """Writes a header row, then the boxes; file names are written byte by byte, even if they are not UTF-8."""

    ordered = True
    needs_pixels = False

    def __init__(self, target: Path | BinaryIO, settings: SinkSettings) -> None:
        self._labels = settings.info.labels
        self._safe = settings.csv_safe
        self._output = open_output(target, in_place=not settings.whole_files)
        self._tracks, self._uncertainty = settings.tracks, settings.uncertainty
        tracks = (TRACK_COLUMN,) if self._tracks else ()
        self._output.write(_rows([(*COLUMNS, *tracks, *(STD_COLUMNS if self._uncertainty else ()))]))

    def write(self, frame: Frame | FailedFrame, detections: Detections | FailedFrame) -> None:
        """Write the rows of one image."""
        if isinstance(frame, FailedFrame) or isinstance(detections, FailedFrame) or not len(detections):
            return
        origin, (height, width) = frame.origin, frame.size_hw
        first = (self._text(origin.file), origin.frame, origin.time_s, width, height)
        if not (np.isfinite(detections.scores).all() and np.isfinite(detections.boxes_xyxy).all()):
            raise ValueError(f"boxes or scores of '{origin.file}' are not finite")
        tracks = self._track_cells(detections)
        std = self._std_cells(detections)
        corners = shortest(detections.boxes_xyxy.reshape(-1))
        numbers = zip(detections.class_ids.tolist(), shortest(detections.scores), strict=True)
        self._output.write(
            _rows(
                (
                    *first,
                    self._text(self._labels.names[class_id]),
                    self._labels.category_ids[class_id],
                    score,
                    *corners[4 * i : 4 * i + 4],
                    *tracks[i],
                    *std[4 * i : 4 * i + 4],
                )
                for i, (class_id, score) in enumerate(numbers)
            )
        )

    def flush(self) -> None:
        """Write every row so far to the file."""
        self._output.flush()

    def close(self, *, complete: bool) -> None:
        """Write the remaining rows."""
        self._output.commit(complete=complete)

    def abort(self) -> None:
        """Stop after an error; the rows that were flushed stay."""
        self._output.discard()

    def _track_cells(self, detections: Detections) -> list[tuple[int, ...]]:
        """The track id cell of each row; empty tuples without tracking."""
        if (detections.track_ids is not None) != self._tracks:
            raise ValueError(f"the header row was written {'with' if self._tracks else 'without'} a track column")
        if detections.track_ids is None:
            return [()] * len(detections)
        return [(track_id,) for track_id in detections.track_ids.tolist()]

    def _std_cells(self, detections: Detections) -> list[float]:
        """The cells of the standard deviations, four for each row; none without uncertainty."""
        if (detections.box_std is not None) != self._uncertainty:
            columns = "with" if self._uncertainty else "without"
            raise ValueError(f"the header row was written {columns} columns of standard deviations")
        return [] if detections.box_std is None else shortest(detections.box_std.reshape(-1))

    def _text(self, text: str) -> str:
        return f"'{text}" if self._safe and text.startswith(_FORMULA_STARTS) else text


def _rows(rows: Iterable[Iterable[object]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return to_bytes(text.getvalue())
