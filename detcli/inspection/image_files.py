"""Finds image files with the same content: by their size, then by their last bytes, then by a hash of all bytes."""

import hashlib
import os
from collections.abc import Callable, Sequence

from detcli.datasets.dataset import Dataset
from detcli.errors import ImageError
from detcli.inspection.findings import DataPart
from detcli.inspection.thread_batches import map_in_threads
from detcli.io.images.limits import MAX_IMAGE_BYTES
from detcli.io.read import opened, read_bytes

ImageKey = tuple[int, int]
"""Index of a part, and of the image in it."""

ImagePlace = tuple[Dataset, int]
"""A dataset, and the index of an image in it."""

_TAIL = 4096  # bytes; files of one size mostly differ in these, where the pixels are


def same_contents(
    parts: Sequence[DataPart], *, across_parts: bool = False, workers: int | None = None
) -> list[list[ImageKey]]:
    """Groups of images whose files have the same bytes, in the order of the parts; one file named twice counts, too.

    across_parts  only groups with images of several parts, which is faster
    workers       threads that read files; None: one per processor

    Images in archives count as files. Images that are rendered, and files that cannot be read, are in no group.
    """
    groups = [[(number, index) for number, part in enumerate(parts) for index in range(len(part.dataset))]]
    properties: tuple[Callable[[ImagePlace], int | bytes | None], ...] = (_size, _tail, _digest)
    for property_of in properties:
        groups = _split(parts, groups, property_of, across_parts=across_parts, workers=workers)
    return sorted(groups)


def _split(
    parts: Sequence[DataPart],
    groups: Sequence[Sequence[ImageKey]],
    property_of: Callable[[ImagePlace], int | bytes | None],
    *,
    across_parts: bool,
    workers: int | None,
) -> list[list[ImageKey]]:
    """The groups of images of which a property of the file is the same, too."""
    numbered = [(number, key) for number, group in enumerate(groups) for key in group]
    places = [(parts[part].dataset, index) for _, (part, index) in numbered]
    split: dict[tuple[int, int | bytes], list[ImageKey]] = {}
    for (number, key), value in zip(numbered, map_in_threads(property_of, places, workers=workers), strict=True):
        if value is not None:
            split.setdefault((number, value), []).append(key)
    return [keys for keys in split.values() if (len({part for part, _ in keys}) > 1 if across_parts else len(keys) > 1)]


def _size(place: ImagePlace) -> int | None:
    """Size of a file that is not empty; None for anything else."""
    try:
        return os.stat(_path(place)).st_size or None  # noqa: PTH116 - any name
    except (OSError, ValueError):
        content = _stored(place)
        return len(content) if content else None


def _tail(place: ImagePlace) -> bytes | None:
    """The last bytes of a file; None if it cannot be read."""
    try:
        with opened(_path(place)) as descriptor:
            size = os.fstat(descriptor).st_size
            os.lseek(descriptor, max(0, size - _TAIL), os.SEEK_SET)
            return os.read(descriptor, _TAIL)
    except ImageError:
        content = _stored(place)
        return None if content is None else content[-_TAIL:]


def _digest(place: ImagePlace) -> bytes | None:
    """A hash of all bytes of a file; None if it cannot be read."""
    content = _stored(place)
    try:
        content = read_bytes(_path(place), max_bytes=MAX_IMAGE_BYTES) if content is None else content
    except (ImageError, OSError, MemoryError):
        return None
    return hashlib.blake2b(content, digest_size=16).digest()


def _path(place: ImagePlace) -> str:
    dataset, index = place
    return dataset.origin(index).file


def _stored(place: ImagePlace) -> bytes | None:
    """The bytes of an image that is in an archive; None for others."""
    dataset, index = place
    try:
        return dataset.stored_bytes(index)
    except (ImageError, OSError, MemoryError):
        return None
