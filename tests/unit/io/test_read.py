"""Bytes of regular files: any name, never a wait, a sentence for everything else."""

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from detcli.errors import ImageError
from detcli.io.images.limits import HEAD_BYTES
from detcli.io.read import read_bytes

posix = pytest.mark.skipif(os.name == "nt", reason="Windows has no such files")


def refused(path: Path | str | bytes, max_bytes: int = 1000) -> tuple[str, str]:
    with pytest.raises(ImageError) as caught:
        read_bytes(path, max_bytes=max_bytes)
    return caught.value.code, str(caught.value)


@pytest.fixture
def as_unprivileged_user() -> Iterator[None]:
    """Run as a user with limited permissions."""
    if os.name == "nt" or os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    yield
    os.seteuid(0)


@pytest.mark.parametrize("length", [1, HEAD_BYTES - 1, HEAD_BYTES, HEAD_BYTES + 1, 999, 1000])
def test_all_bytes_of_a_file_are_read(tmp_path: Path, length: int) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(os.urandom(length))
    for form in (path, str(path), os.fsencode(path)):
        assert read_bytes(form, max_bytes=1000) == path.read_bytes()


@pytest.mark.parametrize(
    "name",
    [
        b"with space.jpg",
        b"[red]:smile:{}.jpg",
        b"-o.jpg",
        "größe 图片 🦒.jpg".encode(),
        pytest.param(b"\xff\xfe not utf-8.jpg", marks=posix),
        pytest.param(b"new\nline\ttab\x1b[31m.jpg", marks=posix),
        pytest.param(b"back\\slash*?.jpg", marks=posix),
        b"x" * 250 + b".jpg",
    ],
)
def test_a_file_with_any_name_is_read(tmp_path: Path, name: bytes) -> None:
    path = os.fsencode(tmp_path / os.fsdecode(name))
    try:
        Path(os.fsdecode(path)).write_bytes(b"bytes")
    except OSError:
        pytest.skip("this file system does not take the name")
    assert read_bytes(path, max_bytes=1000) == b"bytes"
    assert read_bytes(os.fsdecode(path), max_bytes=1000) == b"bytes"


def test_a_missing_file_is_not_found(tmp_path: Path) -> None:
    assert refused(tmp_path / "a.jpg") == ("not-found", "no such file or folder")
    (tmp_path / "file").write_bytes(b"x")
    assert refused(tmp_path / "file" / "a.jpg")[0] == "not-found"
    assert refused(str(tmp_path / ("x" * 300)))[0] == "not-found"
    assert refused("a\0b.jpg") == ("not-found", "this is not a valid file name")
    assert refused("\ud800.jpg")[0] == "not-found"
    assert refused("")[0] == "not-found"


@posix
def test_links_are_followed_and_broken_ones_reported(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"bytes")
    (tmp_path / "good.jpg").symlink_to("a.jpg")
    (tmp_path / "broken.jpg").symlink_to("nowhere.jpg")
    (tmp_path / "round.jpg").symlink_to("round.jpg")
    assert read_bytes(tmp_path / "good.jpg", max_bytes=1000) == b"bytes"
    assert refused(tmp_path / "broken.jpg") == ("not-found", "a broken symbolic link")
    assert refused(tmp_path / "round.jpg") == ("not-found", "a symbolic link to itself, or too many links in a row")
    (tmp_path / "long.jpg").symlink_to("x" * 300)
    assert refused(tmp_path / "long.jpg") == ("not-found", "a symbolic link to a name that is too long for a file")


def test_a_folder_is_not_a_file(tmp_path: Path) -> None:
    assert refused(tmp_path) == ("not-a-file", "a folder, not a file")


@posix
def test_a_pipe_a_socket_and_a_device_are_refused_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    assert refused(tmp_path / "pipe.jpg") == ("not-a-file", "a named pipe (FIFO), not a file")
    monkeypatch.chdir(tmp_path)  # names of sockets are short
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket.jpg")
        assert refused("socket.jpg") == ("not-a-file", "a socket, not a file")
    for device in ("/dev/zero", "/dev/null"):
        assert refused(device) == ("not-a-file", "a device, not a file")


@posix
def test_a_file_without_permission_is_reported(tmp_path: Path, as_unprivileged_user: None) -> None:
    folder = Path(os.path.realpath("/tmp")) / f"detcli-{os.getpid()}"
    folder.mkdir(mode=0o700)
    path = folder / "a.jpg"
    path.write_bytes(b"bytes")
    path.chmod(0)
    try:
        assert refused(path) == ("no-permission", "no permission to read it")
        folder.chmod(0)
        assert refused(path) == ("no-permission", "no permission to read it")
    finally:
        folder.chmod(0o700)
        path.unlink()
        folder.rmdir()


def test_an_empty_file_is_empty(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").touch()
    assert refused(tmp_path / "a.jpg") == ("empty", "an empty file")


def test_a_file_over_the_limit_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    with path.open("wb") as file:
        file.write(b"x")
        file.truncate(1 << 40)  # a hole, if the file system has them
    assert refused(path) == ("too-large", "1,099,511,627,776 bytes are more than the limit of 1,000")


def test_the_first_bytes_are_checked_before_the_length(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"v" * 5000)
    seen = []

    def check_head(head: bytes) -> None:
        seen.append(head)
        raise ImageError("not-an-image", "a video, not an image")

    with pytest.raises(ImageError, match="a video"):
        read_bytes(path, max_bytes=1000, check_head=check_head)
    assert seen == [b"v" * HEAD_BYTES]


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_a_file_longer_than_its_reported_size_is_read_completely() -> None:
    assert read_bytes("/proc/self/status", max_bytes=1 << 20).startswith(b"Name:")
    assert refused("/proc/self/status", 100)[0] == "too-large"


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_no_file_stays_open(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    (tmp_path / "good").write_bytes(b"x")
    before = len(list(Path("/proc/self/fd").iterdir()))
    for name in ("empty", "good", "missing", "."):
        for _ in range(20):
            with suppress(ImageError):
                read_bytes(tmp_path / name, max_bytes=1000)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
