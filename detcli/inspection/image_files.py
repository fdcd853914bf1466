"""Finds image files with the same content: by size first, and by a hash of the bytes among files of one size."""

import hashlib
import os
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from detcli.errors import ImageError
from detcli.inspection.findings import DataPart
from detcli.io.images.limits import MAX_IMAGE_BYTES
from detcli.io.read import read_bytes

ImageKey = tuple[int, int]
"""Index of a part, and of the image in it."""


def same_contents(parts: Sequence[DataPart], *, workers: int | None = None) -> list[list[ImageKey]]:
    """Groups of images whose files have the same bytes, in the order of the parts; one file named twice counts, too.

    workers   threads that read files; None: one per processor

    Images without a file, and files that cannot be read, are in no group.
    """
    by_size: dict[int, list[ImageKey]] = defaultdict(list)
    for key, path in ((key, _path(parts, key)) for key in _keys(parts)):
        if (size := _size(path)) is not None:
            by_size[size].append(key)
    candidates = [key for keys in by_size.values() if len(keys) > 1 for key in keys]

    def digest(key: ImageKey) -> bytes | None:
        return _digest(_path(parts, key))

    groups: dict[bytes, list[ImageKey]] = defaultdict(list)
    with ThreadPoolExecutor(workers or os.cpu_count()) as threads:
        for key, content in zip(candidates, threads.map(digest, candidates), strict=True):
            if content is not None:
                groups[content].append(key)
    return sorted(sorted(keys) for keys in groups.values() if len(keys) > 1)


def _keys(parts: Sequence[DataPart]) -> list[ImageKey]:
    return [(number, index) for number, part in enumerate(parts) for index in range(len(part.dataset))]


def _path(parts: Sequence[DataPart], key: ImageKey) -> str:
    return parts[key[0]].dataset.origin(key[1]).file


def _size(path: str) -> int | None:
    """Size of a regular file that is not empty; None for anything else."""
    try:
        return os.stat(path).st_size or None  # noqa: PTH116 - any name
    except (OSError, ValueError):
        return None


def _digest(path: str) -> bytes | None:
    try:
        return hashlib.blake2b(read_bytes(path, max_bytes=MAX_IMAGE_BYTES), digest_size=16).digest()
    except (ImageError, OSError, MemoryError):
        return None
