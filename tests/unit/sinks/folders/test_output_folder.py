"""A run that overwrites a folder removes what earlier runs wrote into it, and nothing else."""

import os
import sys
import tracemalloc
from pathlib import Path

import pytest

from detcli.errors import OutputError
from detcli.io.output_paths import OUTPUT_TAG, tag_output_folder
from detcli.sinks.folders.output_folder import OutputFolder, OutputFolders
from detcli.sinks.folders.written_files import LIST_NAME, MAX_CHANGED

NAMES = ("a.png", "sub/b.png", "sub/deep/c d.png", "line\nbreak.txt", "per%20cent.txt", "汉.png")
posix = pytest.mark.skipif(sys.platform == "win32", reason="names and links of POSIX")


def fill(path: Path, *names: str, replace: bool = False) -> OutputFolder:
    """One run that writes files with these names."""
    folder = OutputFolder(path)
    folder.begin(replace=replace)
    for name in names:
        folder.write(name, name.encode("utf-8", "surrogateescape"))
    folder.close()
    return folder


def files(path: Path) -> list[str]:
    """Every file but the list."""
    return sorted(
        entry.relative_to(path).as_posix() for entry in path.rglob("*") if entry.is_file() and entry.name != LIST_NAME
    )


def listed(path: Path, *lines: str) -> None:
    """A list with further lines, as another program may write it."""
    fill(path)
    with (path / LIST_NAME).open("a") as file:
        file.writelines(f"{line}\n" for line in lines)


def entry(path: Path, name: str) -> str:
    """The line of a file under another name."""
    state = path.lstat()
    return f"{state.st_size} {state.st_mtime_ns} {name}"


@posix
def test_files_of_earlier_runs_are_removed_with_their_folders(tmp_path: Path) -> None:
    fill(tmp_path, *NAMES, "\udcff.png")
    fill(tmp_path, "later.png")
    assert fill(tmp_path, "sub/new.png", replace=True).remarks == ()
    assert files(tmp_path) == ["sub/new.png"]
    assert not (tmp_path / "sub/deep").exists()
    fill(tmp_path, replace=True)
    assert [path.name for path in tmp_path.iterdir()] == [LIST_NAME]


def test_the_same_names_are_written_again(tmp_path: Path) -> None:
    for _ in range(3):
        folder = fill(tmp_path, "a.png", "sub/b.png", replace=True)
        assert folder.remarks == ()
        assert files(tmp_path) == ["a.png", "sub/b.png"]


def test_a_name_that_was_written_twice_is_removed(tmp_path: Path) -> None:
    fill(tmp_path, "a.png")
    os.utime(tmp_path / "a.png", ns=(1, 1))
    fill(tmp_path, "a.png")
    assert fill(tmp_path, replace=True).remarks == ()
    assert files(tmp_path) == []


def test_files_of_others_and_the_tag_stay(tmp_path: Path) -> None:
    tag_output_folder(tmp_path)
    fill(tmp_path, "sub/a.png")
    (tmp_path / "own.png").write_bytes(b"own")
    (tmp_path / "sub/own.png").write_bytes(b"own")
    (tmp_path / "empty").mkdir()
    assert fill(tmp_path, replace=True).remarks == ()
    assert files(tmp_path) == [OUTPUT_TAG, "own.png", "sub/own.png"]
    assert (tmp_path / "empty").is_dir()


@pytest.mark.parametrize("change", ["content", "size", "time", "link", "folder"])
def test_a_file_that_changed_since_stays_and_is_named(tmp_path: Path, change: str) -> None:
    fill(tmp_path, "a.png", "b.png", "c.png")
    path = tmp_path / "b.png"
    if change == "content":
        path.write_bytes(b"B.png")
    elif change == "size":
        state = path.stat()
        path.write_bytes(b"longer than before")
        os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    elif change == "time":
        os.utime(path, ns=(5, 5))
    else:
        path.unlink()
        if change == "link":
            path.symlink_to(tmp_path / "own")
            (tmp_path / "own").write_bytes(b"b.png")
        else:
            path.mkdir()
    [remark] = fill(tmp_path, replace=True).remarks
    assert remark == f"1 file in '{tmp_path}' changed since an earlier run and is not removed: 'b.png'"
    assert os.path.lexists(path)
    assert not (tmp_path / "a.png").exists()
    assert fill(tmp_path, replace=True).remarks == (), "it is the user's from now on"
    assert os.path.lexists(path)


@posix
@pytest.mark.parametrize(
    "name", ["../victim", "/{}", "sub/../../victim", "./../victim", "%2e%2e/victim", "link/victim", "victim%00", "..//victim", ""]
)  # fmt: skip
def test_a_list_of_a_stranger_removes_nothing_outside(tmp_path: Path, name: str) -> None:
    victim, folder = tmp_path / "outside/victim", tmp_path / "outside/out"
    folder.mkdir(parents=True)
    victim.write_bytes(b"precious")
    (folder / "link").symlink_to(tmp_path / "outside")
    (folder / "sub").mkdir()
    listed(folder, entry(victim, name.format(victim)), entry(victim, name.format(str(victim).strip("/"))))
    fill(folder, replace=True)
    assert victim.read_bytes() == b"precious"
    assert (folder / "link").is_symlink()


@posix
@pytest.mark.parametrize("target", ["victim", "new", "folder"])
@pytest.mark.parametrize("listed", [True, False])
def test_a_file_replaces_a_link_and_never_what_it_leads_to(tmp_path: Path, target: str, listed: bool) -> None:
    (tmp_path / "victim").write_bytes(b"precious")
    (tmp_path / "folder").mkdir()
    out = tmp_path / "out"
    out.mkdir()
    (out / "a.png").symlink_to(tmp_path / target)
    folder = OutputFolder(out, listed=listed)
    folder.write("a.png", b"drawn")
    folder.close()
    assert not (out / "a.png").is_symlink()
    assert (out / "a.png").read_bytes() == b"drawn"
    assert (tmp_path / "victim").read_bytes() == b"precious"
    assert not (tmp_path / "new").exists()
    assert list((tmp_path / "folder").iterdir()) == []


@posix
@pytest.mark.parametrize("name", ["link/a.png", "sub/link/a.png", "link/new/a.png"])
def test_nothing_is_written_through_a_link_to_a_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out/sub").mkdir(parents=True)
    for parent in ("out", "out/sub"):
        (tmp_path / parent / "link").symlink_to(tmp_path / "elsewhere")
    folder = OutputFolder(tmp_path / "out")
    with pytest.raises(OutputError, match="it is a link in the output folder"):
        folder.write(name, b"drawn")
    folder.close()
    assert list((tmp_path / "elsewhere").iterdir()) == []


@posix
def test_an_output_folder_may_itself_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "disk")
    fill(tmp_path / "out", "sub/a.png")
    assert (tmp_path / "disk/sub/a.png").is_file()


def test_temporary_files_of_killed_runs_are_removed(tmp_path: Path) -> None:
    fill(tmp_path, "sub/a.png")
    old, fresh = f".detcli-{'0' * 16}.part", f".detcli-{'1' * 16}.part"
    paths = [tmp_path / name for name in (old, f"sub/{old}", fresh, ".detcli-mine.part", "other/" + old)]
    for path in paths:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
        if path.name != fresh:
            os.utime(path, (1e9, 1e9))
    fill(tmp_path, "b.png", replace=True)
    assert [path.exists() for path in paths] == [False, False, True, True, True]


@posix
def test_a_list_of_a_stranger_does_not_remove_what_a_link_hides(tmp_path: Path) -> None:
    (tmp_path / "victim").write_bytes(b"precious")
    fill(tmp_path / "out", "a")
    (tmp_path / "out/a").unlink()
    os.link(tmp_path / "victim", tmp_path / "out/hard")
    (tmp_path / "out/a").symlink_to(tmp_path / "victim")
    listed(tmp_path / "out", entry(tmp_path / "victim", "a"), entry(tmp_path / "out/a", OUTPUT_TAG))
    fill(tmp_path / "out", replace=True)
    assert (tmp_path / "victim").read_bytes() == b"precious"
    assert (tmp_path / "out/a").is_symlink()


@pytest.mark.parametrize("kind", ["link", "folder", "text", "fifo"])
def test_something_else_under_the_name_of_the_list_is_an_error(tmp_path: Path, kind: str) -> None:
    path, other = tmp_path / "out" / LIST_NAME, tmp_path / "other"
    path.parent.mkdir()
    other.write_bytes(b"precious")
    if kind == "link":
        path.symlink_to(other)
    elif kind == "folder":
        path.mkdir()
    elif kind == "text":
        path.write_text("my notes")
    elif sys.platform == "win32":
        pytest.skip("POSIX")
    else:
        os.mkfifo(path)
    for replace in (False, True):
        with pytest.raises(OutputError, match="is not a list of files of detcli"):
            OutputFolder(tmp_path / "out").begin(replace=replace)
    assert other.read_bytes() == b"precious"
    if kind == "text":
        assert path.read_text() == "my notes"


@pytest.mark.parametrize("length", [0, 1, 10, 31, 32, 60, -1, -8])
def test_a_list_that_a_killed_run_left_incomplete_is_continued(tmp_path: Path, length: int) -> None:
    fill(tmp_path, "a.png", "b.png")
    path = tmp_path / LIST_NAME
    path.write_bytes(path.read_bytes()[:length])
    fill(tmp_path, "c.png")
    fill(tmp_path, replace=True)
    assert "c.png" not in files(tmp_path)
    if length == -1:
        assert files(tmp_path) == [], "whose line lacks its end only"
    elif length < 0:
        assert files(tmp_path) == ["b.png"], "whose line is incomplete"


@posix
@pytest.mark.parametrize(
    "line", ["9" * 5000 + " 1 a", "1 " + "9" * 40 + " a", "-1 1 a", "x", "1 1", "1 1 " + "a" * 50_000, "\0"]
)
def test_lines_that_are_none_are_skipped(tmp_path: Path, line: str) -> None:
    listed(tmp_path, line)
    fill(tmp_path, "a.png")
    fill(tmp_path, replace=True)
    assert files(tmp_path) == []


def test_a_file_is_listed_before_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = OutputFolder(tmp_path)
    folder.begin(replace=False)

    def killed(_: Path, target: Path) -> None:
        assert f" {target.name}\n" in (tmp_path / LIST_NAME).read_text()
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        folder.write("a.png", b"a")
    folder.close()


def test_two_runs_share_a_folder_only_if_none_overwrites_it(tmp_path: Path) -> None:
    first, second = OutputFolder(tmp_path), OutputFolder(tmp_path)
    first.begin(replace=False)
    if sys.platform != "win32":
        second.begin(replace=False)
        second.close()
    with pytest.raises(OutputError, match="is locked: another run writes to it"):
        second.begin(replace=True)
    first.write("a.png", b"a")
    first.close()
    first.begin(replace=True)
    with pytest.raises(OutputError, match="is locked"):
        second.begin(replace=False)
    first.close()


def test_sinks_of_one_run_share_a_folder(tmp_path: Path) -> None:
    fill(tmp_path, "old.png")
    folders = OutputFolders(lambda _: True)
    folders.open(tmp_path).write("a.png", b"a")
    folders.open(tmp_path).write("b.txt", b"b")
    folders.close()
    assert files(tmp_path) == ["a.png", "b.txt"]


def test_memory_does_not_grow_with_the_list(tmp_path: Path) -> None:
    fill(tmp_path)
    with (tmp_path / LIST_NAME).open("ab") as file:
        for number in range(0, 30_000, 1000):
            file.write(b"".join(b"%d 7 sub/%07d.png\n" % (i, i) for i in range(number, number + 1000)))
    tracemalloc.start()
    fill(tmp_path, replace=True)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 18
    assert (tmp_path / LIST_NAME).stat().st_size < 200


def test_many_changed_files_are_counted_up_to_a_bound(tmp_path: Path) -> None:
    names = [f"{number}.txt" for number in range(MAX_CHANGED + 5)]
    fill(tmp_path, *names)
    for name in names:
        os.utime(tmp_path / name, ns=(1, 1))
    [remark] = fill(tmp_path, replace=True).remarks
    assert remark.startswith(f"at least 1,000 files in '{tmp_path}' changed since an earlier run")
    assert remark.endswith("'0.txt', '1.txt', '2.txt', …")
