"""A source whose images end the process that reads them, if their name has a 1 in it."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from detcli.sources.images.lazy_image import LazyImage
from detcli.sources.source import SourceItem, SourceSettings
from detcli.structures.frame import Origin


@dataclass(frozen=True)
class _Reader:
    path: str

    def __call__(self) -> bytes:
        if "1" in Path(self.path).name:
            os._exit(1)
        return Path(self.path).read_bytes()


class DeadlySource:
    """The images of arguments such as `deadly:in/0.png`."""

    def __init__(self, arguments: Sequence[str], settings: SourceSettings) -> None:
        self._paths = [argument.partition(":")[2] for argument in arguments]
        self._max_pixels = settings.max_pixels

    def __iter__(self) -> Iterator[SourceItem]:
        for index, path in enumerate(self._paths):
            yield LazyImage(Origin(index, path, path, path), _Reader(path), self._max_pixels)

    def count(self) -> int | None:
        """The number of images."""
        return len(self._paths)
