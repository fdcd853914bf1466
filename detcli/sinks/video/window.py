"""Shows frames in a window while the run goes on.

The window belongs to a separate process (`window_process.py`): some systems allow windows in the main thread only, and a
GUI toolkit without a screen ends its process.
"""

import os
import struct
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import BinaryIO, cast

from detcli.errors import UsageError
from detcli.opencv import opencv_problem
from detcli.sinks.sink import BaseSink
from detcli.sinks.video.window_process import HEADER, READY
from detcli.structures.class_labels import ClassLabels
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame, Pixels
from detcli.visualization.draw_frame import draw_frame
from detcli.visualization.drawing_style import DrawingStyle

_OPEN_TIMEOUT_S = 30.0
_CLOSE_TIMEOUT_S = 5.0
_ALTERNATIVE = "use `save_video` or `save_images` instead"


def check_screen() -> None:
    """Raise UsageError if there is certainly no screen, or OpenCV cannot open a window."""
    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise UsageError(f"`show` needs a screen, and there is none (DISPLAY is not set): {_ALTERNATIVE}")
    problem = opencv_problem(windows=True)
    if problem is not None:
        raise UsageError(f"`show` needs OpenCV, which {problem.cause}: {problem.remedy}; or {_ALTERNATIVE}")


class Window(BaseSink):
    """Shows every frame, or only the newest one if frames arrive faster than they can be shown.

    title      title of the window
    on_closed  called in another thread when the user closes the window or presses q

    Raises UsageError if no window can be opened.
    """

    ordered = True
    needs_pixels = True

    def __init__(
        self, labels: ClassLabels, style: DrawingStyle | None = None, *, title: str, on_closed: Callable[[], None]
    ) -> None:
        check_screen()
        self._labels, self._style, self._on_closed = labels, style or DrawingStyle(), on_closed
        self._process = subprocess.Popen(  # noqa: S603 - a module of detcli
            [sys.executable, "-m", "detcli.sinks.video.window_process", title],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._wait_until_open()
        self._changed = threading.Condition()
        self._next: Pixels | None = None
        self._ended = False
        self._thread = threading.Thread(target=self._send, name="window", daemon=True)
        self._thread.start()

    def write(self, frame: Frame | FailedFrame, detections: Detections | FailedFrame) -> None:
        """Show one frame, unless the window is still busy with the one before."""
        if isinstance(frame, FailedFrame) or frame.pixels is None:
            return
        with self._changed:
            if self._ended or self._next is not None:
                return
        pixels = draw_frame(frame, frame.pixels, detections, self._labels, self._style)
        with self._changed:
            self._next = pixels
            self._changed.notify()

    def close(self, *, complete: bool) -> None:
        """Close the window."""
        self.abort()

    def abort(self) -> None:
        """Close the window; safe twice."""
        with self._changed:
            self._ended = True
            self._changed.notify()
        self._thread.join(_CLOSE_TIMEOUT_S)
        self._end_process()

    def _wait_until_open(self) -> None:
        timer = threading.Timer(_OPEN_TIMEOUT_S, self._process.kill)
        timer.start()
        try:
            answer = cast("BinaryIO", self._process.stdout).readline()
        finally:
            timer.cancel()
        if answer != READY:
            self._end_process()
            raise UsageError(f"`show` cannot open a window on this machine: {_ALTERNATIVE}")

    def _send(self) -> None:
        stream = cast("BinaryIO", self._process.stdin)
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._ended or self._next is not None)
                if self._ended:
                    return
                pixels = self._next
            assert pixels is not None  # noqa: S101 - waited for
            try:
                stream.write(struct.pack(HEADER, pixels.shape[0], pixels.shape[1]) + pixels.tobytes())
                stream.flush()
            except OSError:  # the reader has ended: the user closed the window
                with self._changed:
                    was_ended, self._ended = self._ended, True
                if not was_ended:
                    self._on_closed()
                return
            with self._changed:
                self._next = None

    def _end_process(self) -> None:
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with suppress(OSError):
                    stream.close()
        try:
            self._process.wait(_CLOSE_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
