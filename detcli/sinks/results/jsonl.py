"""One JSON record a line, growing in place: the canonical form, all else converts from it."""

from pathlib import Path
from typing import BinaryIO

from detcli.io.outputs import open_output
from detcli.sinks.sink import BaseSink, SinkSettings
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame
from detcli.structures.json_records import json_line, to_record


class JsonLines(BaseSink):
    """Every frame's record as it comes; with a header, the run's provenance first, as `{"detcli": {…}}`."""

    ordered = True
    needs_pixels = False

    def __init__(self, target: Path | BinaryIO, settings: SinkSettings) -> None:
        self._labels = settings.info.labels
        self._output = open_output(target, in_place=True)
        if settings.header:
            self._output.write(json_line({"detcli": settings.info.as_json()}))

    def write(self, frame: Frame | FailedFrame, detections: Detections | FailedFrame) -> None:
        """Write one record."""
        self._output.write(json_line(to_record(frame, detections, self._labels)))

    def flush(self) -> None:
        """Let a reader see every line so far."""
        self._output.flush()

    def close(self, *, complete: bool) -> None:
        """Write the rest; an interrupted run's lines are whole, and the first ones of the whole run's."""
        self._output.commit()

    def abort(self) -> None:
        """Leave the lines that were flushed."""
        self._output.discard()
