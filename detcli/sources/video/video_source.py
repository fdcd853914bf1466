"""The door of the videos: what such a source promises, the table of those who keep it, how an argument becomes
one, and how frames are named.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from detcli.errors import ImageErrorCode
from detcli.io.images.limits import DEFAULT_MAX_PIXELS
from detcli.registry import Registry
from detcli.sources.source import SourceItem
from detcli.structures.frame import FailedFrame, Origin, Resize


@dataclass(frozen=True, slots=True)
class VideoSettings:
    """What the user says about a video, a camera or a stream besides naming it.

    stride       every n-th frame
    fps          at most so many frames a second of the source's own time; None: all of them
    start_s      seconds to skip at the beginning
    duration_s   seconds of the source's own time to look at; None: to its end
    max_frames   so many frames at most; None: any number
    size_hw      asked of a camera; None: as it comes
    rate         frames a second asked of a camera; None: as it comes
    live         drop the oldest waiting frame rather than fall behind; None: as the kind of source suggests
    reconnect    take up a stream again that was lost
    max_pixels   a frame of more pixels is refused before it is decoded
    """

    stride: int = 1
    fps: float | None = None
    start_s: float = 0.0
    duration_s: float | None = None
    max_frames: int | None = None
    size_hw: tuple[int, int] | None = None
    rate: float | None = None
    live: bool | None = None
    reconnect: bool = True
    max_pixels: int = DEFAULT_MAX_PIXELS


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """What a source says of itself once it is open; any of it may be unknown, and wrong in damaged files.

    name        as messages and results show it: credentials left out
    size_hw     of the first frame, upright
    rate        frames a second, the mean where it varies
    frames      how many there are
    duration_s  seconds
    sound       whether a stream of sound comes with it
    """

    name: str
    size_hw: tuple[int, int] | None
    rate: float | None
    frames: int | None
    duration_s: float | None
    sound: bool


@dataclass(frozen=True, slots=True)
class StreamGap:
    """An image in the place of frames that are missing; never dropped, however late a live run is.

    code     "gap" where a stream was lost for a while, "damaged" where frames could not be decoded; another one where
             the whole source could not be opened
    message  how much is missing, and why
    """

    origin: Origin
    code: ImageErrorCode
    message: str

    def __call__(self, resize: Resize | None = None) -> FailedFrame:
        """Say so."""
        return FailedFrame(self.origin, self.code, self.message)


class VideoSource(Protocol):
    """A source whose images are frames: `origin.frame` counts them from 0, `origin.time_s` from the first one's time.

    live     frames come at their own pace, and those that wait too long are dropped
    dropped  how many were, so far
    """

    live: bool
    dropped: int

    def __iter__(self) -> Iterator[SourceItem]:
        """The frames in order of time, decoded as the iteration continues; a gap is an image that cannot be read.

        Once only. Raises SourceError where the source cannot be opened at all.
        """

    def count(self) -> int | None:
        """How many frames there will be, where that is known."""

    def facts(self) -> VideoInfo:
        """What is known of it; opens it where it is not open yet. Raises SourceError."""

    def close(self) -> None:
        """Let go of it; ends an iteration that waits in another thread. Safe twice."""


class NamedVideoSource(VideoSource, Protocol):
    """A video source made from what the command line names."""

    def __init__(self, argument: str, settings: VideoSettings, *, index_from: int = 0) -> None: ...


MOVING: Registry[type[NamedVideoSource]] = Registry(
    "moving source",
    {"video": "detcli.sources.video.video_stream:VideoStream", "camera": "detcli.sources.video.camera:Camera"},
)

_CAMERA = re.compile(r"(?:cam|/dev/video)?(\d{1,3})", re.ASCII)


def open_moving(argument: str, settings: VideoSettings, *, index_from: int = 0) -> VideoSource:
    """The source that an argument names: a camera, else a video file, a stream, or "-"; nothing is opened yet.

    index_from  the place of its first frame in the whole input
    """
    kind = "video" if camera_number(argument) is None else "camera"
    return MOVING[kind](argument, settings, index_from=index_from)


def camera_number(argument: str) -> int | None:
    """The number of the camera that an argument names: `cam0`, `0`, `/dev/video0`; None for all else.

    A file of that name is taken as the file it is.
    """
    match = _CAMERA.fullmatch(argument)
    if match is None or os.path.isfile(argument) or os.path.isdir(argument):  # noqa: PTH112, PTH113 - any name
        return None
    return int(match[1])


def frame_origin(index: int, *, file: str, place: str, frame: int, time_s: float) -> Origin:
    """Where a frame stands: in COCO, and on the disk, it is `place/frame_000012.jpg`.

    file   the source as it is shown, credentials left out
    place  the folder of its frames below the common one, no two sources of a run the same
    """
    stem = f"{place}/frame_{frame:06d}"
    return Origin(index, file, f"{stem}.jpg", stem, frame, time_s, source=place)


def gap_origin(index: int, *, file: str, place: str, frame: int, time_s: float) -> Origin:
    """Where frames are missing before the frame of this number; its name is that of no frame."""
    stem = f"{place}/gap_{frame:06d}_{index}"
    return Origin(index, file, f"{stem}.jpg", stem, frame, time_s, source=place)
