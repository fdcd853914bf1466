"""Cameras with a fake capture: requested settings, errors, and lost cameras that are reopened."""

import os
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from detcli.errors import SourceError
from detcli.sources.video import camera
from detcli.sources.video.camera import Camera
from detcli.sources.video.video_source import StreamGap, VideoSettings, open_video_source
from detcli.structures.frame import FailedFrame, Frame, Pixels

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems have no /dev/video0")


class FakeCapture:
    """Gives so many blue frames, then fails."""

    def __init__(self, frames: int, *, opens: bool = True) -> None:
        self.frames, self.opens, self.released = frames, opens, False
        self.asked: dict[int, float] = {}

    def isOpened(self) -> bool:  # noqa: N802
        return self.opens

    def read(self) -> tuple[bool, Pixels | None]:
        assert not self.released
        if self.frames == 0:
            return False, None
        self.frames -= 1
        return True, np.full((4, 6, 3), (255, 0, 0), np.uint8)

    def get(self, what: int) -> float:
        return 30.0 if what == cv2.CAP_PROP_FPS else 0.0

    def set(self, what: int, value: float) -> bool:
        self.asked[what] = value
        return True

    def release(self) -> None:
        self.released = True


@pytest.fixture
def devices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that stands for /dev, with one camera."""
    (tmp_path / "video0").write_bytes(b"")
    monkeypatch.setattr(camera, "DEVICES", tmp_path)
    return tmp_path


@pytest.fixture
def captures(devices: Path, monkeypatch: pytest.MonkeyPatch) -> list[FakeCapture]:
    """The captures that the camera will be opened with, one after the other."""
    waiting: list[FakeCapture] = []
    monkeypatch.setattr(
        camera, "open_capture", lambda number: waiting.pop(0) if waiting else FakeCapture(0, opens=False)
    )
    monkeypatch.setattr(camera, "_FIRST_PAUSE_S", 0.001)
    return waiting


def test_the_registry_opens_cameras(devices: Path) -> None:
    source = open_video_source("cam0", VideoSettings())
    assert isinstance(source, Camera)
    assert source.live


def test_frames_are_rgb_and_numbered(captures: list[FakeCapture]) -> None:
    captures.append(FakeCapture(9))
    frames = [image() for image in Camera("cam0", VideoSettings(max_frames=3))]
    assert all(isinstance(frame, Frame) for frame in frames)
    assert [frame.origin.frame for frame in frames] == [0, 1, 2]
    times = [frame.origin.time_s or 0.0 for frame in frames]
    assert times[0] == 0.0
    assert times == sorted(times)
    [first, *_] = frames
    assert isinstance(first, Frame)
    assert first.pixels is not None
    assert first.pixels[0, 0].tolist() == [0, 0, 255]
    assert first.origin.relative == "cam0/frame_000000.jpg"


def test_size_and_rate_are_requested_and_the_real_ones_reported(captures: list[FakeCapture]) -> None:
    captures.append(capture := FakeCapture(9))
    info = Camera("0", VideoSettings(size_hw=(720, 1280), rate=30.0)).info()
    assert capture.asked[cv2.CAP_PROP_FRAME_HEIGHT] == 720
    assert capture.asked[cv2.CAP_PROP_FRAME_WIDTH] == 1280
    assert capture.asked[cv2.CAP_PROP_FPS] == 30
    assert (info.size_hw, info.rate, info.name) == ((4, 6), 30.0, "0")


def test_a_lost_camera_is_reopened_after_a_gap(captures: list[FakeCapture]) -> None:
    captures += [FakeCapture(2), FakeCapture(0), FakeCapture(0, opens=False), FakeCapture(3)]
    results = [image() for image in Camera("cam0", VideoSettings(max_frames=4))]
    assert [type(result) for result in results] == [Frame, Frame, FailedFrame, Frame, Frame]
    missing = results[2]
    assert isinstance(missing, FailedFrame)
    assert missing.code == "gap"
    assert missing.origin.frame == 2
    assert [result.origin.index for result in results] == [0, 1, 2, 3, 4]
    assert [result.origin.frame for result in results] == [0, 1, 2, 2, 3]


def test_a_lost_camera_is_reported_before_it_is_reopened(captures: list[FakeCapture]) -> None:
    captures.append(FakeCapture(1))
    source = Camera("cam0", VideoSettings())
    frames = iter(source)
    results = [next(frames)(), next(frames)()]
    source.close()
    assert [type(result) for result in results] == [Frame, FailedFrame]


def test_a_lost_camera_is_not_searched_after_the_duration(captures: list[FakeCapture]) -> None:
    captures.append(FakeCapture(1))
    results = [image() for image in Camera("cam0", VideoSettings(duration_s=0.02))]
    assert [type(result) for result in results] == [Frame, FailedFrame]


def test_a_camera_that_hangs_is_lost_after_one_read(
    captures: list[FakeCapture], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(camera, "_MAX_SILENCE_S", 0.0)
    reads = []

    class Hanging(FakeCapture):
        def read(self) -> tuple[bool, Pixels | None]:
            reads.append(self.frames)
            return super().read()

    captures.append(Hanging(2))
    frames = iter(Camera("cam0", VideoSettings()))
    assert isinstance([next(frames) for _ in range(3)][-1], StreamGap)
    assert reads == [2, 1, 0]


def test_without_reconnect_a_lost_camera_is_an_error(captures: list[FakeCapture]) -> None:
    captures.append(FakeCapture(2))
    with pytest.raises(SourceError, match="was lost"):
        list(Camera("cam0", VideoSettings(reconnect=False)))


def test_closing_ends_the_search_for_a_lost_camera(captures: list[FakeCapture]) -> None:
    captures.append(FakeCapture(1))
    source = Camera("cam0", VideoSettings())
    frames = iter(source)
    next(frames)
    source.close()
    source.close()
    assert list(frames) == []


@linux
def test_the_error_of_a_missing_camera_names_the_others(devices: Path) -> None:
    (devices / "video10").write_bytes(b"")
    with pytest.raises(SourceError, match=r"camera 7 does not exist.*; available: cam0, cam10") as error:
        Camera("cam7", VideoSettings()).info()
    assert error.value.code == "not-found"


@linux
@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may use every camera")
def test_a_camera_without_permission_says_what_to_do(devices: Path) -> None:
    (devices / "video0").chmod(0)
    with pytest.raises(SourceError, match=r"no permission for .*group 'video'") as error:
        Camera("cam0", VideoSettings()).info()
    assert error.value.code == "no-permission"


@pytest.mark.parametrize(
    ("capture", "words"), [(FakeCapture(0, opens=False), "another program"), (FakeCapture(0), "no image")]
)
def test_a_camera_without_images_is_an_error(captures: list[FakeCapture], capture: FakeCapture, words: str) -> None:
    captures.append(capture)
    with pytest.raises(SourceError, match=words):
        Camera("cam0", VideoSettings()).info()


def test_opening_a_camera_restores_the_log_level_of_opencv(monkeypatch: pytest.MonkeyPatch) -> None:
    logging, levels = getattr(cv2.utils, "logging", cv2), []
    before = logging.getLogLevel()
    monkeypatch.setattr(cv2, "VideoCapture", lambda number, kind: levels.append(logging.getLogLevel()))
    camera.open_capture(99)
    assert levels == [0]  # silent
    assert logging.getLogLevel() == before
