"""Texts in media files that are not UTF-8: titles of old cameras and disks."""

from pathlib import Path

import av
import numpy as np
import pytest

from detcli.io.media import clean_metadata, clean_text, open_media
from detcli.sinks.video.video_writer import VideoWriter
from detcli.sources.video.video_source import VideoSettings
from detcli.sources.video.video_stream import VideoStream
from tests.helpers.video_samples import tone
from tests.helpers.video_writer_samples import LABELS, pixels_of, shoot


def titled(path: Path) -> Path:
    """A video of five frames with audio, whose file, video and audio have titles in Latin-1 and in broken UTF-8."""
    with av.open(str(path), "w") as file:
        file.metadata["title"] = "TITLE-1"
        video, voice = file.add_stream("mpeg4", rate=25), file.add_stream("aac", rate=48000, layout="mono")
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        video.metadata["title"], voice.metadata["title"] = "TITLE-2", "TITLE-3"
        for number in range(5):
            file.mux(video.encode(av.VideoFrame.from_ndarray(pixels_of(number, (48, 64)), "rgb24")))
        file.mux(video.encode(None))
        for packet in tone(voice, 0.2):
            file.mux(packet)
    data = path.read_bytes()
    for number, text in enumerate((b"caf\xe9 \xff\xfe", b"\xc3\x28 \x80\x80", b"\xf0\x9f\x92 \xe4"), 1):
        assert f"TITLE-{number}".encode() in data
        data = data.replace(f"TITLE-{number}".encode(), text.ljust(7, b" "))
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("suffix", [".mkv", ".avi", ".mp4"])
def test_titles_that_are_not_utf8_do_not_stop_a_video(tmp_path: Path, suffix: str) -> None:
    stream = VideoStream(
        str(titled(tmp_path / f"in{suffix}") if suffix == ".mkv" else remuxed(tmp_path, suffix)), VideoSettings()
    )
    assert len(list(stream)) == 5


def remuxed(folder: Path, suffix: str) -> Path:
    """The same titles in another container; it keeps them or not."""
    path = folder / f"in{suffix}"
    with av.open(str(path), "w") as file:
        file.metadata["title"] = "TITLE-1"
        video = file.add_stream("mpeg4", rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        for number in range(5):
            file.mux(video.encode(av.VideoFrame.from_ndarray(pixels_of(number, (48, 64)), "rgb24")))
        file.mux(video.encode(None))
    data = path.read_bytes()
    assert b"TITLE-1" in data
    path.write_bytes(data.replace(b"TITLE-1", b"caf\xe9 \xff\xfe"))
    return path


def test_audio_with_a_title_that_is_not_utf8_is_copied(tmp_path: Path) -> None:
    source = titled(tmp_path / "in.mkv")
    writer = VideoWriter(tmp_path / "out.mkv", LABELS, copy_from=str(source))
    shoot(writer, [number / 25 for number in range(5)], (48, 64))
    with open_media(str(tmp_path / "out.mkv")) as copy:
        assert len(copy.streams.audio) == 1
        assert np.all(
            [ord(letter) < 0xD800 or ord(letter) > 0xDFFF for letter in str(dict(copy.streams.audio[0].metadata))]
        )


def test_a_text_has_a_replacement_for_each_byte_that_is_not_utf8() -> None:
    for data in (b"caf\xe9", b"\xff\xfe", "größe 日本".encode(), b""):
        text = data.decode("utf-8", "surrogateescape")
        assert clean_text(text) == data.decode("utf-8", "replace")
    assert clean_metadata({"a\udcff": "b\udcfe"}) == {"a\ufffd": "b\ufffd"}
