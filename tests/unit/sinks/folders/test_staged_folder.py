"""Files that belong together appear in a folder when all are written, and not at all after an error."""

import sys
from pathlib import Path

import pytest

from detcli.errors import OutputError
from detcli.io.output_paths import is_output_folder
from detcli.sinks.folders.staged_folder import StagedFolder
from tests.helpers.faulty_disk import fail_everywhere

posix = pytest.mark.skipif(sys.platform == "win32", reason="links of POSIX")


def write(path: Path, *names: str, replace: bool = False, text: str = "new") -> tuple[str, ...]:
    with StagedFolder(path) as staged:
        for name in names:
            staged.folder.write(name, text.encode())
        return staged.commit(last="index.html", replace=replace)


def write_and_fail(path: Path) -> None:
    with StagedFolder(path) as staged:
        staged.folder.write("index.html", b"new")
        raise RuntimeError("stop")


def visible(path: Path) -> dict[str, str]:
    files = (file for file in path.rglob("*") if file.is_file() and not file.name.startswith("."))
    return {file.relative_to(path).as_posix(): file.read_text() for file in files}


def test_files_appear_when_all_are_written(tmp_path: Path) -> None:
    path = tmp_path / "new" / "report"
    with StagedFolder(path) as staged:
        staged.folder.write("data/a.js", b"a")
        staged.folder.write("index.html", b"i")
        assert not any(file.name in ("a.js", "index.html") for file in path.iterdir())
        staged.commit(last="index.html", replace=False)
        assert visible(path) == {"data/a.js": "a", "index.html": "i"}
    assert visible(path) == {"data/a.js": "a", "index.html": "i"}
    assert is_output_folder(path)
    assert not (path / ".detcli-new").exists()


def test_after_an_error_a_new_folder_is_gone_and_an_old_one_as_it_was(tmp_path: Path) -> None:
    write(tmp_path / "old", "index.html", "data/a.js", text="old")
    (tmp_path / "empty").mkdir()
    for name in ("old", "empty", "new"):
        with pytest.raises(RuntimeError, match="stop"):
            write_and_fail(tmp_path / name)
    assert visible(tmp_path / "old") == {"index.html": "old", "data/a.js": "old"}
    assert list((tmp_path / "empty").iterdir()) == []
    assert not (tmp_path / "new").exists()


def test_replacing_removes_what_was_written_and_nothing_else(tmp_path: Path) -> None:
    write(tmp_path / "r", "index.html", "data/0.js", "data/1.js", text="old")
    (tmp_path / "r/notes.txt").write_text("mine")
    (tmp_path / "r/data/0.js").write_text("changed by me")
    remarks = write(tmp_path / "r", "index.html", "data/2.js", replace=True)
    assert visible(tmp_path / "r") == {
        "index.html": "new",
        "data/2.js": "new",
        "notes.txt": "mine",
        "data/0.js": "changed by me",
    }
    assert len(remarks) == 1
    assert "'data/0.js'" in remarks[0]


def test_what_a_killed_run_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / "r/.detcli-new/thumbs").mkdir(parents=True)
    (tmp_path / "r/.detcli-new/thumbs/0.jpg").write_text("left")
    write(tmp_path / "r", "index.html")
    assert visible(tmp_path / "r") == {"index.html": "new"}
    assert not (tmp_path / "r/.detcli-new").exists()


def test_two_runs_cannot_write_into_one_folder(tmp_path: Path) -> None:
    with StagedFolder(tmp_path / "r") as staged:
        staged.folder.write("index.html", b"first")
        with pytest.raises(OutputError, match="another"):
            StagedFolder(tmp_path / "r")
        staged.commit(last="index.html", replace=False)
    assert visible(tmp_path / "r") == {"index.html": "first"}


@posix
@pytest.mark.parametrize("kind", ["link", "file", "folder"])
def test_what_is_in_the_way_is_told_before_anything_is_moved(kind: str, tmp_path: Path) -> None:
    """A link in the folder may lead to any place."""
    (tmp_path / "r").mkdir()
    (tmp_path / "elsewhere").mkdir()
    if kind == "link":
        (tmp_path / "r/data").symlink_to(tmp_path / "elsewhere")
    elif kind == "file":
        (tmp_path / "r/data").write_text("mine")
    else:
        (tmp_path / "r/index.html").mkdir()
    before = visible(tmp_path)
    with pytest.raises(OutputError, match="cannot write"):
        write(tmp_path / "r", "a.txt", "data/0.js", "index.html", replace=True)
    assert visible(tmp_path) == before
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_new_folder_inside_is_whole_or_missing_at_every_error(tmp_path: Path) -> None:
    names = ("images/a.png", "images/deep/b.png", "labels/a.txt", "index.html")
    for target in fail_everywhere(tmp_path, lambda target: write(target / "r", *names) and None):
        found = visible(target / "r").keys()
        assert found in (set(), {*names[:2]}, {*names[:3]}, {*names}), found
