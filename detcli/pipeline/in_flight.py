"""The one record of a frame between source and sinks."""

import threading

from detcli.sources.source import SourceItem
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame, Resize


class InFlight:
    """A frame in the pipeline; each stage adds its part: reader, batcher, writer.

    item        the image as the source listed it; dropped once it is read, since it may hold pixels
    frame       once it is read
    detections  once the detector answered
    is_read     set by the reader; `frame` or `error` is there
    is_drawn    set by the writer: the sinks without an order have the result, or `error` is there
    error       what a thread raised while it read or drew this frame
    """

    __slots__ = ("detections", "error", "frame", "is_drawn", "is_read", "item")

    def __init__(self, item: SourceItem) -> None:
        self.item: SourceItem | None = item
        self.frame: Frame | FailedFrame | None = None
        self.detections: Detections | FailedFrame | None = None
        self.is_read = threading.Event()
        self.is_drawn = threading.Event()
        self.error: BaseException | None = None

    def read(self, resize: Resize | None) -> Frame | FailedFrame:
        """Read the image and drop the item; call it once."""
        item, self.item = self.item, None
        if item is None:
            raise ValueError("the frame was read already")
        return item(resize)

    @property
    def result(self) -> tuple[Frame | FailedFrame, Detections | FailedFrame]:
        """Frame and detections, once both are there."""
        if self.frame is None or self.detections is None:
            raise ValueError("the frame has no detections yet")
        return self.frame, self.detections

    @property
    def image(self) -> Frame | FailedFrame:
        """The frame, once it is read."""
        if self.frame is None:
            raise ValueError("the frame is not read yet")
        return self.frame
