"""Watched folders in a thread, and images that arrive in them; tests wait for images, never for a time."""

import io
import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from detcli.sources.source import SourceItem, SourceSettings
from detcli.sources.watching.watched_folders import WatchedFolders

DEADLINE_S = 60.0


def image_bytes(seed: int = 0, format_name: str = "PNG") -> bytes:
    """A small image of noise."""
    file = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 255, (48, 64, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file, format_name)
    return file.getvalue()


def put(path: str | Path, seed: int = 0) -> Path:
    """Write an image in one piece."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(image_bytes(seed))
    return path


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait for what another thread or process does."""
    end = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < end, "the deadline is over"
        threading.Event().wait(0.01)


class Watch:
    """The images of a source that is iterated over in a thread.

    remarks  what the source said
    """

    def __init__(self, *folders: str, remarks: "queue.Queue[str] | None" = None, **settings: Any) -> None:
        own = {name: settings.pop(name) for name in ("new_only", "done") if name in settings}
        self.remarks: queue.Queue[str] = queue.Queue() if remarks is None else remarks
        self.source = WatchedFolders(folders, SourceSettings(**settings), on_remark=self.remarks.put, **own)
        self._items: queue.Queue[SourceItem | None] = queue.Queue()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        for item in self.source:
            self._items.put(item)
        self._items.put(None)

    def start(self) -> None:
        """Start to watch."""
        self._thread.start()

    def next_item(self) -> SourceItem | None:
        """The next image; None at the end of the source."""
        return self._items.get(timeout=DEADLINE_S)

    def files(self, count: int) -> list[str]:
        """The paths of the next images."""
        items = [self.next_item() for _ in range(count)]
        return [item.origin.file if item is not None else "the end" for item in items]

    def remark(self) -> str:
        """The next sentence."""
        return self.remarks.get(timeout=DEADLINE_S)

    def stop(self) -> list[str]:
        """End the source; returns the paths of the images that are left."""
        self.source.close()
        self._thread.join(DEADLINE_S)
        assert not self._thread.is_alive()
        left = list(iter(lambda: self._items.get_nowait(), None))
        return [item.origin.file for item in left if item is not None]


@contextmanager
def watching(*folders: str, **settings: Any) -> Iterator[Watch]:
    """A source in a thread, which is stopped at the end of the block."""
    watch = Watch(*folders, **settings)
    watch.start()
    try:
        yield watch
    finally:
        watch.source.close()
        watch._thread.join(DEADLINE_S)
