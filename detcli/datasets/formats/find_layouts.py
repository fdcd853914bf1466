"""Known folder layouts of Pascal VOC, CVAT and LabelMe: finds the annotations of each part."""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from detcli.datasets.formats.cvat.cvat_subsets import subsets_of
from detcli.datasets.formats.dataset_layout import ALL_PART_NAMES, PART_NAMES, DatasetLayout
from detcli.datasets.formats.recognize import FolderListing

# Lists of images in ImageSets/Main, the best first, and lists that are used only if no other part is trained on.
_LISTS = {"train": ("train", "trainval"), "val": ("val", "valid", "validation"), "test": ("test",)}
_ANY_LISTS = {"train": ("default",), "val": ("test", "default"), "test": ()}
_XML_FOLDERS = ("Annotations", "annotations")
_JSON_FOLDERS = ("annotations", "Annotations", "labels", "json", "labelme")
_YEAR = re.compile(r"VOC\d{4}", re.IGNORECASE)
_MAX_LEVELS, _MAX_FOLDERS = 3, 1_000

Layouts = Mapping[str, Sequence[DatasetLayout]]


def find_layouts(folder: Path) -> Layouts:
    """The layouts of each part; several of one part are ambiguous."""
    files = _Files()
    return _joined([_voc(folder, files), _cvat(folder, files), _labelme(folder, files)])


def find_deep_layout(folder: Path) -> DatasetLayout | None:
    """The layout of a folder whose annotation files are only in subfolders of any name; None if there are none."""
    for visited, (parent, folders, _) in enumerate(os.walk(folder)):
        level = len(Path(parent).relative_to(folder).parts)
        folders[:] = sorted(name for name in folders if name[0] != ".") if level < _MAX_LEVELS else []
        listing = FolderListing(Path(parent))
        for kind, formats in (("voc", listing.xml), ("labelme", listing.json)):
            if kind in formats.values():
                return DatasetLayout(kind, folder, any_part=True)
        if visited == _MAX_FOLDERS:
            break
    return None


def cvat_layout(path: Path, part: str) -> DatasetLayout | None:
    """The layout of CVAT's XML; None if its images are in subsets of other parts only."""
    subsets = subsets_of(path)
    parts = [name for name, names in ALL_PART_NAMES.items() if subsets.intersection(names)]
    is_divided = any(name in PART_NAMES for name in parts)
    return DatasetLayout("cvat", path, any_part=not is_divided) if part in parts or not is_divided else None


class _Files:
    """Names of annotation files by folder and format; each folder is listed once."""

    def __init__(self) -> None:
        self._listings: dict[Path, FolderListing] = {}

    def of(self, folder: Path, kind: str) -> list[Path]:
        """The files of a format directly in a folder."""
        listing = self._listings.setdefault(folder, FolderListing(folder))
        formats = listing.json if kind == "labelme" else listing.xml
        return [folder / name for name, known in formats.items() if known == kind]


def _voc(folder: Path, files: _Files) -> Layouts:
    base = next((folder / name for name in _XML_FOLDERS if files.of(folder / name, "voc")), None)
    if base is None:
        years = [
            path for path in _subfolders(folder) if _YEAR.fullmatch(path.name) and _is_folder(path / "Annotations")
        ]
        if years:
            return _joined([_voc(path, files) for path in years])
    lists = folder / "ImageSets" / "Main"
    by_list = {part: _voc_list(lists, part) for part in ALL_PART_NAMES}
    if any(by_list.values()) and (base is not None or any(_is_folder(folder / name) for name in _XML_FOLDERS)):
        return by_list  # which may name files in subfolders
    return _parts_or_all("voc", folder, base, _XML_FOLDERS, lambda path: bool(files.of(path, "voc")))


def _voc_list(lists: Path, part: str) -> list[DatasetLayout]:
    for names, any_part in ((_LISTS[part], False), (_ANY_LISTS[part], True)):
        for path in (lists / f"{name}.txt" for name in names):
            if os.path.isfile(path):  # noqa: PTH113 - any name
                return [DatasetLayout("voc", path, any_part=any_part)]
    return []


def _labelme(folder: Path, files: _Files) -> Layouts:
    def has_files(path: Path) -> bool:
        return bool(files.of(path, "labelme"))

    base = next((folder / name for name in _JSON_FOLDERS if has_files(folder / name)), None)
    return _parts_or_all("labelme", folder, base, _JSON_FOLDERS, has_files)


def _parts_or_all(
    kind: str, folder: Path, base: Path | None, below: Sequence[str], has_files: Callable[[Path], bool]
) -> Layouts:
    """Layouts of folders with one annotation file for each image: folders of the parts, else one for all.

    base   the folder for annotation files below `folder`; None: there is none
    below  names of such folders
    """
    by_part: dict[str, list[DatasetLayout]] = {}
    for part, names in ALL_PART_NAMES.items():
        candidates = [folder / name for name in names]
        candidates += [folder / name / inner for name in names for inner in below]
        candidates += [folder / outer / name for outer in below for name in names]
        first = next((path for path in candidates if has_files(path)), None)
        by_part[part] = [] if first is None else [DatasetLayout(kind, first, any_part=False)]
    if any(by_part[part] for part in PART_NAMES):
        return by_part
    every = folder if has_files(folder) else base
    return {part: [] if every is None else [DatasetLayout(kind, every, any_part=True)] for part in ALL_PART_NAMES}


def _cvat(folder: Path, files: _Files) -> Layouts:
    every = files.of(folder, "cvat") or files.of(folder / "annotations", "cvat")
    by_part: dict[str, list[DatasetLayout]] = {}
    for part, names in ALL_PART_NAMES.items():
        found = [path for path in every if path.stem.lower() in names]
        found = found or next((below for name in names if (below := files.of(folder / name, "cvat"))), [])
        by_part[part] = [DatasetLayout("cvat", path, any_part=False) for path in found]
    if any(by_part[part] for part in PART_NAMES):
        return by_part
    layouts = {part: [cvat_layout(path, part) for path in every] for part in ALL_PART_NAMES}
    return {part: [layout for layout in of_part if layout is not None] for part, of_part in layouts.items()}


def _joined(layouts: Sequence[Layouts]) -> Layouts:
    return {part: [layout for one in layouts for layout in one[part]] for part in ALL_PART_NAMES}


def _subfolders(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if _is_folder(path))
    except OSError:
        return []


def _is_folder(path: Path) -> bool:
    return os.path.isdir(path)  # noqa: PTH112 - any name
