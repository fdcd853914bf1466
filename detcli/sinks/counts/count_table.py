"""Tables of counts: of videos by intervals of time, lines, zones and classes; of images by zones and classes."""

from collections import Counter
from collections.abc import Mapping

from detcli.counting.count_rows import CountRow, CountRows
from detcli.counting.run_counter import RunCounter, source_key
from detcli.sinks.counts.row_file import RowFile
from detcli.sinks.sink import BaseSink
from detcli.structures.class_labels import ClassLabels
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame

_ROW = ("file", "start_s", "end_s", "frames", "kind", "name", "label", "category_id")
_LINE, _ZONE = ("in", "out"), ("present", "maximum", "mean")
_VISITS = ("entered", "left", "ended", "dwell_mean_s", "dwell_max_s")
IMAGE_COLUMNS = ("index", "file", "zone", "label", "category_id", "count", "error")


def video_columns(counter: RunCounter) -> tuple[str, ...]:
    """The columns of counts of videos: those of visits and crossings only where there are any."""
    lines = _LINE if counter.settings.lines else ()
    visits = _VISITS if counter.settings.zones and counter.tracks else ()
    return (*_ROW, *lines, *_ZONE, *visits)


class VideoCountTable(BaseSink):
    """Writes the rows of each interval of a source when the next one begins, and the last ones at the end.

    counter  that counted in the frames
    """

    ordered = True
    needs_pixels = False

    def __init__(self, file: RowFile, counter: RunCounter, labels: ClassLabels) -> None:
        self._file, self._counter, self._labels = file, counter, labels
        self._rows: dict[str, CountRows] = {}
        self._names: dict[str, str] = {}

    def write(self, frame: Frame | FailedFrame, detections: Detections | FailedFrame) -> None:
        """Count one frame; a failed one is no frame."""
        if isinstance(frame, FailedFrame) or frame.counts is None:
            return
        key, name = source_key(frame), frame.origin.file
        if key not in self._rows:
            settings = self._counter.settings
            self._rows[key] = CountRows(settings.bin_s, tracks=self._counter.tracks)
            self._names[key] = name
        for row in self._rows[key].add(frame.counts, frame.origin.time_s or 0.0):
            self._file.write(self._record(name, row))

    def flush(self) -> None:
        """Write every row so far to the file."""
        self._file.flush()

    def close(self, *, complete: bool) -> None:
        """Write the rows of the last interval of each source."""
        for key, rows in self._rows.items():
            for row in rows.finish(self._counter.finish(key)):
                self._file.write(self._record(self._names[key], row))
        self._file.close(complete=complete)

    def abort(self) -> None:
        """Stop after an error; the rows that were flushed stay."""
        self._file.abort()

    def _record(self, name: str, row: CountRow) -> Mapping[str, object]:
        fixed = {
            "file": name, "start_s": row.start_s, "end_s": row.end_s, "frames": row.frames, "kind": row.kind,
            "name": row.name or None,
        }  # fmt: skip
        return fixed | class_of(self._labels, row.class_id) | row.values


class ImageCountTable(BaseSink):
    """Writes the rows of each image: all objects, those of each class, and the same of each zone."""

    ordered = True
    needs_pixels = False

    def __init__(self, file: RowFile, counter: RunCounter, labels: ClassLabels) -> None:
        self._file, self._counter, self._labels = file, counter, labels

    def write(self, frame: Frame | FailedFrame, detections: Detections | FailedFrame) -> None:
        """Write the rows of one image; a failed one has a row with the reason, and no count."""
        origin = {"index": frame.origin.index, "file": frame.origin.file}
        failed = frame if isinstance(frame, FailedFrame) else detections
        if isinstance(failed, FailedFrame):
            row = {"zone": None} | class_of(self._labels, None) | {"count": None, "error": failed.code}
            self._file.write(origin | row)
        elif isinstance(frame, Frame) and frame.counts is not None:
            self._write_counts(origin, None, frame.counts.present_per_class)
            for zone in frame.counts.zones.values():
                self._write_counts(origin, zone.name, zone.present_per_class)

    def flush(self) -> None:
        """Write every row so far to the file."""
        self._file.flush()

    def close(self, *, complete: bool) -> None:
        """Write the remaining rows."""
        self._file.close(complete=complete)

    def abort(self) -> None:
        """Stop after an error; the rows that were flushed stay."""
        self._file.abort()

    @property
    def remarks(self) -> tuple[str, ...]:
        """Zones that are outside some images."""
        outside = self._counter.outside.items()
        return tuple(
            f"the zone '{name}' is outside {count:,} {'image' if count == 1 else 'images'}" for name, count in outside
        )

    def _write_counts(self, origin: dict[str, object], zone: str | None, per_class: Mapping[int, int]) -> None:
        counts = Counter(dict(per_class))
        numbers: list[tuple[int | None, int]] = [(None, counts.total()), *sorted(counts.items())]
        for class_id, count in numbers:
            self._file.write(
                origin | {"zone": zone} | class_of(self._labels, class_id) | {"count": count, "error": None}
            )


def class_of(labels: ClassLabels, class_id: int | None) -> dict[str, object]:
    """The cells of a class; empty for all classes."""
    if class_id is None:
        return {"label": None, "category_id": None}
    return {"label": labels.names[class_id], "category_id": labels.category_ids[class_id]}
