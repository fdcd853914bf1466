"""The process of a window: it reads frames from standard input, and ends with them, or on q, Esc or a closed window.

Each frame is its height and width (`HEADER`), followed by its bytes in RGB order.
"""

import signal
import struct
import sys
import threading
from typing import TYPE_CHECKING, BinaryIO, Final

from detcli.opencv import cv2

if TYPE_CHECKING:
    from detcli.structures.frame import Pixels

HEADER: Final = "<II"
READY: Final = b"ready\n"
_KEYS = (ord("q"), ord("Q"), 27)
_MAX_WIDTH, _MAX_HEIGHT = 1280, 720  # initial size of the window
_TICK_MS = 15


class FramePipe:
    """Reads frames in a thread; `newest` is the last complete frame, `ended` is True after the last one."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.newest: Pixels | None = None
        self.ended = False
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        import numpy as np

        size = struct.calcsize(HEADER)
        while len(header := self._stream.read(size)) == size:
            height, width = struct.unpack(HEADER, header)
            data = self._stream.read(height * width * 3)
            if len(data) < height * width * 3:
                break
            self.newest = np.frombuffer(data, np.uint8).reshape(height, width, 3)[..., ::-1]
        self.ended = True


def main(title: str) -> None:
    """Show frames until there are no more, or until the user closes the window."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the run, which then ends this process
    cv2.namedWindow(title, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO)
    sys.stdout.buffer.write(READY)
    sys.stdout.buffer.flush()
    frames = FramePipe(sys.stdin.buffer)
    sized = False
    while not frames.ended:
        pixels, frames.newest = frames.newest, None
        if pixels is not None:
            if not sized:
                scale = min(1.0, _MAX_WIDTH / pixels.shape[1], _MAX_HEIGHT / pixels.shape[0])
                cv2.resizeWindow(title, max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale)))
                sized = True
            cv2.imshow(title, pixels)
        if cv2.waitKey(_TICK_MS) & 0xFF in _KEYS:
            return
        if sized and cv2.getWindowProperty(title, cv2.WND_PROP_VISIBLE) < 1:
            return


if __name__ == "__main__":
    main(sys.argv[1])
