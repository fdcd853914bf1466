"""A camera of this machine, read with OpenCV; it is opened by its number only, never by a path.

Cameras have no reliable time stamps: the time of a frame is the time of its arrival.
"""

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol, cast

from detcli.errors import SourceError
from detcli.opencv import cv2, load_opencv
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

DEVICES: Final = Path("/dev")  # the folder of Linux's cameras
_FIRST_PAUSE_S, _MAX_PAUSE_S = 0.5, 2.0  # between attempts to find a lost camera
_MAX_FAILED_READS = 5  # in a row: the camera is lost
_MAX_SILENCE_S = 3.0  # of failed reads: the camera is lost; OpenCV waits 10 s in each read, 5 s in the command line
_CLOSE_TIMEOUT_S = 1.0  # wait for a frame that is being read


class CaptureDevice(Protocol):
    """The methods of OpenCV's VideoCapture that are used."""

    def isOpened(self) -> bool: ...  # noqa: N802, D102 - OpenCV's name
    def read(self) -> tuple[bool, Pixels | None]: ...  # noqa: D102
    def get(self, what: int) -> float: ...  # noqa: D102
    def set(self, what: int, value: float) -> bool: ...  # noqa: D102
    def release(self) -> None: ...  # noqa: D102


class Camera:
    """The frames of a camera, as they arrive.

    argument  cam0, 0 or /dev/video0
    settings  `size_hw` and `rate` are requests; `info` returns what the camera uses

    A lost camera becomes a gap, and is searched until it is back.
    """

    dropped = 0

    def __init__(self, argument: str, settings: VideoSettings, *, index_from: int = 0) -> None:
        number = camera_number(argument)
        if number is None:
            raise ValueError(f"{argument!r} is not the name of a camera")
        self._number, self._settings, self._index_from = number, settings, index_from
        self.live = True if settings.live is None else settings.live
        self._file, self._source = argument, f"cam{number}"
        self._capture: CaptureDevice | None = None
        self._first: Pixels | None = None  # read when the camera was opened
        self._size_hw: tuple[int, int] | None = None
        self._lock = threading.Lock()  # OpenCV crashes where a capture is released during a read
        self._closed = threading.Event()

    def __iter__(self) -> Iterator[SourceItem]:
        """The frames, until it is closed or the settings have enough. Raises SourceError."""
        self.info()
        return self._frames()

    def _frames(self) -> Iterator[SourceItem]:
        sampler = FrameSampler(self._settings)
        index, number, begun, last_s = self._index_from, 0, time.monotonic(), 0.0
        while not self._closed.is_set():
            pixels = self._read()
            if pixels is None:
                if self._closed.is_set():
                    return
                if not self._settings.reconnect:
                    raise SourceError("gap", f"the camera '{self._file}' was lost after {last_s:.1f} s")
                origin = gap_origin(index, file=self._file, source=self._source, frame=number, time_s=last_s)
                yield StreamGap(origin, "gap", "the camera was lost")  # reported at once: it may never come back
                index += 1
                if not self._reopen(sampler, begun):
                    return
                continue
            begun = time.monotonic() if number == 0 else begun
            last_s = time.monotonic() - begun if number else 0.0
            if sampler.is_over(last_s):
                return
            if sampler.takes(last_s):
                origin = frame_origin(index, file=self._file, source=self._source, frame=number, time_s=last_s)
                yield _CapturedFrame(origin, pixels)
                index += 1
            number += 1

    def count(self) -> int | None:
        """The maximum number of frames, where the settings have one."""
        return self._settings.max_frames

    def info(self) -> VideoInfo:
        """Its size and rate. Raises SourceError where it is missing, access is denied, or it returns no image.

        Raises UsageError without OpenCV.
        """
        load_opencv("a camera needs")
        with self._lock:
            if self._capture is None:
                self._capture, self._first = _opened(self._number, self._settings)
                self._size_hw = (self._first.shape[0], self._first.shape[1])
            rate = self._capture.get(cv2.CAP_PROP_FPS)
        return VideoInfo(self._file, self._size_hw, rate if 0 < rate < 1000 else None, None, None, sound=False)

    def close(self) -> None:
        """Close it; may be called twice."""
        self._closed.set()
        if self._lock.acquire(timeout=_CLOSE_TIMEOUT_S):  # otherwise the thread that reads releases it
            try:
                self._release()
            finally:
                self._lock.release()

    def _read(self) -> Pixels | None:
        """The next frame; None where the camera is lost or closed."""
        with self._lock:
            if not self._closed.is_set() and self._capture is not None:
                pixels, self._first = self._first, None
                pixels = _next_frame(self._capture) if pixels is None else pixels
                if pixels is not None:
                    return pixels
            self._release()
        return None

    def _reopen(self, sampler: FrameSampler, begun: float) -> bool:
        """Wait until the camera is back: False where it was closed meanwhile, or the settings have enough."""
        pause = _FIRST_PAUSE_S
        while not self._closed.wait(pause) and not sampler.is_over(time.monotonic() - begun):
            try:
                with self._lock:
                    self._capture, self._first = _opened(self._number, self._settings)
            except SourceError:
                pause = min(2 * pause, _MAX_PAUSE_S)
            else:
                return True
        return False

    def _release(self) -> None:
        if self._capture is not None:
            self._capture.release()
            self._capture = None


@dataclass(frozen=True, slots=True)
class _CapturedFrame:
    """A frame in OpenCV's color order, BGR."""

    origin: Origin
    bgr: Pixels

    def __call__(self, resize: Resize | None = None) -> Frame:
        """Convert it to RGB."""
        height, width = self.bgr.shape[:2]
        return Frame(self.origin, (height, width), cast("Pixels", cv2.cvtColor(self.bgr, cv2.COLOR_BGR2RGB)))


def cameras() -> list[str]:
    """The cameras of this machine; empty on other systems than Linux, where they would have to be opened."""
    numbers = sorted(int(path.name[5:]) for path in DEVICES.glob("video*") if path.name[5:].isdecimal())
    return [f"cam{number}" for number in numbers]


def _opened(number: int, settings: VideoSettings) -> tuple[CaptureDevice, Pixels]:
    """The camera and its first frame. Raises SourceError."""
    if sys.platform.startswith("linux"):
        _check_device(number)
    capture = open_capture(number)
    if not capture.isOpened():
        message = f"camera {number} does not exist{_other_cameras(number)}, or another program uses it"
        raise SourceError("not-found", message)
    _request_settings(capture, settings)
    pixels = _next_frame(capture)
    if pixels is not None:
        return capture, pixels
    capture.release()
    raise SourceError("decode-failed", f"camera {number} returns no image{_other_cameras(number)}")


def _next_frame(capture: CaptureDevice) -> Pixels | None:
    """The next frame; None where the camera returns none."""
    begun = time.monotonic()
    for _ in range(_MAX_FAILED_READS):
        with _silent_opencv():
            is_there, pixels = capture.read()
        if is_there and pixels is not None:
            return pixels
        if time.monotonic() - begun > _MAX_SILENCE_S:
            break
    return None


def open_capture(number: int) -> CaptureDevice:
    """OpenCV's capture of a camera, opened without OpenCV's own messages."""
    kind = cv2.CAP_V4L2 if sys.platform.startswith("linux") else cv2.CAP_ANY
    with _silent_opencv():
        return cast("CaptureDevice", cv2.VideoCapture(number, kind))


@contextmanager
def _silent_opencv() -> Iterator[None]:
    """No messages of OpenCV meanwhile; its log level is restored."""
    log: Any = getattr(cv2.utils, "logging", cv2)  # functions of `cv2` itself before 4.11
    level = log.getLogLevel()
    log.setLogLevel(0)
    try:
        yield
    finally:
        log.setLogLevel(level)


def _check_device(number: int) -> None:
    """Raise SourceError with the reason, which OpenCV does not report."""
    device = DEVICES / f"video{number}"
    if not device.exists():
        message = f"camera {number} does not exist: '{device}' is missing{_other_cameras(number)}"
        raise SourceError("not-found", message)
    if not os.access(device, os.R_OK | os.W_OK):
        raise SourceError(
            "no-permission",
            f"no permission for camera {number} ('{device}'); on most systems the members of the group 'video' "
            "have it: sudo usermod -aG video $USER, then log in again",
        )


def _other_cameras(number: int) -> str:
    """A clause that names the other cameras."""
    if not sys.platform.startswith("linux"):
        return ""
    others = [name for name in cameras() if name != f"cam{number}"]
    return f"; available: {', '.join(others)}" if others else "; no other camera is connected"


def _request_settings(capture: CaptureDevice, settings: VideoSettings) -> None:
    """Request size, rate and a short buffer, so that frames are recent; a camera may use other values."""
    if settings.live is not False:
        capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
    if settings.size_hw is not None or settings.rate is not None:
        # Most cameras reach their largest sizes and highest rates only with compressed frames.
        capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
    if settings.size_hw is not None:
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, settings.size_hw[0])
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, settings.size_hw[1])
    if settings.rate is not None:
        capture.set(cv2.CAP_PROP_FPS, settings.rate)
