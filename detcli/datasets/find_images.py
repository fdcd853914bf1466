"""The image files that annotations name: in which folder they are, and which are not there.

File names come from whoever made the annotations: none of them leads out of the folder of images.
"""

import ntpath
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from detcli.datasets.issues import IssueReport

_SAMPLE = 100  # names that candidates for the folder are tried with


@dataclass(frozen=True, slots=True)
class ImagePaths:
    """Where images are.

    paths  of each image, as the user can type it
    names  of each image below the folder, "/" between parts
    there  whether there is such a file
    """

    paths: list[str]
    names: list[str]
    there: list[bool]


def locate(names: Sequence[str], candidates: Sequence[str], findings: IssueReport) -> ImagePaths:
    """Find images by name in that one of the candidate folders that has most of them.

    names       file names as the annotations have them
    candidates  folders in the order of preference; one at least

    Raises DataError where a name leads out of the folder, or where nothing is found.
    """
    sample = [names[place] for place in np.unique(np.linspace(0, len(names) - 1, min(len(names), _SAMPLE)).astype(int))]
    counts = [sum(_ImageFolder(candidate).finds(sample)) for candidate in candidates]
    best = candidates[counts.index(max(counts))]
    below = [below_folder(name, best) for name in names]
    outside = [f"'{name}'" for name, relative in zip(names, below, strict=True) if relative is None]
    findings.refuse(len(outside), f"file name{{s}} {{lead}} out of the folder '{best}'", outside)
    relatives = [relative or "" for relative in below]
    folder = _ImageFolder(best)
    found = [folder.find(relative) for relative in relatives]
    if not any(found):
        looked_in = ", ".join(f"'{candidate}'" for candidate in candidates)
        findings.refuse_all(f"none of its {len(names):,} images is there: looked for '{names[0]}' in {looked_in}")
    here = [name if name is not None else relative for name, relative in zip(found, relatives, strict=True)]
    return ImagePaths(
        paths=[os.path.join(best, name) for name in here],  # noqa: PTH118 - Path would tidy what the user typed
        names=here,
        there=[name is not None for name in found],
    )


def below_folder(name: str, folder: str) -> str | None:
    """A file name relative to a folder, with "/" between parts; None where it leads out of it."""
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


class _ImageFolder:
    """The files below a folder, each folder of them listed once."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._listed: dict[str, frozenset[str]] = {}

    def finds(self, names: Iterable[str]) -> list[bool]:
        relatives = (below_folder(name, self._root) for name in names)
        return [relative is not None and self.find(relative) is not None for relative in relatives]

    def find(self, relative: str) -> str | None:
        """The name under which a file is there: as it is, or with the slashes of Windows turned; None if it is not."""
        if self._has(relative):
            return relative
        turned = relative.replace("\\", "/")
        return turned if turned != relative and self._has(turned) else None

    def _has(self, relative: str) -> bool:
        folder, _, name = relative.rpartition("/")
        if folder not in self._listed:
            self._listed[folder] = _files_in(os.path.join(self._root, folder))  # noqa: PTH118 - as typed
        # Asked again one by one: some file systems see no difference between cases.
        return name in self._listed[folder] or os.path.isfile(os.path.join(self._root, relative))  # noqa: PTH113, PTH118


def _files_in(folder: str) -> frozenset[str]:
    try:
        with os.scandir(folder) as entries:
            return frozenset(entry.name for entry in entries if entry.is_file())
    except (OSError, ValueError):
        return frozenset()
