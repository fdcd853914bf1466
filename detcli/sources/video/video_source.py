"""The interface of video sources, their registry, and the names of their frames."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from detcli.errors import ImageErrorCode
from detcli.io.images.limits import DEFAULT_MAX_PIXELS
from detcli.registry import Registry
from detcli.sources.source import SourceItem
from detcli.structures.frame import FailedFrame, Origin, Resize, VideoTraits


@dataclass(frozen=True, slots=True)
class VideoSettings:
    """Which frames of a video, camera or stream are read, and how.

    stride       take every `stride`-th frame
    fps          maximum frames per second of the source's own time; None: all of them
    start_s      seconds to skip at the beginning
    duration_s   seconds of the source's own time to read; None: to its end
    max_frames   maximum number of frames; None: no limit
    size_hw      size requested from a camera; None: the camera's default
    rate         frames per second requested from a camera; None: the camera's default
    live         drop the oldest waiting frame to bound latency; None: as the kind of source suggests
    reconnect    reopen a stream that was lost
    max_pixels   a frame with more pixels is rejected before it is decoded
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
    """What an open source reports about itself; each value may be unknown, and wrong in damaged files.

    name        as in messages and results: without credentials
    size_hw     of the first frame, upright
    rate        frames per second, the mean where it varies
    frames      number of frames
    duration_s  seconds
    sound       whether it has an audio stream
    stream      which one of several video streams is read, in words; None where there is only one
    traits      what a copy should keep; None where it is unknown
    """

    name: str
    size_hw: tuple[int, int] | None
    rate: float | None
    frames: int | None
    duration_s: float | None
    sound: bool
    stream: str | None = None
    traits: VideoTraits | None = None


@dataclass(frozen=True, slots=True)
class StreamGap:
    """An item that reports missing frames; it is never dropped, also not in a live run.

    code     "gap" where a stream was lost for a while, "damaged" where frames could not be decoded; another one where
             the source could not be opened
    message  how much is missing, and why
    """

    origin: Origin
    code: ImageErrorCode
    message: str

    def __call__(self, resize: Resize | None = None) -> FailedFrame:
        """Return the gap as a failed frame."""
        return FailedFrame(self.origin, self.code, self.message)


class VideoSource(Protocol):
    """A source of frames: `origin.frame` counts them from 0, `origin.time_s` from the time of the first one.

    live     frames arrive in real time, and those that wait too long are dropped
    dropped  number of frames dropped so far
    """

    live: bool
    dropped: int

    def __iter__(self) -> Iterator[SourceItem]:
        """The frames in order of time, decoded during the iteration; missing frames are a `StreamGap`.

        Works once. Raises SourceError where the source cannot be opened.
        """

    def count(self) -> int | None:
        """The expected number of frames, where it is known."""

    def info(self) -> VideoInfo:
        """What is known about the source; opens it where it is not open yet. Raises SourceError."""

    def close(self) -> None:
        """Close it; ends an iteration that waits in another thread. May be called twice."""


class NamedVideoSource(VideoSource, Protocol):
    """A video source made from an argument."""

    def __init__(self, argument: str, settings: VideoSettings, *, index_from: int = 0) -> None: ...


VIDEO_SOURCES: Registry[type[NamedVideoSource]] = Registry(
    "video source",
    {"video": "detcli.sources.video.video_stream:VideoStream", "camera": "detcli.sources.video.camera:Camera"},
)

_CAMERA = re.compile(r"(?:cam|/dev/video)?(\d{1,3})", re.ASCII)


def open_video_source(argument: str, settings: VideoSettings, *, index_from: int = 0) -> VideoSource:
    """The source that an argument names: a camera, a video file, a stream, or "-"; it is not opened yet.

    index_from  index of its first frame in the complete input
    """
    kind = "video" if camera_number(argument) is None else "camera"
    return VIDEO_SOURCES[kind](argument, settings, index_from=index_from)


def camera_number(argument: str) -> int | None:
    """The number of the camera that an argument names (`cam0`, `0`, `/dev/video0`); None for anything else.

    A file with this name is a file.
    """
    match = _CAMERA.fullmatch(argument)
    if match is None or os.path.isfile(argument) or os.path.isdir(argument):  # noqa: PTH112, PTH113 - any name
        return None
    return int(match[1])


def frame_origin(index: int, *, file: str, source: str, frame: int, time_s: float) -> Origin:
    """The origin of a frame; its name in COCO and on disk is `source/frame_000012.jpg`.

    file    the source as it is shown, without credentials
    source  unique name of the source: the folder of its frames below the common one
    """
    stem = f"{source}/frame_{frame:06d}"
    return Origin(index, file, f"{stem}.jpg", stem, frame, time_s, source=source)


def gap_origin(index: int, *, file: str, source: str, frame: int, time_s: float) -> Origin:
    """The origin of frames missing before the frame of this number; its name is never the name of a frame."""
    stem = f"{source}/gap_{frame:06d}_{index}"
    return Origin(index, file, f"{stem}.jpg", stem, frame, time_s, source=source)
