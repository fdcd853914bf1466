"""The results of one source among several, in an output of its own, as if the source had been run alone."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from detcli.sinks.sink import BaseSink, Sink
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame


class PerSourceSink(BaseSink):
    """Hands on the results of one source, counted from 0; opened at its first one, closed after its last.

    source      `Origin.source` of its frames
    make        opens the output
    last_index  the index of the source's last image in the whole input, once that is known
    at_once     open the output now, so that what is wrong with it is known before the run
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
        """Take a result of any source."""
        index = frame.origin.index
        if frame.origin.source == self._source:
            if self._sink is None:
                self._sink = self._make()
            self._sink.write(*(self._alone(frame, detections) if self.ordered else (frame, detections)))
        last = self._last_index()
        if self.ordered and last is not None and index >= last:
            self.close(complete=True)

    def flush(self) -> None:
        """Hand on what is buffered."""
        if self._sink is not None and not self._closed:
            self._sink.flush()

    def close(self, *, complete: bool) -> None:
        """Finish; nothing is left to do where the source ended before the others."""
        if self._sink is not None and not self._closed:
            self._sink.close(complete=complete)
            self._closed = True

    def abort(self) -> None:
        """Give up; what was closed before is whole."""
        if self._sink is not None and not self._closed:
            self._sink.abort()

    @property
    def remarks(self) -> Sequence[str]:
        """What the user should hear at the end."""
        return () if self._sink is None else self._sink.remarks

    def _alone(
        self, frame: Frame | FailedFrame, detections: Detections | FailedFrame
    ) -> tuple[Frame | FailedFrame, Detections | FailedFrame]:
        origin = replace(frame.origin, index=self._count)
        self._count += 1
        frame = replace(frame, origin=origin)
        if isinstance(detections, FailedFrame):
            detections = replace(detections, origin=origin)
        return frame, detections
