"""Recognizes the format of XML and JSON files by their beginning: Pascal VOC, CVAT, LabelMe or COCO."""

import os
import re
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Literal

from detcli.errors import ImageError
from detcli.io.images.formats import IMAGE_SUFFIXES
from detcli.io.read import is_regular_file, opened

FileFormat = Literal["voc", "cvat", "labelme", "coco"]

_SUFFIXES = tuple(f".{suffix}" for suffix in IMAGE_SUFFIXES)
_HEAD, _MOST = 1 << 12, 1 << 22  # bytes; labels of objects and embedded images may come before the keys
_MAX_SNIFFED = 2_000  # files that are next to no image of their name, and therefore may be of any format
_MAX_COMPANIONS = 20
_XML = re.compile(rb"<(annotations?)[\s/>]")
_KEY = re.compile(rb'"(shapes|imagePath|imageData|imageHeight|imageWidth|images|annotations|categories|info)"\s*:')
_COCO_KEYS = (b"images", b"annotations", b"categories", b"info")


def file_format(path: Path) -> FileFormat | None:
    """The format of an annotation file; None if it is of none of them, or cannot be read."""
    try:
        with opened(path) as descriptor:
            head = os.read(descriptor, _HEAD)
            found = _format_of(head)
            while found is None and len(head) < _MOST and (more := os.read(descriptor, _MOST - len(head))):
                head += more
                found = _format_of(head)
            return found
    except ImageError:
        return None


def _format_of(head: bytes) -> FileFormat | None:
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        head = head.decode("utf-16", "replace").encode()
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    if start == b"<":
        tag = _XML.search(head)
        return None if tag is None else "voc" if tag[1] == b"annotation" else "cvat"
    key = _KEY.search(head) if start == b"{" else None
    return None if key is None else "coco" if key[1] in _COCO_KEYS else "labelme"


class FolderListing:
    """The annotation files directly in a folder, by format."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        names = sorted(_names(folder))
        self._stems = {_stem(name) for name in names if name.lower().endswith(_SUFFIXES)}
        self._names = names

    @cached_property
    def xml(self) -> dict[str, FileFormat]:
        """Format by name of XML files. Without any root element, those with the name of an image are Pascal VOC."""
        names = self._with_suffix(".xml")
        found = self._formats(names)
        return found or {name: "voc" for name in names if _stem(name) in self._stems}

    @cached_property
    def json(self) -> dict[str, FileFormat]:
        """Format by name of JSON files."""
        return self._formats(self._with_suffix(".json"))

    def _with_suffix(self, suffix: str) -> list[str]:
        return [name for name in self._names if name.lower().endswith(suffix)]

    def _formats(self, names: Iterable[str]) -> dict[str, FileFormat]:
        """Format by name. Files with the name of an image are alike: only some are read, and damaged ones count too."""
        companions = [name for name in names if _stem(name) in self._stems]
        others = [name for name in names if _stem(name) not in self._stems]
        found: dict[str, FileFormat] = {}
        for alike, most in ((others, _MAX_SNIFFED), (companions, _MAX_COMPANIONS)):
            read = {name: known for name in alike[:most] if (known := file_format(self.folder / name)) is not None}
            unread = alike[most:] if alike is others else [name for name in alike if name not in read]
            if read:
                usual = max(sorted(set(read.values())), key=list(read.values()).count)
                found |= read | dict.fromkeys(unread, usual)
        return found


def _stem(name: str) -> str:
    return os.path.splitext(name)[0]  # noqa: PTH122 - a name


def _names(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return [entry.name for entry in entries if entry.name[0] != "." and is_regular_file(entry)]
    except (OSError, ValueError):
        return []
