"""A camera of this machine, through OpenCV: opened by its number alone, never by a path.

Cameras have no reliable time stamps: a frame's time is when it came.
"""

import os
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, cast

from detcli.errors import SourceError
from detcli.sources.source import SourceItem
from detcli.sources.video.frame_sampler import FrameSampler
from detcli.sources.video.video_source import (
    StreamGap,
    VideoInfo,
    VideoSettings,
    camera_number,
    frame_origin,
    gap_origin,
)
from detcli.structures.frame import Frame, Origin, Pixels, Resize

DEVICES: Final = Path("/dev")  # where Linux has its cameras
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 2.0  # between attempts to find a lost camera: nobody is spared by longer ones
_READS = 5  # that fail in a row mean that the camera is gone
_SILENT_S = 3.0  # as do reads that take so long: OpenCV waits 10 s in each
_CLOSING_S = 1.0  # to wait for a frame in the making when the camera is let go


class CaptureDevice(Protocol):
    """What is used of OpenCV's VideoCapture."""

    def isOpened(self) -> bool: ...  # noqa: N802, D102 - OpenCV's name
    def read(self) -> tuple[bool, Pixels | None]: ...  # noqa: D102
    def get(self, what: int) -> float: ...  # noqa: D102
    def set(self, what: int, value: float) -> bool: ...  # noqa: D102
    def release(self) -> None: ...  # noqa: D102


class Camera:
    """The frames of a camera, as they come.

    argument  cam0, 0 or /dev/video0
    settings  of these, `size_hw` and `rate` are asked of the camera, which may answer otherwise: `facts` says

    A camera that is lost is looked for until it is back, and that is told in a gap.
    """

    dropped = 0

    def __init__(self, argument: str, settings: VideoSettings, *, index_from: int = 0) -> None:
        number = camera_number(argument)
        if number is None:
            raise ValueError(f"{argument!r} names no camera")
        self._number, self._settings, self._index_from = number, settings, index_from
        self.live = True if settings.live is None else settings.live
        self._file, self._place = argument, f"cam{number}"
        self._capture: CaptureDevice | None = None
        self._first: Pixels | None = None  # the frame that it was tried with
        self._size_hw: tuple[int, int] | None = None
        self._lock = threading.Lock()  # letting go of a capture that reads crashes OpenCV
        self._closed = threading.Event()

    def __iter__(self) -> Iterator[SourceItem]:
        """The frames, until it is closed or the settings have enough. Raises SourceError."""
        self.facts()
        return self._images()

    def _images(self) -> Iterator[SourceItem]:
        choice = FrameSampler(self._settings)
        index, frame, begun, last_s = self._index_from, 0, time.monotonic(), 0.0
        while not self._closed.is_set():
            pixels = self._read()
            if pixels is None:
                if self._closed.is_set():
                    return
                if not self._settings.reconnect:
                    raise SourceError("gap", f"the camera '{self._file}' was lost after {last_s:.1f} s")
                origin = gap_origin(index, file=self._file, place=self._place, frame=frame, time_s=last_s)
                yield StreamGap(origin, "gap", "the camera was lost")  # told at once: nobody knows when it will be back
                index += 1
                if not self._finds_again(choice, begun):
                    return
                continue
            begun = time.monotonic() if frame == 0 else begun
            last_s = time.monotonic() - begun if frame else 0.0
            if choice.is_over(last_s):
                return
            if choice.takes(last_s):
                yield _CapturedFrame(
                    frame_origin(index, file=self._file, place=self._place, frame=frame, time_s=last_s), pixels
                )
                index += 1
            frame += 1

    def count(self) -> int | None:
        """As many as were asked for."""
        return self._settings.max_frames

    def facts(self) -> VideoInfo:
        """Its size and rate. Raises SourceError where it is not there, may not be used or gives no image."""
        import cv2

        with self._lock:
            if self._capture is None:
                self._capture, self._first = _opened(self._number, self._settings)
                self._size_hw = (self._first.shape[0], self._first.shape[1])
            rate = self._capture.get(cv2.CAP_PROP_FPS)
        return VideoInfo(self._file, self._size_hw, rate if 0 < rate < 1000 else None, None, None, sound=False)

    def close(self) -> None:
        """Let go of it; safe twice."""
        self._closed.set()
        if self._lock.acquire(timeout=_CLOSING_S):  # else whoever reads lets go of it
            try:
                self._let_go()
            finally:
                self._lock.release()

    def _read(self) -> Pixels | None:
        """The next frame; None where the camera is gone, or closed."""
        with self._lock:
            if not self._closed.is_set() and self._capture is not None:
                pixels, self._first = self._first, None
                pixels = _next_of(self._capture) if pixels is None else pixels
                if pixels is not None:
                    return pixels
            self._let_go()
        return None

    def _finds_again(self, choice: FrameSampler, begun: float) -> bool:
        """Wait until the camera is there again: False where it was closed meanwhile, or no frame is wanted any more."""
        pause = _FIRST_PAUSE_S
        while not self._closed.wait(pause) and not choice.is_over(time.monotonic() - begun):
            try:
                with self._lock:
                    self._capture, self._first = _opened(self._number, self._settings)
            except SourceError:
                pause = min(2 * pause, _LONGEST_PAUSE_S)
            else:
                return True
        return False

    def _let_go(self) -> None:
        if self._capture is not None:
            self._capture.release()
            self._capture = None


@dataclass(frozen=True, slots=True)
class _CapturedFrame:
    """A frame as OpenCV gave it: blue first."""

    origin: Origin
    bgr: Pixels

    def __call__(self, resize: Resize | None = None) -> Frame:
        """Turn its colors round."""
        import cv2

        height, width = self.bgr.shape[:2]
        return Frame(self.origin, (height, width), cast("Pixels", cv2.cvtColor(self.bgr, cv2.COLOR_BGR2RGB)))


def cameras() -> list[str]:
    """The cameras that Linux names; elsewhere nobody can say without opening them."""
    numbers = sorted(int(path.name[5:]) for path in DEVICES.glob("video*") if path.name[5:].isdecimal())
    return [f"cam{number}" for number in numbers]


def _opened(number: int, settings: VideoSettings) -> tuple[CaptureDevice, Pixels]:
    """The camera and its first frame. Raises SourceError."""
    if sys.platform.startswith("linux"):
        _check_device(number)
    capture = open_capture(number)
    if not capture.isOpened():
        raise SourceError("not-found", f"there is no camera {number}{_instead(number)}, or another program has it")
    _ask_for(capture, settings)
    pixels = _next_of(capture)
    if pixels is not None:
        return capture, pixels
    capture.release()
    raise SourceError("decode-failed", f"camera {number} gives no image{_instead(number)}")


def _next_of(capture: CaptureDevice) -> Pixels | None:
    """Its next frame; None where it gives none any more."""
    begun = time.monotonic()
    for _ in range(_READS):
        is_there, pixels = capture.read()
        if is_there and pixels is not None:
            return pixels
        if time.monotonic() - begun > _SILENT_S:
            break
    return None


def open_capture(number: int) -> CaptureDevice:
    """OpenCV's capture of a camera; its own talk is kept off the screen."""
    import cv2

    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    kind = cv2.CAP_V4L2 if sys.platform.startswith("linux") else cv2.CAP_ANY
    return cast("CaptureDevice", cv2.VideoCapture(number, kind))


def _check_device(number: int) -> None:
    """Raise SourceError with the reason that OpenCV would keep to itself."""
    device = DEVICES / f"video{number}"
    if not device.exists():
        raise SourceError("not-found", f"there is no camera {number}: '{device}' does not exist{_instead(number)}")
    if not os.access(device, os.R_OK | os.W_OK):
        raise SourceError(
            "no-permission",
            f"camera {number} may not be used: no permission for '{device}'; on most systems those in the group 'video' "
            "have it: sudo usermod -aG video $USER, then log in again",
        )


def _instead(number: int) -> str:
    """Half a sentence that names the cameras that are there."""
    if not sys.platform.startswith("linux"):
        return ""
    others = [name for name in cameras() if name != f"cam{number}"]
    return f"; there is {', '.join(others)}" if others else "; no other is connected to this machine"


def _ask_for(capture: CaptureDevice, settings: VideoSettings) -> None:
    """Ask for size and rate; short buffers, so that frames are fresh. A camera takes what it can."""
    import cv2

    if settings.live is not False:
        capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
    if settings.size_hw is not None or settings.rate is not None:
        # Uncompressed, most cameras reach neither their largest sizes nor their highest rates.
        capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
    if settings.size_hw is not None:
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, settings.size_hw[0])
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, settings.size_hw[1])
    if settings.rate is not None:
        capture.set(cv2.CAP_PROP_FPS, settings.rate)
