"""The table of events: each crossing of a line, and each visit of a zone as it begins and ends."""

from collections.abc import Iterable

from detcli.counting.frame_counts import CountEvent
from detcli.counting.run_counter import RunCounter, source_key
from detcli.sinks.counts.count_table import class_of
from detcli.sinks.counts.row_file import RowFile
from detcli.sinks.sink import BaseSink
from detcli.structures.class_labels import ClassLabels
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame, Origin

EVENT_COLUMNS = (
    "file", "frame", "time_s", "kind", "name", "event", "label", "category_id", "track_id", "x", "y", "dwell_s",
)  # fmt: skip


class EventTable(BaseSink):
    """Writes the events of each frame, and at the end those of visits that lasted until then.

    counter  that counted in the frames
    """

    ordered = True
    needs_pixels = False

    def __init__(self, file: RowFile, counter: RunCounter, labels: ClassLabels) -> None:
        self._file, self._counter, self._labels = file, counter, labels
        self._last: dict[str, Origin] = {}

    def write(self, frame: Frame | FailedFrame, detections: Detections | FailedFrame) -> None:
        """Write the events of one frame."""
        if isinstance(frame, FailedFrame) or frame.counts is None:
            return
        self._last[source_key(frame)] = frame.origin
        self._write(frame.origin, frame.counts.events)

    def flush(self) -> None:
        """Write every row so far to the file."""
        self._file.flush()

    def close(self, *, complete: bool) -> None:
        """Write the ends of visits that lasted until the last frame of each source."""
        for key, origin in self._last.items():
            self._write(origin, self._counter.finish(key))
        self._file.close(complete=complete)

    def abort(self) -> None:
        """Stop after an error; the rows that were flushed stay."""
        self._file.abort()

    def _write(self, origin: Origin, events: Iterable[CountEvent]) -> None:
        for event in events:
            row: dict[str, object] = {
                "file": origin.file,
                "frame": origin.frame,
                "time_s": origin.time_s,
                "kind": "line" if event.is_of_line else "zone",
                "name": event.name,
                "event": event.kind,
            }
            row |= class_of(self._labels, event.class_id)
            row |= {"track_id": event.track_id, "x": round(event.point[0], 2), "y": round(event.point[1], 2)}
            row["dwell_s"] = None if event.dwell_s is None else round(event.dwell_s, 6)
            self._file.write(row)
