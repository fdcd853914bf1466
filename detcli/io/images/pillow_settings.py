"""Process-wide settings of Pillow: changed only while detcli decodes, and restored after that.

Pillow has one pixel limit, one logger and one list of warning filters per process. Some of its plugins check the pixel
limit themselves (GIF frames, TIFF tiles, WebP headers), so it cannot be passed for one image. detcli checks the size
itself before it decodes. Several threads decode at the same time, so the calls in progress are counted.
"""

import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from PIL import Image

_MODULES = (r"PIL\.", r"pillow_heif\.")


class _PillowSettings:
    """The calls in progress, and the settings from before the first of them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._limits: list[int] = []  # pixel limits of the calls in progress
        self._limit_before: int | None = None
        self._limit_set: int | None = None
        self._filters: list[object] = []
        self._handler = logging.NullHandler()

    def enter(self, max_pixels: int) -> None:
        with self._lock:
            if not self._limits:
                self._silence()
            self._limits.append(max_pixels)
            self._set_limit()

    def leave(self, max_pixels: int) -> None:
        with self._lock:
            self._limits.remove(max_pixels)
            self._set_limit()
            if not self._limits:
                self._unsilence()

    def _set_limit(self) -> None:
        """Set the largest limit of the calls in progress, never less than the limit that the process had."""
        current = Image.MAX_IMAGE_PIXELS
        if self._limit_set is None or current != self._limit_set:  # set by others: this is what is restored
            self._limit_before = current
        if self._limit_before is None:
            self._limit_set = None
            return
        limit = max([self._limit_before, *self._limits])
        self._limit_set = limit if limit > self._limit_before else None
        Image.MAX_IMAGE_PIXELS = limit

    def _silence(self) -> None:
        """Pillow warns about what is harmless, or what detcli reports as an error of the image."""
        before = list(warnings.filters)
        for module in _MODULES:
            warnings.filterwarnings("ignore", module=module)
        self._filters = [entry for entry in warnings.filters if entry not in before]
        logging.getLogger("PIL").addHandler(self._handler)

    def _unsilence(self) -> None:
        for entry in self._filters:
            with suppress(ValueError):  # removed by others meanwhile
                warnings.filters.remove(entry)  # type: ignore[attr-defined]
        self._filters = []
        logging.getLogger("PIL").removeHandler(self._handler)


_settings = _PillowSettings()


@contextmanager
def pillow_settings(max_pixels: int = 0) -> Iterator[None]:
    """Allow Pillow images of `max_pixels` inside the block, and keep its warnings and messages off the screen.

    Blocks of several threads may overlap: then the largest limit applies, and the settings are restored at the end of
    the last block.
    """
    _settings.enter(max_pixels)
    try:
        yield
    finally:
        _settings.leave(max_pixels)
