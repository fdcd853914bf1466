"""`--save-video`: each thing that belongs to a source is kept, or its loss is reported once."""

import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.stream import Disposition

from detcli.sinks.video.video_writer import VideoWriter
from detcli.sources.video.video_source import VideoSettings
from detcli.sources.video.video_stream import VideoStream
from detcli.structures.detections import Detections
from detcli.structures.frame import Frame
from tests.helpers.video_samples import tone
from tests.helpers.video_writer_samples import LABELS, pixels_of

FRAMES, RATE, SIZE = 50, 25, (96, 128)
NOTHING = Detections(np.zeros((0, 4)), np.zeros(0, np.float32), np.zeros(0, np.int64))
SUBTITLES = ((200, 700, b"first"), (1000, 1500, b"second"))  # milliseconds


def make(
    path: Path,
    *,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    options: dict[str, str] | None = None,
    prepare: Callable[[Any, Any], None] = lambda file, video: None,
    tags: tuple[int, int, int, int] | None = None,
    subtitles: str | None = None,
    sound: bool = False,
    interlaced: bool = False,
) -> Path:
    """A video of two seconds.

    prepare  called with the container and the video stream before the first packet
    tags     matrix, primaries, transfer and range
    """
    with av.open(str(path), "w") as file:
        video: Any = file.add_stream(codec, rate=RATE, options=options or {})
        video.height, video.width, video.pix_fmt = *SIZE, pix_fmt
        if tags is not None:
            context = video.codec_context
            context.colorspace, context.color_primaries, context.color_trc, context.color_range = tags
        prepare(file, video)
        texts = subtitle_stream(file, subtitles) if subtitles else None
        voice: Any = file.add_stream("aac", rate=48000, layout="mono") if sound else None
        for number in range(FRAMES):
            frame = av.VideoFrame.from_ndarray(pixels_of(number, SIZE), "rgb24")
            if tags is None:
                frame = frame.reformat(format=pix_fmt)
            else:
                frame = frame.reformat(format=pix_fmt, dst_colorspace=tags[0], dst_color_range=tags[3])
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            file.mux(video.encode(frame))
            if texts is not None:
                for start, end, text in SUBTITLES:
                    if start == number * 40:
                        packet: Any = av.Packet(encoded(text, subtitles))
                        packet.pts = packet.dts = start
                        packet.duration, packet.time_base = end - start, Fraction(1, 1000)
                        packet.stream = texts
                        file.mux(packet)
        file.mux(video.encode(None))
        if voice is not None:
            for packet in tone(voice, FRAMES / RATE):
                file.mux(packet)
    return path


def encoded(text: bytes, codec: str | None) -> bytes:
    return struct.pack(">H", len(text)) + text if codec == "mov_text" else text


def subtitle_stream(file: Any, codec: str) -> Any:
    """A stream for packets of a codec of text."""
    stream = file.add_mux_stream(codec)
    stream.metadata["language"] = "fra"
    return stream


def copied(source: Path, target: Path, **settings: Any) -> tuple[str, ...]:
    """Copy a video as a run does; returns the remarks."""
    stream = VideoStream(str(source), VideoSettings(**settings))
    info = stream.info()
    writer = VideoWriter(
        target,
        LABELS,
        rate=info.rate,
        copy_from=str(source),
        has_sound=info.sound,
        to_end=not settings.get("duration_s"),
        traits=info.traits,
    )
    for item in stream:
        frame = item()
        assert isinstance(frame, Frame)
        writer.write(frame, NOTHING)
    writer.close(complete=True)
    return writer.remarks


def shown(path: Path) -> np.ndarray[Any, Any]:
    """The 20th frame as RGB."""
    stream = VideoStream(str(path), VideoSettings())
    frames = [item() for item in stream]
    assert isinstance(frames[20], Frame)
    assert frames[20].pixels is not None
    return frames[20].pixels


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
@pytest.mark.parametrize("aspect", [Fraction(4, 3), Fraction(16, 11)])
def test_the_aspect_of_pixels_is_kept(tmp_path: Path, suffix: str, aspect: Fraction) -> None:
    def prepare(file: Any, video: Any) -> None:
        video.codec_context.sample_aspect_ratio = aspect

    source = make(tmp_path / "in.mp4", prepare=prepare)
    assert copied(source, tmp_path / f"out{suffix}") == ()
    with av.open(str(tmp_path / f"out{suffix}")) as copy:
        assert copy.streams.video[0].sample_aspect_ratio == aspect


def test_the_aspect_of_pixels_that_webm_does_not_get_is_reported(tmp_path: Path) -> None:
    def prepare(file: Any, video: Any) -> None:
        video.codec_context.sample_aspect_ratio = Fraction(4, 3)

    (remark,) = copied(make(tmp_path / "in.mp4", prepare=prepare), tmp_path / "out.webm")
    assert remark.endswith("the aspect ratio of pixels, 4/3 (H.264 has it)")


def test_the_aspect_of_a_turned_video_is_turned(tmp_path: Path) -> None:
    def prepare(file: Any, video: Any) -> None:
        video.codec_context.sample_aspect_ratio = Fraction(4, 3)
        video.set_display_rotation(90)

    source = make(tmp_path / "in.mp4", prepare=prepare)
    assert copied(source, tmp_path / "out.mp4") == ()
    with av.open(str(tmp_path / "out.mp4")) as copy:
        video = copy.streams.video[0]
        assert (video.width, video.height) == SIZE
        assert video.sample_aspect_ratio == Fraction(3, 4)
        assert next(copy.decode(video)).rotation == 0


TAGS = [(1, 1, 1, 1), (1, 1, 1, 2), (6, 6, 6, 1), (5, 5, 6, 2), (9, 9, 16, 1), (9, 9, 18, 1), (2, 2, 2, 1)]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm"])
@pytest.mark.parametrize("tags", TAGS, ids=str)
def test_color_tags_are_kept_and_colors_stay_the_same(
    tmp_path: Path, suffix: str, tags: tuple[int, int, int, int]
) -> None:
    source = make(tmp_path / "in.mp4", tags=tags, options={"crf": "1"})
    assert copied(source, tmp_path / f"out{suffix}") == ()
    before, after = tags_of(source), tags_of(tmp_path / f"out{suffix}")
    assert before[:3] == after[:3] == tags[:3]
    assert after[3] == before[3] or {before[3], after[3]} == {0, 1}  # unspecified means limited
    assert np.abs(shown(source).astype(int) - shown(tmp_path / f"out{suffix}")).mean() < 3


def tags_of(path: Path) -> tuple[int, int, int, int]:
    with av.open(str(path)) as file:
        frame = next(file.decode(video=0))
        return int(frame.colorspace), int(frame.color_primaries), int(frame.color_trc), int(frame.color_range)


HDR = "mastering-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50):cll=1000,400"


def test_hdr_metadata_is_kept_and_lost_bits_are_reported(tmp_path: Path) -> None:
    source = make(
        tmp_path / "in.mp4", pix_fmt="yuv420p10le", tags=(9, 9, 16, 1), options={"x264-params": HDR, "crf": "5"}
    )
    remarks = copied(source, tmp_path / "out.mp4")
    assert remarks == (
        f"'{tmp_path / 'out.mp4'}' has not everything of '{source}': 10 bits per channel (8 are written)",
    )
    sides = []
    for path in (source, tmp_path / "out.mp4"):
        with av.open(str(path)) as file:
            data = next(file.decode(video=0)).side_data
            kinds = ("MASTERING_DISPLAY_METADATA", "CONTENT_LIGHT_LEVEL")
            sides.append([VideoNumbers(bytes(data.get(kind))) for kind in kinds])  # type: ignore[call-overload]
    assert sides[0] == sides[1]


class VideoNumbers(bytes):
    """Side data, compared byte by byte."""


def test_hdr_metadata_that_vp9_does_not_have_is_reported(tmp_path: Path) -> None:
    source = make(tmp_path / "in.mp4", tags=(9, 9, 16, 1), options={"x264-params": HDR})
    (remark,) = copied(source, tmp_path / "out.webm")
    assert "HDR mastering display and content light level" in remark


@pytest.mark.parametrize(
    ("codec", "pix_fmt", "suffix", "told"),
    [
        ("libx264", "yuv444p", ".mp4", "color resolution 4:4:4 (4:2:0 is written)"),
        ("libx264", "yuv422p10le", ".mkv", "10 bits per channel (8 are written); color resolution 4:2:2 (4:2:0 is"),
        ("png", "rgba", ".mov", "transparency"),
        ("ffv1", "yuva420p", ".mkv", "transparency"),
    ],
)
def test_lost_pixels_are_reported(tmp_path: Path, codec: str, pix_fmt: str, suffix: str, told: str) -> None:
    source = make(tmp_path / f"in{suffix}", codec=codec, pix_fmt=pix_fmt)
    (remark,) = copied(source, tmp_path / "out.mp4")
    assert told in remark


def test_interlacing_is_reported(tmp_path: Path) -> None:
    source = make(tmp_path / "in.mp4", options={"x264-params": "tff=1"})
    (remark,) = copied(source, tmp_path / "out.mp4")
    assert remark.endswith("interlacing (whole frames are written)")


def with_metadata(file: Any, video: Any) -> None:
    file.metadata.update({"title": "Größe", "artist": "someone", "comment": "of the lake", "date": "2020"})
    video.metadata["language"] = "deu"


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov", ".webm"])
def test_metadata_of_file_and_streams_are_kept(tmp_path: Path, suffix: str) -> None:
    source = make(tmp_path / "in.mp4", prepare=with_metadata)
    remarks = copied(source, tmp_path / f"out{suffix}")
    assert [remark.endswith("metadata (language)") for remark in remarks] == [True] * (suffix == ".mov")
    with av.open(str(tmp_path / f"out{suffix}")) as copy:
        found = {name.lower(): value for name, value in copy.metadata.items()}
        assert (found["title"], found["artist"], found["comment"]) == ("Größe", "someone", "of the lake")
        assert found["date"] == "2020"
        if suffix != ".mov":  # QuickTime has another list of languages
            assert copy.streams.video[0].metadata["language"] in ("deu", "ger")


def test_metadata_that_the_format_does_not_have_are_named(tmp_path: Path) -> None:
    def prepare(file: Any, video: Any) -> None:
        file.metadata.update({"title": "kept", "serial_of_camera": "17"})

    source = make(tmp_path / "in.mkv", prepare=prepare)
    (remark,) = copied(source, tmp_path / "out.mp4")
    assert "metadata (SERIAL_OF_CAMERA)" in remark
    assert copied(source, tmp_path / "out.mkv") == ()


def with_chapters(file: Any, video: Any) -> None:
    base = Fraction(1, 1000)
    file.set_chapters(
        [
            {"id": 1, "start": 0, "end": 800, "time_base": base, "metadata": {"title": "one"}},
            {"id": 2, "start": 800, "end": 2000, "time_base": base, "metadata": {"title": "two"}},
        ]
    )


def chapters_of(path: Path) -> list[tuple[str, float, float]]:
    with av.open(str(path)) as file:
        return [
            (one["metadata"]["title"], float(one["start"] * one["time_base"]), float(one["end"] * one["time_base"]))
            for one in file.chapters()
        ]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov", ".webm"])
def test_chapters_are_kept(tmp_path: Path, suffix: str) -> None:
    source = make(tmp_path / "in.mkv", prepare=with_chapters)
    assert copied(source, tmp_path / f"out{suffix}") == ()
    assert chapters_of(tmp_path / f"out{suffix}") == [("one", 0.0, 0.8), ("two", 0.8, 2.0)]


def test_chapters_of_a_part_are_cut_to_it(tmp_path: Path) -> None:
    source = make(tmp_path / "in.mkv", prepare=with_chapters)
    copied(source, tmp_path / "out.mkv", start_s=0.4, duration_s=1.0)
    (one, two) = chapters_of(tmp_path / "out.mkv")
    assert one == ("one", 0.0, pytest.approx(0.4, abs=0.01))
    assert two == ("two", pytest.approx(0.4, abs=0.01), pytest.approx(1.0, abs=0.05))


def subtitles_of(path: Path) -> list[tuple[bytes, float, float]]:
    with av.open(str(path)) as file:
        return [
            (
                bytes(packet)[2:] if path.suffix != ".mkv" else bytes(packet),
                float(packet.pts * packet.time_base),
                float((packet.duration or 0) * packet.time_base),
            )
            for packet in file.demux(file.streams.subtitles[0])
            if packet.size > 2 and packet.pts is not None
        ]


@pytest.mark.parametrize(
    ("codec", "source", "target"),
    [("mov_text", ".mp4", ".mp4"), ("mov_text", ".mp4", ".mov"), ("subrip", ".mkv", ".mkv")],
)
def test_subtitles_are_kept_with_their_times(tmp_path: Path, codec: str, source: str, target: str) -> None:
    film = make(tmp_path / f"in{source}", subtitles=codec, sound=True)
    assert copied(film, tmp_path / f"out{target}") == ()
    assert subtitles_of(tmp_path / f"out{target}") == [(b"first", 0.2, 0.5), (b"second", 1.0, 0.5)]
    with av.open(str(tmp_path / f"out{target}")) as copy:
        assert copy.streams.subtitles[0].metadata["language"] in ("fra", "fre")
        assert len(copy.streams.audio) == 1
        assert len(list(copy.decode(video=0))) == FRAMES


def test_subtitles_of_a_part_are_cut_to_it(tmp_path: Path) -> None:
    film = make(tmp_path / "in.mkv", subtitles="subrip")
    copied(film, tmp_path / "out.mkv", start_s=0.4, duration_s=0.8)
    found = subtitles_of(tmp_path / "out.mkv")
    assert [text for text, _, _ in found] == [b"first", b"second"]
    assert found[0][1:] == (pytest.approx(0.0, abs=0.001), pytest.approx(0.3, abs=0.01))
    assert found[1][1] == pytest.approx(0.6, abs=0.01)
    assert found[1][2] <= 0.25


def test_subtitles_that_the_format_does_not_have_are_reported(tmp_path: Path) -> None:
    film = make(tmp_path / "in.mkv", subtitles="subrip")
    (remark,) = copied(film, tmp_path / "out.mp4")
    assert remark.endswith("subtitles (mp4 does not support subrip; .mkv does)")


def test_attachments_are_kept_in_matroska_and_reported_elsewhere(tmp_path: Path) -> None:
    def prepare(file: Any, video: Any) -> None:
        file.add_attachment("font.ttf", "font/ttf", b"some font")

    film = make(tmp_path / "in.mkv", prepare=prepare)
    assert copied(film, tmp_path / "out.mkv") == ()
    with av.open(str(tmp_path / "out.mkv")) as copy:
        (attachment,) = copy.streams.attachments
        assert attachment.data == b"some font"
        assert attachment.metadata["filename"] == "font.ttf"
    (remark,) = copied(film, tmp_path / "out.mp4")
    assert remark.endswith(": an attachment")


def test_a_time_code_is_kept_for_a_whole_video_in_matroska(tmp_path: Path) -> None:
    def prepare(file: Any, video: Any) -> None:
        file.metadata["timecode"] = "01:02:03:04"

    film = make(tmp_path / "in.mov", prepare=prepare)
    assert copied(film, tmp_path / "out.mkv") == ()
    with av.open(str(tmp_path / "out.mkv")) as copy:
        assert "01:02:03:04" in copy.streams.video[0].metadata.values()
    for target, start_s, told in (("a.mov", 0.0, ": the time code"), ("b.mkv", 0.4, "counts from another frame")):
        (remark,) = copied(film, tmp_path / target, start_s=start_s)
        assert remark.endswith(told)


def test_the_disposition_of_the_video_is_kept(tmp_path: Path) -> None:
    def prepare(file: Any, video: Any) -> None:
        video.disposition = Disposition.default | Disposition.original

    film = make(tmp_path / "in.mkv", prepare=prepare)
    copied(film, tmp_path / "out.mkv")
    with av.open(str(tmp_path / "out.mkv")) as copy:
        assert copy.streams.video[0].disposition & Disposition.original
