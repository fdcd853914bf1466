"""Finds the image files that annotations name: the folder that has them, and the files that are missing.

File names come from other people's annotations: a name that leads out of the image folder is never followed.
"""

import ntpath
import os
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from detcli.datasets.images.image_names import match_by_end
from detcli.datasets.issues import IssueReport
from detcli.datasets.layouts import PART_NAMES
from detcli.io.read import is_regular_file

_FORMS: Final = ("NFC", "NFD")
_SAMPLE_SIZE = 100  # names that are looked up in each candidate folder
_SPLITS = re.compile(r"train|val(id(ation)?)?|test", re.IGNORECASE)
NO_IMAGES_ADVICE = "`images` names the folder of the images"
IMAGE_FOLDERS = ("images", "JPEGImages", "data", "img", "imgs")


@dataclass(frozen=True, slots=True)
class ImagePaths:
    """Paths of images.

    folder  folder that the images were found in
    paths   path of each image, as the user can type it
    names   name of each image relative to the folder, with "/" between parts
    exists  whether the file exists
    """

    folder: str
    paths: list[str]
    names: list[str]
    exists: list[bool]


def find_images(
    names: Sequence[str],
    candidates: Sequence[str],
    issues: IssueReport,
    *,
    by_name: bool = False,
    each_by_name: bool = False,
) -> ImagePaths:
    """Find images by name in the candidate folder that has most of them.

    names       file names from the annotations
    candidates  at least one folder, in the order of preference
    by_name     where no folder has any of the names, look up their ends, at least the base names
    each_by_name  also where the folder has others of the names; never a file that another name is

    Raises DataError if a name leads out of the folder, or if no image is found.
    """
    folder, count = best_folder(names, candidates)
    by_end: dict[int, str] = {}
    relatives = [relative_to_folder(name, folder.root) for name in names]
    if by_name and not count:
        folder, by_end = found_by_end(names, candidates)
        relatives = [relative_to_folder(name, folder.root) for name in names]
    elif each_by_name:
        by_end = _rest_by_end(names, relatives, folder, deep=len(candidates) == 1)
    outside = [f"'{name}'" for index, name in enumerate(names) if relatives[index] is None and index not in by_end]
    issues.raise_if_any(
        len(outside), f"file name{{s}} {{lead}} out of the folder '{folder.root}'", outside, advice=NO_IMAGES_ADVICE
    )
    matches = [folder.find(relative or "") or by_end.get(index) for index, relative in enumerate(relatives)]
    if not any(matches):
        searched = ", ".join(f"'{candidate}'" for candidate in candidates)
        hint = next((hint for candidate in candidates if (hint := other_case_hint(f"{candidate}/{names[0]}"))), "")
        issues.reject(
            f"none of its {len(names):,} images exists: '{names[0]}' is not in {searched}{hint}; {NO_IMAGES_ADVICE}"
        )
    ends = (f"'{names[index]}' is '{file}'" for index, file in by_end.items())
    issues.add(
        len(by_end), f"image{{s}} {{were}} found in '{folder.root}' by the end of {{its}} name", ends, harmless=True
    )
    found_names = [match or relative or "" for match, relative in zip(matches, relatives, strict=True)]
    return ImagePaths(
        folder=folder.root,
        paths=[folder.path(name) for name in found_names],
        names=found_names,
        exists=[match is not None for match in matches],
    )


def _rest_by_end(
    names: Sequence[str], relatives: Sequence[str | None], folder: "ImageFolder", *, deep: bool
) -> dict[int, str]:
    """The files of the names that are not in the folder as they are, by index of the name."""
    direct = [None if relative is None else folder.find(relative) for relative in relatives]
    rest = [index for index, file in enumerate(direct) if file is None]
    found = match_by_end([names[index] for index in rest], folder, deep=deep)
    taken = set(direct)
    return {rest[place]: file for place, file in found.items() if file not in taken}


def found_by_end(names: Sequence[str], candidates: Sequence[str]) -> tuple["ImageFolder", dict[int, str]]:
    """The candidate folder that has most of the names by their ends, and these files; a single candidate is searched deeply."""
    deep = len(candidates) == 1
    folders = [ImageFolder(candidate) for candidate in candidates]
    counts = [len(match_by_end(_sample(names), folder, deep=deep)) for folder in folders]
    best = folders[counts.index(max(counts))]
    return best, match_by_end(names, best, deep=deep)


def other_case_hint(path: str) -> str:
    """What to say of a missing file where another one has the same name in other letters; else empty."""
    parent, name = os.path.split(path)
    try:
        names = sorted(os.listdir(parent or os.curdir))  # noqa: PTH208 - any name
    except (OSError, ValueError):
        return ""
    found = next((other for other in names if other.casefold() == name.casefold() and other != name), None)
    return f" ('{found}' exists: only upper and lower case differ)" if found is not None else ""


def best_folder(names: Sequence[str], candidates: Sequence[str]) -> tuple["ImageFolder", int]:
    """The candidate folder that has most of a sample of the names, and the number of names that it has."""
    sample = _sample(names)
    folders = [ImageFolder(candidate) for candidate in candidates]
    counts = [folder.count(sample) for folder in folders]
    best = counts.index(max(counts))
    return folders[best], counts[best]


def _sample(names: Sequence[str]) -> list[str]:
    indices = np.unique(np.linspace(0, len(names) - 1, min(len(names), _SAMPLE_SIZE)).astype(int))
    return [names[index] for index in indices]


def image_folders(annotations: Path, part: str) -> list[str]:
    """Existing folders that the file names of COCO annotations may be relative to, the most likely first."""
    stem = [re.sub(r"^(instances|panoptic)_", "", annotations.stem)]
    split = _SPLITS.search(annotations.stem)
    split_name = split.group().lower() if split else part
    parts = next((names for names in PART_NAMES.values() if split_name in names), (split_name,))
    folders: dict[str, None] = {}
    for base in (annotations.parent, annotations.parent.parent):
        folders[str(base)] = None
        for first in (*stem, *parts, *IMAGE_FOLDERS):
            folders[str(base / first)] = None
        for first in IMAGE_FOLDERS:
            for second in (*stem, *parts):
                folders[str(base / first / second)] = None
                folders[str(base / second / first)] = None
    return [folder for folder in folders if os.path.isdir(folder)]  # noqa: PTH112 - any name


def relative_to_folder(name: str, folder: str) -> str | None:
    """A file name relative to a folder, with "/" between parts; None if it leads out of the folder."""
    if os.path.isabs(name):  # noqa: PTH117 - any name
        absolute = os.path.abspath(folder)  # noqa: PTH100 - links stay as they are
        inside = absolute if absolute.endswith(os.sep) else absolute + os.sep
        name = os.path.normpath(name)
        if not name.startswith(inside):
            return None
        name = name[len(inside) :]
    elif ntpath.splitdrive(name)[0] and os.name == "nt":
        return None
    relative = os.path.normpath(name).replace(os.sep, "/")
    out = relative == ".." or relative.startswith("../") or any(part == ".." for part in relative.split("\\"))
    return None if out else relative


class ImageFolder:
    """The files in a folder and its subfolders; each folder is listed once."""

    def __init__(self, root: str) -> None:
        self.root = root
        self._listed: dict[str, frozenset[str]] = {}

    def count(self, names: Iterable[str]) -> int:
        """Number of the names that are files of the folder."""
        relatives = (relative_to_folder(name, self.root) for name in names)
        return sum(relative is not None and self.find(relative) is not None for relative in relatives)

    def find(self, relative: str) -> str | None:
        """The name of an existing file; None if there is no such file.

        The name is as it is, with Windows separators replaced, or with its letters composed in another way: "ü" may be one
        character, or "u" and two dots, as macOS writes it.
        """
        if self._has(relative):
            return relative
        slashed = relative.replace("\\", "/")
        spelled = () if slashed.isascii() else (unicodedata.normalize(form, slashed) for form in _FORMS)
        return next((name for name in (slashed, *spelled) if name != relative and self._has(name)), None)

    def names(self) -> frozenset[str]:
        """The names of the files directly in the folder."""
        self._has("")
        return self._listed[""]

    def path(self, relative: str) -> str:
        """The path of a file, as the user can type it."""
        return os.path.join(self.root, relative)  # noqa: PTH118 - Path would normalize what the user typed

    def _has(self, relative: str) -> bool:
        parent, _, name = relative.rpartition("/")
        if parent not in self._listed:
            self._listed[parent] = _files_in(self.path(parent))
        # Some file systems ignore case: a name that is not in the list may exist.
        return name in self._listed[parent] or _is_file(self.path(relative))


def _files_in(folder: str) -> frozenset[str]:
    try:
        with os.scandir(folder) as entries:
            return frozenset(entry.name for entry in entries if is_regular_file(entry))
    except (OSError, ValueError):
        return frozenset()


def _is_file(path: str) -> bool:
    return os.path.isfile(path)  # noqa: PTH113 - any name, also one that is too long
