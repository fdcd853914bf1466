"""The subsets of CVAT's XML, found without parsing it."""

import mmap
import re
from pathlib import Path

_SUBSET = re.compile(rb"""<image\s[^<>]*?\ssubset=["']([^"'<>]{1,100})["']""")
_MAX_SUBSETS = 100


def subsets_of(path: Path) -> frozenset[str]:
    """Names of the subsets that images are in, in lower case; a file that cannot be read is reported when it is parsed."""
    found: set[str] = set()
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            if content.find(b"subset=") >= 0:
                for match in _SUBSET.finditer(content):
                    found.add(match[1].decode("utf-8", "replace").lower())
                    if len(found) >= _MAX_SUBSETS:
                        break
    except (OSError, ValueError):  # an empty file cannot be mapped
        pass
    return frozenset(found)
