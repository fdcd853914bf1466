"""Fake video sources, whose frames arrive when a test releases them."""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from detcli.errors import SourceError
from detcli.sources.source import SourceItem
from detcli.sources.video.video_source import StreamGap, VideoInfo, frame_origin, gap_origin
from detcli.structures.frame import FailedFrame, Frame, Origin, Resize


@dataclass(frozen=True)
class FakeFrame:
    """A gray frame as bright as its number."""

    origin: Origin

    def __call__(self, resize: Resize | None = None) -> Frame | FailedFrame:
        pixels = np.full((4, 6, 3), (self.origin.frame or 0) % 256, np.uint8)
        return Frame(self.origin, (4, 6), pixels)


def fake_frame(number: int) -> SourceItem:
    return FakeFrame(frame_origin(number, file="a", source="a", frame=number, time_s=number / 10))


def gap(before: int) -> SourceItem:
    origin = gap_origin(before, file="a", source="a", frame=before, time_s=before / 10)
    return StreamGap(origin, "gap", "nothing came for 3 s")


class FakeVideoSource:
    """A source of the images it is given.

    steps  where given, released once for each image that may come
    error  raised after the images; before all of them where there are none
    """

    dropped = 0

    def __init__(
        self,
        images: Sequence[SourceItem],
        *,
        live: bool = False,
        steps: threading.Semaphore | None = None,
        error: SourceError | None = None,
    ) -> None:
        self.images, self.live, self.steps, self.error = images, live, steps, error
        self.closed = threading.Event()
        self.read_count = 0

    def __iter__(self) -> Iterator[SourceItem]:
        for image in self.images:
            if self.steps is not None:
                self.steps.acquire()
            if self.closed.is_set():
                return
            self.read_count += 1
            yield image
        if self.error is not None:
            raise self.error

    def count(self) -> int | None:
        return len(self.images)

    def info(self) -> VideoInfo:
        if self.error is not None and not self.images:
            raise self.error
        return VideoInfo("a", (4, 6), 10.0, len(self.images), len(self.images) / 10, sound=False)

    def close(self) -> None:
        self.closed.set()
        if self.steps is not None:
            self.steps.release()
