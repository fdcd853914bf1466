"""Files with the same bytes are grouped, whatever they are called, and files that cannot be read are in no group."""

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from detcli.inspection.findings import DataPart
from detcli.inspection.image_files import same_contents


class Files:
    """A dataset of files, of which only the paths matter."""

    def __init__(self, *paths: Path | str) -> None:
        self._paths = [str(path) for path in paths]

    def __len__(self) -> int:
        return len(self._paths)

    def origin(self, index: int) -> Any:
        return SimpleNamespace(file=self._paths[index])

    def stored_bytes(self, index: int) -> None:
        return None


def parts(*datasets: Any) -> list[DataPart]:
    return [DataPart(str(number), dataset) for number, dataset in enumerate(datasets)]


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """a and b are equal; c has their size and their end, d only their size, and e another size."""
    contents = {"a": b"x" * 9000, "b": b"x" * 9000, "c": b"y" + b"x" * 8999, "d": b"x" * 8999 + b"y", "e": b"x" * 8999}
    paths = {name: tmp_path / name for name in contents}
    for name, content in contents.items():
        paths[name].write_bytes(content)
    return paths


def test_only_equal_files_are_grouped(files: dict[str, Path]) -> None:
    assert same_contents(parts(Files(*files.values()))) == [[(0, 0), (0, 1)]]


def test_groups_across_parts_leave_out_those_of_one_part(files: dict[str, Path]) -> None:
    both = parts(Files(files["a"], files["b"], files["d"]), Files(files["e"], files["d"]))
    assert same_contents(both) == [[(0, 0), (0, 1)], [(0, 2), (1, 1)]]
    assert same_contents(both, across_parts=True) == [[(0, 2), (1, 1)]]


def test_a_link_and_a_file_that_is_named_twice_are_the_same(files: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(files["e"])
    assert same_contents(parts(Files(files["e"], tmp_path / "link", files["e"]))) == [[(0, 0), (0, 1), (0, 2)]]


def test_what_cannot_be_read_is_in_no_group(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
    names = ["missing", "empty", "pipe", "shapes:0:5#1", "a\0b", "."]
    assert same_contents(parts(Files(*[tmp_path / name for name in names] * 2))) == []
