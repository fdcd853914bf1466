"""An object that is read ahead has the bytes of the object at every position, and is requested in few parts."""

import io
import random
import threading
import uuid
from collections.abc import Callable

import fsspec
import pytest

from detcli.errors import ImageError
from detcli.io.remote import ahead_reader
from detcli.io.remote.ahead_reader import AheadReader

DATA = random.Random(0).randbytes(100_000)


@pytest.fixture
def url() -> str:
    address = f"memory://{uuid.uuid4().hex}/a.mp4"
    fsspec.filesystem("memory").pipe_file(address, DATA)
    return address


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Begin and end of each request; parts have 1 kB after a jump, and up to 16 kB."""
    monkeypatch.setattr(ahead_reader, "_FIRST_BYTES", 1 << 10)
    monkeypatch.setattr(ahead_reader, "_MOST_BYTES", 1 << 14)
    requests: list[tuple[int, int]] = []
    read: Callable[..., bytes] = ahead_reader.read_range

    def noted(address: str, start: int, end: int) -> bytes:
        requests.append((start, end))
        return read(address, start, end)

    monkeypatch.setattr(ahead_reader, "read_range", noted)
    return requests


def test_bytes_are_those_of_a_file_at_every_position(url: str, asked: list[tuple[int, int]]) -> None:
    file, same, chosen = AheadReader(url), io.BytesIO(DATA), random.Random(1)
    for _ in range(300):
        step = chosen.choice(((0, io.SEEK_END), (chosen.randrange(110_000), io.SEEK_SET), (100, io.SEEK_CUR), None))
        if step is not None:
            assert file.seek(*step) == same.seek(*step)
        count = chosen.choice((1, 500, 5_000, 40_000))
        assert file.read(count) == same.read(count)
        assert file.tell() == same.tell()


def test_parts_that_follow_each_other_grow_and_are_asked_once(url: str, asked: list[tuple[int, int]]) -> None:
    file = AheadReader(url)
    while file.read(300):
        pass
    assert [end - start for start, end in asked[:5]] == [1024, 2048, 4096, 8192, 16384]
    assert [end for _, end in asked] == [*(start for start, _ in asked[1:]), len(DATA)]


def test_a_jump_to_the_end_and_back_keeps_the_first_part(url: str, asked: list[tuple[int, int]]) -> None:
    file = AheadReader(url)
    assert file.read(100) == DATA[:100]
    file.seek(-400, io.SEEK_END)
    assert file.read(1000) == DATA[-400:]
    for position in (50_000, 60_000, 70_000, 80_000):
        file.seek(position)
        file.read(10)
    file.seek(100)
    assert file.read(300) == DATA[100:400]
    assert asked[:2] == [(0, 1024), (len(DATA) - 400, len(DATA))]
    assert sum(start == 0 for start, _ in asked) == 1


def test_an_object_that_vanishes_ends_with_an_error(url: str, asked: list[tuple[int, int]]) -> None:
    file = AheadReader(url)
    assert file.read(100) == DATA[:100]
    fsspec.filesystem("memory").rm_file(url)
    file.seek(50_000)
    assert (file.read(100), file.error is not None and file.error.code) == (b"", "not-found")
    file.seek(0)
    assert file.read(100) == b""


def test_an_object_that_is_replaced_by_a_shorter_one_is_truncated(url: str, asked: list[tuple[int, int]]) -> None:
    file = AheadReader(url)
    fsspec.filesystem("memory").pipe_file(url, DATA[:500])
    assert (file.read(2000), file.error is not None and file.error.code) == (b"", "truncated")


def test_what_cannot_be_read_is_an_error_at_once(url: str) -> None:
    fsspec.filesystem("memory").pipe_file(url, b"")
    for address, code in ((url, "empty"), (f"{url}.none", "not-found"), (url.rpartition("/")[0], "not-found")):
        with pytest.raises(ImageError) as caught:
            AheadReader(address)
        assert caught.value.code == code


def test_a_closed_reader_gives_no_more_bytes(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    closed, released = threading.Event(), threading.Event()
    file = AheadReader(url, closed)
    monkeypatch.setattr(ahead_reader, "read_range", lambda *_: b"late"[: released.wait(30)])
    closed.set()
    assert (file.read(10), file.error) == (b"", None)
    released.set()
