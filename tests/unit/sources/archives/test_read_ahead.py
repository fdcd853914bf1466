"""Members that wait in memory: the limit holds, and is given back when they are read or dropped."""

import threading

import pytest

from detcli.errors import ImageError
from detcli.sources.archives.read_ahead import HeldMember, ReadAhead


def test_listing_waits_until_a_member_is_read() -> None:
    limit = ReadAhead(100)
    assert limit.reserve(1, wait=True)
    assert limit.reserve(70, wait=True)
    assert not limit.reserve(40, wait=False)
    held, reserved = HeldMember(b"x" * 70, 70, limit, lambda: b"again"), threading.Event()
    thread = threading.Thread(target=lambda: limit.reserve(40, wait=True) and reserved.set())
    thread.start()
    assert not reserved.wait(0.05)
    assert held() == b"x" * 70
    assert reserved.wait(10)
    thread.join()
    assert held() == b"again"


def test_two_members_fit_however_large() -> None:
    limit = ReadAhead(100)
    assert limit.reserve(1000, wait=True)
    assert limit.reserve(1000, wait=True)
    assert not limit.reserve(1, wait=False)


def test_dropping_a_member_gives_its_memory_back() -> None:
    limit = ReadAhead(100)
    assert limit.reserve(100, wait=True)
    assert limit.reserve(100, wait=True)
    held = HeldMember(ImageError("empty", "an empty file"), 100, limit, lambda: b"")
    assert not limit.reserve(100, wait=False)
    del held
    assert limit.reserve(100, wait=False)


def test_an_error_is_raised_when_the_member_is_read() -> None:
    limit = ReadAhead(100)
    assert limit.reserve(10, wait=True)
    assert limit.reserve(10, wait=True)
    with pytest.raises(ImageError, match="an empty file"):
        HeldMember(ImageError("empty", "an empty file"), 10, limit, lambda: b"")()
    assert limit.reserve(100, wait=False)


def test_the_end_of_the_run_ends_every_wait() -> None:
    limit = ReadAhead(100)
    assert limit.reserve(100, wait=True)
    assert limit.reserve(100, wait=True)
    answers: list[bool] = []
    thread = threading.Thread(target=lambda: answers.append(limit.reserve(1, wait=True)))
    thread.start()
    limit.close()
    thread.join(10)
    assert answers == [False]
