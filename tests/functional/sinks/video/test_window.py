"""A window on a screen, where a virtual one can be had."""

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from detcli.errors import UsageError
from detcli.sinks.video.window import Window
from detcli.sources.video.video_source import frame_origin
from detcli.structures.class_labels import ClassLabels
from detcli.structures.detections import Detections
from detcli.structures.frame import Frame

LABELS = ClassLabels.from_names(["cat"])
pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="screens are told by DISPLAY on Linux alone"
)


@pytest.fixture
def screen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A virtual screen."""
    server = shutil.which("Xvfb")
    if server is None:
        pytest.skip("Xvfb is not here")
    reading, writing = os.pipe()
    process = subprocess.Popen(
        [server, "-displayfd", str(writing), "-screen", "0", "640x480x24"],
        pass_fds=[writing],
        stderr=subprocess.DEVNULL,
    )
    os.close(writing)
    with os.fdopen(reading) as stream:
        monkeypatch.setenv("DISPLAY", f":{stream.readline().strip()}")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    yield
    process.terminate()
    process.wait()


def frame(number: int) -> Frame:
    origin = frame_origin(number, file="a", source="a", frame=number, time_s=0.0)
    return Frame(origin, (48, 64), np.full((48, 64, 3), number, np.uint8))


def test_frames_are_shown_and_the_end_closes_the_window(screen: None) -> None:
    closed = threading.Event()
    window = Window(LABELS, title="a", on_closed=closed.set)
    for number in range(5):
        window.write(frame(number), Detections.empty())
    window.close(complete=True)
    window.abort()
    assert window._process.returncode == 0
    assert not closed.is_set()


def test_closing_the_window_ends_the_run(screen: None) -> None:
    closed = threading.Event()
    window = Window(LABELS, title="a", on_closed=closed.set)
    window._process.terminate()
    window._process.wait()
    while not closed.wait(0.01):
        window.write(frame(0), Detections.empty())
    window.write(frame(1), Detections.empty())
    window.abort()


def test_a_screen_that_does_not_answer_is_reported_before_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", ":9999")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with pytest.raises(UsageError, match="cannot open a window on this machine: use `save_video`"):
        Window(LABELS, title="a", on_closed=lambda: None)
