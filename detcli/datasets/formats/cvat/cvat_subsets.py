"""The subsets of CVAT's XML, found without parsing it."""

import mmap
import os
import re
from functools import lru_cache
from pathlib import Path

from detcli.errors import ImageError
from detcli.io.read import opened

MAX_CVAT_BYTES = 4 << 30
_SUBSET = re.compile(rb"""<image\s[^<>]*?\ssubset=["']([^"'<>]{1,100})["']""")
_MAX_SUBSETS = 100


def subsets_of(path: Path) -> frozenset[str]:
    """Names of the subsets that images are in, in lower case; a file that cannot be read is reported when it is parsed."""
    try:
        state = os.stat(path)  # noqa: PTH116 - any name
    except (OSError, ValueError):
        return frozenset()
    return _subsets(path, state.st_size, state.st_mtime_ns) if 0 < state.st_size <= MAX_CVAT_BYTES else frozenset()


@lru_cache(maxsize=16)  # each part asks for it
def _subsets(path: Path, size: int, changed_ns: int) -> frozenset[str]:
    """The subsets of a file; its size and time tell whether it is still the same."""
    found: set[str] = set()
    try:
        with opened(path) as descriptor, mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ) as content:
            if content.find(b"subset=") >= 0:
                for match in _SUBSET.finditer(content):
                    found.add(match[1].decode("utf-8", "replace").lower())
                    if len(found) >= _MAX_SUBSETS:
                        break
    except (ImageError, OSError, ValueError):  # cannot be mapped
        return frozenset()
    return frozenset(found)
