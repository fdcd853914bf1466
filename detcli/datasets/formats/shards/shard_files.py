"""Finds the shards of a dataset: the tar or Parquet files that hold the images of a part."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from detcli.datasets.formats.dataset_layout import PART_NAMES, TEST
from detcli.io.read import is_regular_file

_SUFFIXES: Final = {
    "webdataset": (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tbz", ".tar.xz", ".txz", ".tar.zst", ".tzst"),
    "parquet": (".parquet",),
}
_FOLDERS: Final = ("", "data")  # where Hugging Face repositories have them
_PART: Final = re.compile(r"(train|test|val(id(ation)?)?)(?![a-z])")


@dataclass(frozen=True, slots=True)
class Shards:
    """The files of one part, or of a dataset without parts.

    kind   "webdataset" or "parquet"
    files  in the order of their names; empty if the dataset has only other parts
    """

    kind: str
    files: tuple[Path, ...]
    any_part: bool


def shards_of_file(path: Path) -> Shards | None:
    """A single shard; None for other files."""
    kinds = [kind for kind, suffixes in _SUFFIXES.items() if path.name.lower().endswith(suffixes)]
    return Shards(kinds[0], (path,), any_part=True) if kinds else None


def shards_of_folder(folder: Path, part: str) -> list[Shards]:
    """The shards of a part: files whose name begins with that of the part, or files in a folder of its name, else all files.

    There is one entry for each kind that the folder has.
    """
    found = ((kind, _by_part(folder, suffixes)) for kind, suffixes in _SUFFIXES.items())
    return [
        Shards(kind, tuple(by_part.get(part, by_part.get("", []))), any_part="" in by_part)
        for kind, by_part in found
        if by_part
    ]


def shard_files(path: Path, part: str, kind: str) -> tuple[Path, ...]:
    """The files of a part of a dataset of which `path` is the only shard, or the folder."""
    if not os.path.isdir(path):  # noqa: PTH112 - any name
        return (path,)
    return next(shards.files for shards in shards_of_folder(path, part) if shards.kind == kind)


def _by_part(folder: Path, suffixes: tuple[str, ...]) -> dict[str, list[Path]]:
    """The files by part; those of a dataset without parts by ""."""
    for below in _FOLDERS:
        files = _files(folder / below, suffixes)
        by_part: dict[str, list[Path]] = {}
        for path in files:
            if match := _PART.match(path.name.lower()):
                by_part.setdefault(_part_of(match[1]), []).append(path)
        for name in _folders(folder / below):
            if match := _PART.fullmatch(name.lower()):
                by_part.setdefault(_part_of(match[1]), []).extend(_files(folder / below / name, suffixes))
        by_part = {part: sorted(paths) for part, paths in by_part.items() if paths}
        if by_part.keys() & PART_NAMES.keys():
            return by_part
        if files:
            return {"": files}
    return {}


def _part_of(name: str) -> str:
    return name if name in ("train", TEST) else "val"


def _files(folder: Path, suffixes: tuple[str, ...]) -> list[Path]:
    return [folder / name for name in _names(folder, folders=False) if name.lower().endswith(suffixes)]


def _folders(folder: Path) -> list[str]:
    return _names(folder, folders=True)


def _names(folder: Path, *, folders: bool) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            visible = [entry for entry in entries if entry.name[0] != "."]
            return sorted(entry.name for entry in visible if (entry.is_dir() if folders else is_regular_file(entry)))
    except OSError:
        return []
