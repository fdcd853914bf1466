"""The image folders of a YOLO dataset whose file of classes names none: the conventional ones, as tools write them."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from detcli.datasets.formats.dataset_layout import ALL_PART_NAMES
from detcli.io.images.formats import IMAGE_SUFFIXES

IMAGE_FOLDERS = ("images", "JPEGImages", "img", "imgs")
_SUFFIXES = tuple(f".{suffix}" for suffix in IMAGE_SUFFIXES)


def conventional_parts(base: Path) -> Mapping[str, tuple[Path, ...]]:
    """Image folders of "train", "val" and "test" below a folder: `train/images`, `images/train` or `train`; empty if there are none."""
    return {part: tuple(_first(_of_part(base, names))) for part, names in ALL_PART_NAMES.items()}


def undivided_images(base: Path) -> tuple[Path, ...]:
    """The folder of all images of a dataset without parts: `images` or a like name, or the folder itself; empty if none."""
    return tuple(_first([*(base / name for name in IMAGE_FOLDERS), base]))


def label_path(image: str) -> str:
    """Label file of an image: in `labels` next to the nearest folder `images`, or next to the image if there is none.

    Folders `JPEGImages`, `img` and `imgs` count too, where there is a folder `labels` next to them.
    """
    stem = os.path.splitext(image)[0]  # noqa: PTH122 - any name
    for name in IMAGE_FOLDERS:
        before, found, below = f"{os.sep}{stem}".rpartition(f"{os.sep}{name}{os.sep}")
        labels = f"{before}{os.sep}labels".removeprefix(os.sep)
        if found and (name == IMAGE_FOLDERS[0] or os.path.isdir(labels)):  # noqa: PTH112 - any name
            return f"{labels}{os.sep}{below}.txt"
    return stem + ".txt"


def _of_part(base: Path, names: tuple[str, ...]) -> Iterator[Path]:
    for name in names:
        yield from (base / name / images for images in IMAGE_FOLDERS)
        yield from (base / images / name for images in IMAGE_FOLDERS)
    yield from (base / name for name in names)


def _first(folders: list[Path] | Iterator[Path]) -> list[Path]:
    """The first folder that holds an image file, as a list of one or none."""
    return next(([folder] for folder in folders if _has_images(folder)), [])


def _has_images(folder: Path) -> bool:
    try:
        with os.scandir(folder) as entries:
            return any(entry.name.lower().endswith(_SUFFIXES) and entry.name[0] != "." for entry in entries)
    except OSError:
        return False
