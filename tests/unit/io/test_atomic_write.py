import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from detcli.errors import OutputError
from detcli.io.atomic_write import AtomicFile, output_error, to_bytes, write_atomically

posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX file systems")
not_root = pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may write anywhere")


def test_a_file_is_written_with_its_parent_folders(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "c.txt"
    write_atomically(path, b"whole")
    assert path.read_bytes() == b"whole"
    assert list(path.parent.iterdir()) == [path]


def test_until_the_commit_the_old_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    path.write_bytes(b"old")
    with AtomicFile(path) as file:
        file.write(b"new")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"


def test_an_exception_in_the_block_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    path.write_bytes(b"old")
    with pytest.raises(TypeError), AtomicFile(path) as file:
        file.write("not bytes")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_discard_is_safe_twice_and_after_commit(tmp_path: Path) -> None:
    file = AtomicFile(tmp_path / "x.txt")
    file.write(b"1")
    file.commit()
    file.discard()
    file.discard()
    assert (tmp_path / "x.txt").read_bytes() == b"1"


def test_the_longest_valid_name_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 255)
    write_atomically(path, b"x")
    assert path.read_bytes() == b"x"


@pytest.mark.parametrize(
    ("make", "clause"),
    [
        (lambda folder: folder, "it is a folder"),
        (lambda folder: folder / ("n" * 256), "the name is too long for the file system"),
        (lambda folder: folder / "file" / "below", "something else has this name"),
        (lambda folder: folder / "nul\0byte", "a file name cannot contain a null character"),
    ],
)
@posix
def test_errors_of_the_file_system_name_the_file(tmp_path: Path, make, clause: str) -> None:
    (tmp_path / "file").write_bytes(b"")
    path = make(tmp_path)
    with pytest.raises(OutputError) as caught:
        write_atomically(path, b"x")
    assert str(caught.value) == f"cannot write '{path}': {clause}"
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]


@posix
def test_a_loop_of_links_is_reported(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(OutputError, match="loop"):
        write_atomically(tmp_path / "a", b"x")


@posix
def test_a_link_stays_and_its_target_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"old")
    link = tmp_path / "link"
    link.symlink_to("real")
    write_atomically(link, b"new")
    assert link.is_symlink()
    assert (tmp_path / "real").read_bytes() == b"new"


@posix
def test_a_pipe_is_never_replaced_by_a_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OutputError):
        write_atomically(tmp_path / "pipe", b"x")
    assert (tmp_path / "pipe").is_fifo()


@posix
def test_replaced_files_keep_permissions_and_new_ones_follow_umask(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_bytes(b"")
    old.chmod(0o640)
    umask = os.umask(0)
    os.umask(umask)
    write_atomically(old, b"x")
    write_atomically(new, b"x")
    assert old.stat().st_mode & 0o777 == 0o640
    assert new.stat().st_mode & 0o777 == 0o666 & ~umask


@posix
@not_root
def test_missing_permission_is_reported(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match="no permission"):
        write_atomically(tmp_path / "x", b"x")
    tmp_path.chmod(0o700)


@pytest.mark.parametrize("number", [errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC), errno.EROFS, errno.EACCES])
def test_reasons_are_words_not_numbers(number: int) -> None:
    sentence = str(output_error("out.json", OSError(number, os.strerror(number))))
    assert sentence.startswith("cannot write 'out.json': ")
    assert "Errno" not in sentence


LIMITED = """
import resource, sys
from pathlib import Path
from detcli.errors import OutputError
from detcli.io.atomic_write import write_atomically
path = Path(sys.argv[1])
for limit in range(0, 60_001, 5_000):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try:
        write_atomically(path, b"n" * 50_000)
        print("whole", limit)
    except OutputError as error:
        assert "is larger" in str(error), error
        assert path.read_bytes() == b"old", "torn"
    assert [entry.name for entry in path.parent.iterdir()] == [path.name], "left behind"
"""


@posix
def test_on_a_full_disk_the_old_or_the_new_file_exists(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"old")
    run = subprocess.run(
        [sys.executable, "-c", LIMITED, str(path)], capture_output=True, text=True, check=False, timeout=60
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.split("\n")[0] == "whole 50000"
    assert path.read_bytes() == b"n" * 50_000


def test_names_become_their_original_bytes() -> None:
    assert to_bytes("a\udcff é") == b"a\xff \xc3\xa9"
    assert to_bytes("half \ud800") == b"half ?"


def test_two_runs_do_not_write_the_same_file(tmp_path: Path) -> None:
    place = tmp_path / "out.json"
    first = AtomicFile(place, locked=True)
    first.write(b"first")
    with pytest.raises(OutputError, match=r"out\.json' is locked: another run writes to it"):
        AtomicFile(place, locked=True)
    first.commit()
    assert place.read_bytes() == b"first"
    with AtomicFile(place, locked=True) as second:
        second.write(b"2")
    assert place.read_bytes() == b"2"


def test_a_file_of_a_killed_run_is_overwritten_by_the_next(tmp_path: Path) -> None:
    place = tmp_path / "out.json"
    killed = AtomicFile(place, locked=True)
    killed.write(b"half")
    killed._open_file().close()  # as the system does
    after = AtomicFile(place, locked=True)
    after.write(b"whole")
    after.commit()
    assert [path.name for path in tmp_path.iterdir()] == ["out.json"]
    assert place.read_bytes() == b"whole"
    killed.discard()
    assert place.read_bytes() == b"whole"
