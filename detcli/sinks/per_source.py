"""Writes the results of one of several sources to a separate output, as a run over that source alone would."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from detcli.sinks.sink import BaseSink, Sink
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame


class PerSourceSink(BaseSink):
    """Passes on the results of one source, with indices from 0; opens the output at the first, closes it after the last.

    source      `Origin.source` of the frames that are passed on
    make        opens the output
    last_index  returns the index of the source's last image in the complete input, None until it is known
    at_once     open the output now, so that an error is reported before the run
    """

    def __init__(
        self,
        source: str,
        make: Callable[[], Sink],
        *,
        ordered: bool,
        needs_pixels: bool,
        last_index: Callable[[], int | None],
        at_once: bool = False,
    ) -> None:
        self.ordered, self.needs_pixels = ordered, needs_pixels
        self._source, self._make, self._last_index = source, make, last_index
        self._sink: Sink | None = make() if at_once or not ordered else None
        self._count = 0
        self._closed = False

    def write(self, frame: Frame | FailedFrame, detections: Detections | FailedFrame) -> None:
        """Write the result if it is of this source."""
        index = frame.origin.index
        if frame.origin.source == self._source:
            if self._sink is None:
                self._sink = self._make()
            self._sink.write(*(self._as_only_source(frame, detections) if self.ordered else (frame, detections)))
        last = self._last_index()
        if self.ordered and last is not None and index >= last:
            self.close(complete=True)

    def flush(self) -> None:
        """Flush the output if it is open."""
        if self._sink is not None and not self._closed:
            self._sink.flush()

    def close(self, *, complete: bool) -> None:
        """Finish, if the output is still open."""
        if self._sink is not None and not self._closed:
            self._sink.close(complete=complete)
            self._closed = True

    def abort(self) -> None:
        """Stop after an error; an output that was closed before stays complete."""
        if self._sink is not None and not self._closed:
            self._sink.abort()

    @property
    def remarks(self) -> Sequence[str]:
        """The remarks of the output."""
        return () if self._sink is None else self._sink.remarks

    def _as_only_source(
        self, frame: Frame | FailedFrame, detections: Detections | FailedFrame
    ) -> tuple[Frame | FailedFrame, Detections | FailedFrame]:
        origin = replace(frame.origin, index=self._count)
        self._count += 1
        frame = replace(frame, origin=origin)
        if isinstance(detections, FailedFrame):
            detections = replace(detections, origin=origin)
        return frame, detections
