"""Which changed files are taken: exactly those that a walk of the folder lists."""

import os
from pathlib import Path

import numpy as np
import pytest

from detcli.io.output_paths import tag_output_folder
from detcli.sources.source import SourceSettings
from detcli.sources.watching.watched_folders import WatchedFolders

NAMES = ("a.png", "b.JPG", ".hidden.png", "c.txt", "d.png.part", "e.tmp", "skip.png")
FOLDERS = ("sub", ".git", "output", "skipped", "deep")


def make_tree(folder: Path, random: np.random.Generator, depth: int = 0) -> None:
    folder.mkdir(parents=True)
    for name in random.permutation(NAMES)[:4]:
        (folder / str(name)).write_bytes(b"x")
    if depth == 3:
        return
    for name in random.permutation(FOLDERS)[:3]:
        below = folder / str(name)
        if name == "output":
            tag_output_folder(below)
            (below / "drawn.png").write_bytes(b"x")
        else:
            make_tree(below, random, depth + 1)


@pytest.mark.parametrize("recursive", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_changed_files_are_taken_as_the_walk_lists_them(
    seed: int, recursive: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    make_tree(tmp_path / "in", np.random.default_rng(seed))
    (tmp_path / "other").mkdir()
    (tmp_path / "other/linked.png").write_bytes(b"x")
    (tmp_path / "in/linked").symlink_to(tmp_path / "other")
    (tmp_path / "in/link.png").symlink_to(tmp_path / "other/linked.png")
    (tmp_path / "in/written.png").write_bytes(b"x")
    settings = SourceSettings(recursive=recursive, exclude=("skip*",), outputs=(Path("in/written.png"),))
    paths = WatchedFolders(["in"], settings).paths
    listed = {found.path for found in paths.walkers["in"].folder("in")}
    assert "in/link.png" in listed
    taken = set()
    for parent, _, names in os.walk(tmp_path / "in", followlinks=True):
        for name in names:
            file = paths.named(os.path.join(parent, name))  # noqa: PTH118
            assert file is not None
            if paths.takes(file):
                taken.add(file.path)
    assert taken == listed


def test_a_change_is_named_as_the_user_typed_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "real/in").mkdir(parents=True)
    (tmp_path / "link").symlink_to("real")
    monkeypatch.chdir(tmp_path)
    for argument in ("link/in", "./link/in/", str(tmp_path / "link/in")):
        paths = WatchedFolders([argument], SourceSettings()).paths
        for start in ("link", "real"):
            file = paths.named(str(tmp_path / start / "in/sub/a.png"))
            assert file is not None
            assert file.path == os.path.join(argument, "sub/a.png")  # noqa: PTH118
            assert paths.folder_of(file.path) == argument
        assert paths.named(str(tmp_path / "link/inside.png")) is None
        assert paths.folder_of("elsewhere/a.png") == ""
