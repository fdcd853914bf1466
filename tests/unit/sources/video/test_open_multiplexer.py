"""Which sources are live, and how their channels are read."""

from pathlib import Path

import pytest

from detcli.errors import UsageError
from detcli.sources.video import open_multiplexer as module
from detcli.sources.video.open_multiplexer import is_live, is_live_by_default, open_multiplexer
from detcli.sources.video.video_source import VideoSettings, VideoSource, open_video_source


@pytest.mark.parametrize(
    ("argument", "live"),
    [
        ("in.mp4", False),
        ("-", False),
        ("http://host/in.mp4", False),
        ("http://host/stream", True),
        ("rtsp://host/1", True),
        ("udp://127.0.0.1:1234", True),
        ("cam0", True),
        ("7", True),
    ],
)
def test_cameras_and_streams_are_live_unless_set_otherwise(argument: str, live: bool) -> None:
    assert is_live_by_default(argument) is live
    assert is_live(argument, VideoSettings()) is live
    for setting in (True, False):
        assert is_live(argument, VideoSettings(live=setting)) is setting
    assert open_video_source(argument, VideoSettings()).live is live


def test_an_unsupported_scheme_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="cannot be read as a video"):
        is_live_by_default("ftp://host/in.mp4")


def test_each_source_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    def make(argument: str, settings: VideoSettings) -> VideoSource:
        made.append(argument)
        return open_video_source(argument, settings)

    monkeypatch.setattr(module, "open_video_source", make)
    open_multiplexer(["a.mp4", "rtsp://host/1", "cam0"], VideoSettings())
    assert made == ["a.mp4", "rtsp://host/1", "cam0"]


def test_a_live_file_is_paced_and_a_live_stream_is_waited_for(tmp_path: Path) -> None:
    settings = VideoSettings(live=True, max_frames=5)
    file, stream = open_multiplexer([str(tmp_path / "a.mp4"), "rtsp://user:word@host/1"], settings).sources
    assert (file.paced, file.waits, file.is_file, file.max_frames) == (True, False, True, 5)
    assert (stream.paced, stream.waits, stream.is_file, stream.max_frames) == (False, True, False, 5)
    assert (stream.file, stream.name) == ("rtsp://host/1", "host/1")
    [file] = open_multiplexer(["a.mp4"], VideoSettings(max_frames=5)).sources
    assert (file.paced, file.waits, file.max_frames) == (False, False, None)
