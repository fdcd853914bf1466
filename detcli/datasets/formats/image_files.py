"""Finds the image of each annotation file: by the name of the file, or by the names that are written in it.

What is written may be an absolute path of another computer: only its end is looked up, and nothing is read outside the
image folders next to the annotations.
"""

import os
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from detcli.datasets.images.find_images import (
    IMAGE_FOLDERS,
    NO_IMAGES_ADVICE,
    ImageFolder,
    ImagePaths,
    relative_to_folder,
)
from detcli.datasets.images.image_names import name_endings
from detcli.datasets.issues import IssueReport
from detcli.io.images.formats import IMAGE_SUFFIXES

IMAGE_ENDINGS = tuple(f".{suffix}" for suffix in IMAGE_SUFFIXES)


@dataclass(frozen=True, slots=True)
class AnnotationFile:
    """What tells the image of an annotation file.

    relative  the file relative to the folder of all annotation files, with "/" between parts
    names     file names of the image that are written in it
    """

    relative: str
    names: Sequence[str]

    @property
    def folder(self) -> str:
        """Its folder, relative to that of all."""
        return os.path.dirname(self.relative)  # noqa: PTH120 - a name

    @property
    def stem(self) -> str:
        """Its name without folder and suffix."""
        return os.path.splitext(os.path.basename(self.relative))[0]  # noqa: PTH119, PTH122 - a name

    @property
    def base_name(self) -> str | None:
        """The first written name without folders, whichever system it was written on; None if there is none."""
        ends = (list(name_endings(name)) for name in self.names)
        return next((found[-1] for found in ends if found), None)


@dataclass(slots=True)
class _Found:
    """Path of each image by index, and what is to be reported."""

    paths: dict[int, str] = field(default_factory=dict)
    by_end: dict[int, str] = field(default_factory=dict)  # those whose written name is of another place
    two_files: list[str] = field(default_factory=list)
    differ: list[str] = field(default_factory=list)


def find_image_files(
    files: Sequence[AnnotationFile],
    root: Path,
    images: Path | None,
    issues: IssueReport,
    *,
    by_stem: bool,
    embedded: Collection[int] = (),
) -> ImagePaths:
    """Find the image of each annotation file.

    root     folder of all annotation files
    images   folder of the images; None: the folder of the annotations and the usual ones next to it
    embedded  indices of files that have their image embedded, which is used if there is no file
    by_stem  an image with the name of the annotation file is preferred to the names that are written in the file

    Raises DataError if none is found.
    """
    folders = _Folders(root, images)
    found = _Found()
    for index, file in enumerate(files):
        _find(index, file, folders, found, by_stem=by_stem)
    _drop_shared(files, found)
    if not found.paths and not embedded:
        searched = ", ".join(f"'{folder}'" for folder in folders.of(files[0].folder))
        name = next(iter(files[0].names), files[0].stem)
        issues.reject(f"none of its {len(files):,} images exists: '{name}' is not in {searched}; {NO_IMAGES_ADVICE}")
    _report(found, issues)
    used = [index for index in embedded if index not in found.paths]
    issues.add(
        len(used), "image{s} {are} read from {its} annotations, where {its} file{s} {are} missing", harmless=True
    )
    folder = os.path.commonpath({os.path.dirname(path) or os.curdir for path in found.paths.values()} or {str(root)})  # noqa: PTH120
    names = {index: os.path.relpath(path, folder).replace(os.sep, "/") for index, path in found.paths.items()}
    expected = [_expected_name(file) for file in files]
    return ImagePaths(
        folder=folder,
        paths=[found.paths.get(index) or os.path.join(root, name) for index, name in enumerate(expected)],  # noqa: PTH118
        names=[names.get(index) or name for index, name in enumerate(expected)],
        exists=[index in found.paths or index in used for index in range(len(files))],
    )


def _expected_name(file: AnnotationFile) -> str:
    """The relative name of an image that has no file: next to its annotations."""
    name = file.base_name or file.stem
    return f"{file.folder}/{name}" if file.folder else name


def _find(index: int, file: AnnotationFile, folders: "_Folders", found: _Found, *, by_stem: bool) -> None:
    candidates = folders.of(file.folder)
    of_stem = next((paths for folder in candidates if (paths := folders[folder].with_stem(file.stem))), [])
    if by_stem and len(of_stem) == 1 and file.base_name in (None, os.path.basename(of_stem[0])):  # noqa: PTH119 - a name
        found.paths[index] = of_stem[0]  # nearly always, and without a look into many folders
        return
    written, is_end = _written(file, candidates, folders)
    if len(of_stem) > 1:
        named = [path for path in of_stem if path == written]
        if not named and (by_stem or written is None):
            found.two_files.append(" and ".join(f"'{path}'" for path in of_stem[:2]))
        of_stem = named
    path = of_stem[0] if of_stem and (by_stem or written is None) else written
    if path is None:
        return
    if of_stem and written is not None and path != written and not is_end:
        found.differ.append(f"'{file.relative}' names '{os.path.basename(written)}'")  # noqa: PTH119 - a name
    found.paths[index] = path
    if path == written and is_end and path not in of_stem:
        found.by_end[index] = path


def _written(file: AnnotationFile, candidates: Sequence[str], folders: "_Folders") -> tuple[str | None, bool]:
    """The path of an existing image with a written name, and whether only the end of this name was found."""
    for name in file.names:
        for place, ending in enumerate(name_endings(name)):
            for folder in candidates:
                relative = folders[folder].files.find(ending)
                if relative is not None:
                    return folders[folder].files.path(relative), place > 0
    return None, False


def _drop_shared(files: Sequence[AnnotationFile], found: _Found) -> None:
    """Leave out images that other annotation files have, too: found by the end of a name, or files of one name in two folders."""
    owners: dict[str, list[int]] = {}
    for index, path in found.paths.items():
        owners.setdefault(path, []).append(index)
    for indices in owners.values():
        stems = Counter(files[index].stem for index in indices)
        for index in indices if len(indices) > 1 else ():
            if index in found.by_end or stems[files[index].stem] > 1:
                del found.paths[index]
                found.by_end.pop(index, None)


def _report(found: _Found, issues: IssueReport) -> None:
    issues.add(
        len(found.two_files), "image{s} {are} missing: two files have the name of {its} annotations", found.two_files
    )
    what = "file name{s} in annotations {are} of another image: the one with the name of the annotation file was used"
    issues.add(len(found.differ), what, found.differ)
    ends = (f"'{path}'" for path in found.by_end.values())
    issues.add(len(found.by_end), "image{s} {were} found by the end of {its} name", ends, harmless=True)


class ImageStems:
    """A folder that may have images, which are found by their names without suffix."""

    def __init__(self, root: str) -> None:
        self.files = ImageFolder(root)
        self._inner: dict[str, ImageStems] = {}

    def with_stem(self, stem: str) -> list[str]:
        """Paths of the images with this name without suffix."""
        return [self.files.path(name) for name in self._by_stem.get(stem, ())]

    def below(self, stem: str) -> list[str]:
        """Names of the images with a relative name without suffix, relative to the folder."""
        folder, _, name = stem.replace("\\", "/").rpartition("/")
        if not folder:
            return list(self._by_stem.get(name, ()))
        if relative_to_folder(folder, self.files.root) is None:
            return []
        inner = self._inner.setdefault(folder, ImageStems(self.files.path(folder)))
        return [f"{folder}/{found}" for found in inner.below(name)]

    @cached_property
    def _by_stem(self) -> dict[str, list[str]]:
        stems: dict[str, list[str]] = {}
        for name in sorted(self.files.names()):
            if name.lower().endswith(IMAGE_ENDINGS) and name[0] != ".":
                stems.setdefault(os.path.splitext(name)[0], []).append(name)  # noqa: PTH122 - a name
        return stems


class _Folders:
    """The folders that the images of annotations in some folder may be in; each one is listed once."""

    def __init__(self, root: Path, images: Path | None) -> None:
        self._root, self._images = root, images
        self._opened: dict[str, ImageStems] = {}
        self._of: dict[str, list[str]] = {}

    def __getitem__(self, path: str) -> ImageStems:
        return self._opened.setdefault(path, ImageStems(path)) if path not in self._opened else self._opened[path]

    def of(self, below: str) -> list[str]:
        """Existing folders, the most likely first.

        below  the folder of the annotations relative to that of all
        """
        if below not in self._of:
            folders = dict.fromkeys(os.path.normpath(folder) for folder in self._candidates(below))
            self._of[below] = [folder for folder in folders if os.path.isdir(folder)]  # noqa: PTH112 - any name
        return self._of[below]

    def _candidates(self, below: str) -> Iterator[Path]:
        if self._images is not None:
            yield from (self._images / below, self._images)
            return
        root = self._root
        parent = root.parent if root.name not in ("", "..") else root / ".."
        above = parent.parent if parent.name not in ("", "..") else parent / ".."
        yield root / below
        if below:
            yield from ((root / below).parent / name for name in IMAGE_FOLDERS)
        for name in IMAGE_FOLDERS:
            yield from (root / below / name, root / name / below, parent / name / below, parent / name)
        yield from (above / name / root.name / below for name in IMAGE_FOLDERS)
        yield from (root, parent)
