"""When a file that arrives is complete: by its end, and by a clock of the test."""

import os
from pathlib import Path

import pytest

from detcli.sources.images.path_walker import FoundPath
from detcli.sources.watching.arrivals import PATIENCE_S, SETTLE_S, Arrivals
from detcli.sources.watching.file_states import FileState, state_of
from detcli.sources.watching.watched_paths import WatchedPath
from tests.helpers.folder_watches import image_bytes

FORMATS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "JPEG2000")


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def arrived(path: Path) -> tuple[WatchedPath, FileState]:
    state = state_of(str(path))
    assert state is not None
    return WatchedPath(str(path.parent), FoundPath(str(path), path.name)), state


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def arrivals(clock: Clock) -> Arrivals:
    return Arrivals(1 << 20, clock)


@pytest.mark.parametrize("name", FORMATS)
def test_an_image_in_pieces_is_complete_with_its_last_one(
    name: str, tmp_path: Path, arrivals: Arrivals, clock: Clock
) -> None:
    data = image_bytes(3, name)
    path = tmp_path / "a.bin"
    for end in (0, 1, 20, len(data) // 2, len(data) - 8):
        path.write_bytes(data[:end])
        for _ in range(4):
            assert not arrivals.is_complete(*arrived(path)), end
            clock.now += PATIENCE_S / 5
    path.write_bytes(data)
    assert not arrivals.is_complete(*arrived(path))
    clock.now += SETTLE_S + 0.01
    assert arrivals.is_complete(*arrived(path))


def test_a_file_finished_while_it_is_read_is_complete_once(tmp_path: Path) -> None:
    """What is read then has its end, and belongs to a later state than the one that was asked about."""
    data = image_bytes(3)
    path = tmp_path / "a.png"
    path.write_bytes(data[:-100])

    class WriterAndClock(Clock):
        def __call__(self) -> float:
            if self.now and path.stat().st_size < len(data):
                path.write_bytes(data)
            return self.now

    clock = WriterAndClock()
    arrivals = Arrivals(1 << 20, clock)
    first = arrived(path)
    assert not arrivals.is_complete(*first)
    clock.now = SETTLE_S + 0.01
    assert not arrivals.is_complete(*first)
    whole = arrived(path)
    assert whole[1].size == len(data)
    assert not arrivals.is_complete(*whole)
    clock.now += SETTLE_S + 0.01
    assert arrivals.is_complete(*whole)


@pytest.mark.parametrize("data", [b"", image_bytes()[:-20], b"\0" * 5000, b"no image at all"])
def test_what_gets_no_end_is_complete_after_a_while(
    data: bytes, tmp_path: Path, arrivals: Arrivals, clock: Clock
) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(data)
    assert not arrivals.is_complete(*arrived(path))
    clock.now += PATIENCE_S - 0.1
    assert not arrivals.is_complete(*arrived(path))
    clock.now += 0.2
    assert arrivals.is_complete(*arrived(path))


def test_every_change_starts_the_wait_again(tmp_path: Path, arrivals: Arrivals, clock: Clock) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(image_bytes())
    for change in range(5):
        os.utime(path, ns=(change, change))
        assert not arrivals.is_complete(*arrived(path))
        clock.now += SETTLE_S - 0.01
    clock.now += 0.02
    assert arrivals.is_complete(*arrived(path))


def test_old_files_at_the_start_are_not_read(tmp_path: Path, arrivals: Arrivals) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(image_bytes()[:-20])
    assert not arrivals.is_complete(*arrived(path), is_old=True)
    os.utime(path, (0, 0))
    assert arrivals.is_complete(*arrived(path), is_old=True)


def test_a_file_that_is_dropped_is_forgotten(tmp_path: Path, arrivals: Arrivals, clock: Clock) -> None:
    for name in "bac":
        path = tmp_path / f"{name}.png"
        path.write_bytes(image_bytes())
        arrivals.add(*arrived(path))
    assert [file.found.below for file in arrivals.files()] == ["a.png", "b.png", "c.png"]
    arrivals.drop(str(tmp_path / "b.png"))
    arrivals.drop("unknown")
    assert len(arrivals) == 2


@pytest.mark.skipif(os.name != "posix", reason="links and pipes as POSIX has them")
def test_what_is_no_file_does_not_wait(tmp_path: Path, arrivals: Arrivals, clock: Clock) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    assert arrivals.is_complete(*arrived(tmp_path / "pipe.png"))
    (tmp_path / "link.png").symlink_to("missing.png")
    assert not arrivals.is_complete(*arrived(tmp_path / "link.png"))
    clock.now += PATIENCE_S + 0.1
    assert arrivals.is_complete(*arrived(tmp_path / "link.png"))
