"""Hands frames to the detector in the batches that it chooses, and what it found on in the input's order."""

from collections import deque
from collections.abc import Callable, Iterator

from detcli.pipeline.detector_protocol import DetectorProtocol
from detcli.pipeline.reader import Reader
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame


class _Position:
    """A frame in the line, and what was found in it."""

    def __init__(self, frame: Frame | FailedFrame) -> None:
        self.frame = frame
        self.found: Detections | FailedFrame | None = None


def detected(
    ahead: Reader, detector: DetectorProtocol, stopped: Callable[[], bool]
) -> Iterator[tuple[Frame | FailedFrame, Detections | FailedFrame]]:
    """Every frame and what was found in it, in the input's order.

    stopped  asked again and again, also while the input is silent: True ends it after the batch in hand

    The detector chooses each batch from the frames that are ready, at most its look-ahead; nothing waits for more to
    come, and the frame that is next in order is always in the next batch. What it found in later ones is held back
    until it is their turn, and lost on a stop.

    Raises what listing the source raised, after the frames listed before it.
    """
    line: deque[_Position] = deque()  # the first one always waits for the detector
    while not stopped():
        line.extend(map(_Position, ahead.take(detector.look_ahead - len(line), stopped, wait=not line)))
        if stopped():
            return
        if not line:
            break
        waiting = [place for place in line if place.found is None]
        batch = [waiting[chosen] for chosen in detector.choose([place.frame for place in waiting])]
        for place, answer in zip(batch, detector.detect_frames([place.frame for place in batch]), strict=True):
            place.found = answer
        while line and (found := line[0].found) is not None:
            yield line.popleft().frame, found
    if not stopped():
        ahead.check_listing()
