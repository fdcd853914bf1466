"""Containers with several video streams: covers, thumbnails, stills, previews and slides are not the video."""

import io
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition

from detcli import open_video
from detcli.sources.video.video_source import VideoSettings
from detcli.sources.video.video_stream import VideoStream
from tests.helpers.video_samples import (
    Part,
    decode_with_pyav,
    frames_of,
    gaps_of,
    read,
    write_streams,
    write_video,
)

LARGE, SMALL = (96, 128), (48, 64)
VIDEO, STILL = Part(SMALL, 24), Part(LARGE, 1, codec="mjpeg")
SLIDES, PREVIEW = Part(LARGE, 2, step_ms=450), Part(LARGE, 6)


@pytest.mark.parametrize("container", ["matroska", "mov", "mpegts", "avi"])
@pytest.mark.parametrize("is_first", [True, False])
def test_a_still_of_any_size_is_not_the_video(tmp_path: Path, container: str, is_first: bool) -> None:
    still = Part(LARGE, 1) if container == "mpegts" else STILL
    video = Part(SMALL, 24, codec="mpeg4") if container == "avi" else VIDEO
    parts = [still, video] if is_first else [video, still]
    write_streams(tmp_path / "a", parts, container=container)
    frames = frames_of(read(tmp_path / "a"))
    assert len(frames) == 24
    assert {frame.size_hw for frame in frames} == {SMALL}


@pytest.mark.parametrize("other", [SLIDES, PREVIEW], ids=["slides", "preview"])
@pytest.mark.parametrize("container", ["matroska", "mov"])
def test_a_video_is_preferred_to_slides_and_previews(tmp_path: Path, container: str, other: Part) -> None:
    write_streams(tmp_path / "a", [other, Part(SMALL, 48)], container=container)
    assert {frame.size_hw for frame in frames_of(read(tmp_path / "a"))} == {SMALL}


def test_a_still_with_the_default_flag_is_not_the_video(tmp_path: Path) -> None:
    still = Part(LARGE, 1, codec="mjpeg", flags=Disposition.default)
    write_streams(tmp_path / "a.mkv", [still, VIDEO], container="matroska")
    assert len(frames_of(read(tmp_path / "a.mkv"))) == 24


@pytest.mark.parametrize("sound", [False, True])
def test_a_still_in_a_pipe_is_found_without_lengths(tmp_path: Path, sound: bool) -> None:
    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

        seek = tell = None  # type: ignore[assignment]

    for parts in ([STILL, VIDEO], [VIDEO, STILL]):
        pipe = Pipe()
        write_streams(pipe, parts, container="matroska", sound=sound)
        path = tmp_path / "a.mkv"
        path.write_bytes(pipe.getvalue())
        with av.open(str(path)) as file:
            assert not any(stream.duration or "DURATION" in stream.metadata for stream in file.streams.video)
        results = read(path)
        assert [frame.origin.frame for frame in results] == list(range(24))
        assert {frame.size_hw for frame in frames_of(results)} == {SMALL}
        late = frames_of(read(path, VideoSettings(start_s=0.5)))
        assert [frame.origin.frame for frame in late] == list(range(13, 24))
        for frame in late:
            assert np.array_equal(frame.pixels, frames_of(results)[frame.origin.frame or 0].pixels)


def test_of_two_videos_the_default_one_is_read(tmp_path: Path) -> None:
    parts = [Part(LARGE, 24), Part(SMALL, 24, flags=Disposition.default)]
    write_streams(tmp_path / "a.mkv", parts, container="matroska")
    assert {frame.size_hw for frame in frames_of(read(tmp_path / "a.mkv"))} == {SMALL}


def test_of_two_equal_videos_the_largest_is_read(tmp_path: Path) -> None:
    parts = [Part(SMALL, 24, flags=Disposition.default), Part(LARGE, 24, flags=Disposition.default)]
    write_streams(tmp_path / "a.mkv", parts, container="matroska")
    assert {frame.size_hw for frame in frames_of(read(tmp_path / "a.mkv"))} == {LARGE}


def test_one_stream_is_read_as_before(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mkv", 30, sound=True)
    for frame, (time_s, pixels) in zip(read(path), decode_with_pyav(path), strict=True):
        assert frame.origin.time_s == pytest.approx(time_s)
        assert np.array_equal(frame.pixels, pixels)  # type: ignore[union-attr]


def test_damage_near_the_start_is_still_reported(tmp_path: Path) -> None:
    parts = [Part(SMALL, 60, codec="mpeg4"), Part(LARGE, 60, codec="mpeg4")]
    write_streams(tmp_path / "a.ts", parts, container="mpegts")
    data = bytearray((tmp_path / "a.ts").read_bytes())
    del data[188 * 60 : 188 * 70]
    (tmp_path / "a.ts").write_bytes(data)
    assert gaps_of(read(tmp_path / "a.ts"))


def test_which_stream_is_read_is_part_of_the_information(tmp_path: Path) -> None:
    write_streams(tmp_path / "a.mkv", [VIDEO, STILL], container="matroska")
    info = VideoStream(str(tmp_path / "a.mkv"), VideoSettings()).info()
    assert info.stream is not None
    assert "2 video streams; used is stream 0: h264, 64 x 48" in info.stream
    assert "not stream 1: mjpeg, 128 x 96, 1 frame" in info.stream
    write_video(tmp_path / "b.mkv", 3)
    assert VideoStream(str(tmp_path / "b.mkv"), VideoSettings()).info().stream is None


def test_python_reads_the_same_stream_as_the_command(tmp_path: Path) -> None:
    write_streams(tmp_path / "a.mkv", [STILL, VIDEO], container="matroska")
    with open_video(str(tmp_path / "a.mkv")) as frames:
        assert frames.info.stream is not None
        assert sum(1 for _ in frames) == 24
