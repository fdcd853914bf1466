"""Every suffix that is taken from folders as a video is read, in frames of real sizes."""

import io
import sys
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from detcli.errors import SourceError
from detcli.io.naming import SkippedEntries
from detcli.sources.video.ffmpeg.content import container_of
from detcli.sources.video.find_videos import VIDEO_SUFFIXES, find_videos
from detcli.sources.video.protocols import access_of
from detcli.structures.frame import Frame, Pixels
from tests.helpers.video_samples import read

_FRAMES = 5
# suffix -> container, codec and pixel format; the size is 640 x 480, or what the container allows
_WRITTEN = {
    ".3gp": ("3gp", "mpeg4", "yuv420p"),
    ".asf": ("asf", "mpeg4", "yuv420p"),
    ".avi": ("avi", "mpeg4", "yuv420p"),
    ".flv": ("flv", "flv1", "yuv420p"),
    ".gif": ("gif", "gif", "rgb8"),
    ".ivf": ("ivf", "libvpx", "yuv420p"),
    ".m2ts": ("mpegts", "libx264", "yuv420p"),
    ".m4v": ("mp4", "libx264", "yuv420p"),
    ".mkv": ("matroska", "libx264", "yuv420p"),
    ".mov": ("mov", "libx264", "yuv420p"),
    ".mp4": ("mp4", "libx264", "yuv420p"),
    ".mpeg": ("mpeg", "mpeg1video", "yuv420p"),
    ".mpg": ("mpeg", "mpeg1video", "yuv420p"),
    ".mts": ("mpegts", "libx264", "yuv420p"),
    ".mxf": ("mxf", "mpeg2video", "yuv420p"),
    ".ogv": ("ogv", "libvpx", "yuv420p"),
    ".rm": ("rm", "rv20", "yuv420p"),
    ".ts": ("mpegts", "libx264", "yuv420p"),
    ".vob": ("vob", "mpeg2video", "yuv420p"),
    ".webm": ("webm", "libvpx", "yuv420p"),
    ".wmv": ("asf", "wmv2", "yuv420p"),
    ".y4m": ("yuv4mpegpipe", "wrapped_avframe", "yuv420p"),
}


def _frame(number: int, size_hw: tuple[int, int] = (480, 640)) -> Pixels:
    height, width = size_hw
    noise = np.random.default_rng(number).integers(0, 60, (height // 8, width // 8, 3), dtype=np.uint8)
    return np.kron(noise, np.ones((8, 8, 1), np.uint8)) + np.uint8(20 * number)


def _jpeg(number: int, size_hw: tuple[int, int] = (480, 640)) -> bytes:
    file = io.BytesIO()
    Image.fromarray(_frame(number, size_hw)).save(file, "JPEG", quality=90)
    return file.getvalue()


def _write(path: Path, container: str, codec: str, pixels: str) -> None:
    with av.open(str(path), "w", format=container) as output:
        stream = output.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 640, 480, pixels
        for number in range(_FRAMES):
            output.mux(stream.encode(av.VideoFrame.from_ndarray(_frame(number), "rgb24").reformat(format=pixels)))
        output.mux(stream.encode(None))


def _make(folder: Path, suffix: str) -> Path:
    path = folder / f"film{suffix}"
    if suffix in (".mjpeg", ".mjpg"):
        path.write_bytes(b"".join(map(_jpeg, range(_FRAMES))))
    elif suffix == ".m3u8":
        _write(folder / "part.ts", *_WRITTEN[".ts"])
        path.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:0.2,\npart.ts\n#EXT-X-ENDLIST\n")
    else:
        _write(path, *_WRITTEN[suffix])
    return path


@pytest.mark.parametrize("suffix", VIDEO_SUFFIXES)
def test_a_file_of_every_suffix_is_read_from_a_folder(tmp_path: Path, suffix: str) -> None:
    path = _make(tmp_path, suffix)
    assert find_videos([str(tmp_path)]) == [str(path)]
    frames = read(path)
    assert len(frames) == _FRAMES
    assert all(isinstance(frame, Frame) and frame.size_hw == (480, 640) for frame in frames)


@pytest.mark.parametrize("size_hw", [(48, 64), (480, 640), (1080, 1920)])
@pytest.mark.parametrize("name", ["film.mjpeg", "film.MJPG", "film.bin", "film"])
def test_raw_mjpeg_is_read_in_any_size(tmp_path: Path, size_hw: tuple[int, int], name: str) -> None:
    (tmp_path / name).write_bytes(b"".join(_jpeg(number, size_hw) for number in range(3)))
    frames = read(tmp_path / name)
    assert [frame.size_hw for frame in frames if isinstance(frame, Frame)] == [size_hw] * 3
    for number, frame in enumerate(frames):
        assert isinstance(frame, Frame)
        assert frame.pixels is not None
        assert abs(frame.pixels.astype(int) - _frame(number, size_hw)).mean() < 8


@pytest.mark.parametrize("name", ["photo.jpg", "photo.jpeg", "photo.jfif", "photo.bin", "photo"])
def test_a_single_jpeg_is_an_image(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(_jpeg(0))
    with pytest.raises(SourceError, match="an image, not a video"):
        read(tmp_path / name)


@pytest.mark.skipif(sys.platform == "win32", reason="descriptors of files as standard input")
def test_raw_mjpeg_is_found_on_standard_input_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "film").write_bytes(_jpeg(0) + _jpeg(1))
    (tmp_path / "photo").write_bytes(_jpeg(0))
    import os

    before = os.dup(0)
    try:
        for name, container in (("film", "mjpeg"), ("photo", None)):
            with (tmp_path / name).open("rb") as file:
                os.dup2(file.fileno(), 0)
                assert container_of(access_of("-")) == container
                assert os.lseek(0, 0, os.SEEK_CUR) == 0
    finally:
        os.dup2(before, 0)
        os.close(before)


class TestPlaylists:
    def test_parts_of_a_playlist_are_read_once_and_said(self, tmp_path: Path) -> None:
        for name in ("a.ts", "b.ts", "other.ts", "init.mp4", "low/c.ts"):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).touch()
        (tmp_path / "low/v.m3u8").write_text("#EXTM3U\n#EXTINF:1,\nc.ts\n")
        text = (
            '#EXTM3U\n#EXT-X-MAP:URI="init.mp4"\n#EXTINF:1,\na.ts\n#EXTINF:1,\r\n  b.ts \r\nlow/v.m3u8\nhttp://h/z.ts\n'
        )
        (tmp_path / "x.m3u8").write_text(text)
        skipped = SkippedEntries()
        expected = [str(tmp_path / name) for name in ("other.ts", "x.m3u8")]
        assert find_videos([str(tmp_path)], skipped=skipped) == expected
        assert len(skipped.playlist_parts) == 5
        assert skipped.sentences() == [f"5 files are read as parts of playlists: '{tmp_path}/a.ts' and more"]

    def test_a_part_that_is_named_itself_is_read(self, tmp_path: Path) -> None:
        (tmp_path / "a.ts").touch()
        (tmp_path / "x.m3u8").write_text("#EXTM3U\na.ts\n")
        assert find_videos([str(tmp_path / "a.ts")]) == [str(tmp_path / "a.ts")]
        assert find_videos([f"{tmp_path}/*.ts"]) == [str(tmp_path / "a.ts")]

    def test_playlists_that_name_each_other_are_kept(self, tmp_path: Path) -> None:
        (tmp_path / "a.m3u8").write_text("b.m3u8\na.m3u8\n")
        (tmp_path / "b.m3u8").write_text("a.m3u8\n")
        assert len(find_videos([str(tmp_path)])) == 2

    def test_a_playlist_that_cannot_be_read_hides_nothing(self, tmp_path: Path) -> None:
        (tmp_path / "a.ts").touch()
        (tmp_path / "x.m3u8").symlink_to("x.m3u8")
        (tmp_path / "y.m3u8").write_bytes(bytes(range(256)))
        assert len(find_videos([str(tmp_path)])) == 3
