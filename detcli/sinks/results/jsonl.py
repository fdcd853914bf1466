"""JSON Lines: one record per image and line, with all fields; grows while the run goes on."""

from pathlib import Path
from typing import BinaryIO

from detcli.io.outputs import open_output
from detcli.sinks.sink import BaseSink, SinkSettings
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame
from detcli.structures.json_records import json_line, to_record


class JsonLines(BaseSink):
    """Writes the record of every frame; with `header`, the provenance first, as `{"detcli": {…}}`."""

    ordered = True
    needs_pixels = False

    def __init__(self, target: Path | BinaryIO, settings: SinkSettings) -> None:
        self._labels = settings.info.labels
        self._output = open_output(target, in_place=not settings.whole_files)
        if settings.header:
            self._output.write(json_line({"detcli": settings.info.as_json()}))

    def write(self, frame: Frame | FailedFrame, detections: Detections | FailedFrame) -> None:
        """Write one record."""
        self._output.write(json_line(to_record(frame, detections, self._labels)))

    def flush(self) -> None:
        """Write every line so far to the file."""
        self._output.flush()

    def close(self, *, complete: bool) -> None:
        """Write the remaining lines; after an interrupted run, the file is the first part of the complete one."""
        self._output.commit(complete=complete)

    def abort(self) -> None:
        """Stop after an error; the lines that were flushed stay."""
        self._output.discard()
