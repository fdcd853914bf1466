"""File names of annotations that are not relative to the image folder: absolute, with a prefix of a tool, or addresses.

Labeling tools write the path on their own server, such as `/data/upload/3/8c1d2e3f-a.jpg`. The end of such a name, at least
the base name, is looked up in the image folder; nothing outside that folder is ever read.
"""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol
from urllib.parse import unquote

_UPLOAD = re.compile(r"[0-9a-f]{8}-(?=.)")  # before the names of uploaded files, in Label Studio
_MAX_LISTED = 1_000_000


class Folder(Protocol):
    """A folder whose files are found by relative name."""

    root: str

    def find(self, relative: str) -> str | None:
        """The name of an existing file, or None."""


def match_by_end(names: Sequence[str], folder: Folder, *, deep: bool) -> dict[int, str]:
    """Files of a folder for names that are elsewhere: index of the name -> file, relative to the folder.

    deep  also search subfolders for the base name

    Two names with one file are both left out: one of them would get the boxes of another image.
    """
    unique = _unique_files(folder.root) if deep else {}
    found = {index: file for index, name in enumerate(names) if (file := _file_of(name, folder, unique)) is not None}
    names_of: dict[str, set[str]] = {}
    for index, file in found.items():
        names_of.setdefault(file, set()).add(names[index])
    return {index: file for index, file in found.items() if len(names_of[file]) == 1}


def _file_of(name: str, folder: Folder, unique: Mapping[str, str]) -> str | None:
    for ending in name_endings(name):
        if (file := folder.find(ending) or unique.get(ending)) is not None:
            return file
    return None


def name_endings(name: str) -> Iterator[str]:
    """The ends of a name, the longest first; also decoded as in an address, and without the prefix of an upload."""
    for spelled in dict.fromkeys((name, unquote(name), name.partition("?")[0], unquote(name.partition("?")[0]))):
        parts = [part for part in re.split(r"[/\\]", spelled) if part not in ("", ".", "..")]
        yield from ("/".join(parts[start:]) for start in range(len(parts)))
        if parts and (without := _UPLOAD.sub("", parts[-1], count=1)) != parts[-1]:
            yield without
        if parts and "=" in parts[-1]:  # ?d=a.jpg
            yield parts[-1].rpartition("=")[2]


def _unique_files(root: str) -> dict[str, str]:
    """Files of a folder and its subfolders by base name, without those whose name occurs twice."""
    files: dict[str, str | None] = {}
    count = 0
    for parent, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        relative = os.path.relpath(parent, root).replace(os.sep, "/")
        for name in names:
            files[name] = None if name in files else name if relative == "." else f"{relative}/{name}"
        count += len(names)
        if count > _MAX_LISTED:
            break
    return {name: file for name, file in files.items() if file is not None}
