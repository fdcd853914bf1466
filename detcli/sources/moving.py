"""What sources of moving pictures share: what the user says of time, and what a source says of itself."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from detcli.sources.source import DEFAULT_MAX_PIXELS, Picture


@dataclass(frozen=True, slots=True)
class MovingSettings:
    """What the user says about a video, a camera or a stream besides naming it.

    stride       every so-manieth frame
    fps          at most so many frames a second of the source's own time; None: all of them
    start_s      seconds to pass over at the beginning
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
class MovingFacts:
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


class MovingSource(Protocol):
    """A source whose pictures are frames: `origin.frame` counts them from 0, `origin.time_s` from the first one's time.

    live     frames come at their own pace, and those that wait too long are dropped
    dropped  how many were, so far
    """

    live: bool
    dropped: int

    def __iter__(self) -> Iterator[Picture]:
        """The frames in order of time, decoded as the iteration goes on; a gap is a picture that cannot be read.

        Once only. Raises InputError where the source cannot be opened at all.
        """

    def count(self) -> int | None:
        """How many frames there will be, where that is known."""

    def facts(self) -> MovingFacts:
        """What is known of it; opens it where it is not open yet. Raises InputError."""

    def close(self) -> None:
        """Let go of it; ends an iteration that waits in another thread. Safe twice."""
