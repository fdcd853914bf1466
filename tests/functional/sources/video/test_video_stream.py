"""Video files: each frame at its time, upright; damage is reported, and the rest is decoded."""

import os
import sys
import threading
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from detcli.errors import SourceError
from detcli.sources.video.video_source import VideoSettings, open_video_source
from detcli.sources.video.video_stream import VideoStream
from detcli.structures.frame import Frame, Pixels
from tests.helpers.video_samples import RATE, decode_with_pyav, frames_of, gaps_of, image, read, tone, write_video

DESCRIPTORS = Path("/proc/self/fd")
KINDS: dict[str, dict[str, Any]] = {
    "h264.mp4": {},
    "h264.mkv": {},
    "h264.ts": {},
    "h265.mp4": {"codec": "libx265", "options": {"x265-params": "log-level=0"}},
    "mpeg4.avi": {"codec": "mpeg4"},
    "vp9.webm": {"codec": "libvpx-vp9"},
    "mjpeg.avi": {"codec": "mjpeg"},
    "raw.y4m": {"codec": "wrapped_avframe"},
}


def assert_equal_to_plain(results: list[Frame], path: Path) -> None:
    expected = decode_with_pyav(path)
    assert len(results) == len(expected)
    for number, (result, (time_s, pixels)) in enumerate(zip(results, expected, strict=True)):
        assert result.origin.frame == result.origin.index == number
        assert result.origin.time_s == pytest.approx(time_s, abs=0.001)
        assert result.size_hw == pixels.shape[:2]
        assert np.array_equal(result.pixels, pixels)


class TestWholeFiles:
    @pytest.mark.parametrize("name", KINDS)
    def test_frames_and_times_equal_pyavs(self, tmp_path: Path, name: str) -> None:
        path = write_video(tmp_path / name, 30, **KINDS[name])
        assert len(decode_with_pyav(path)) == 30
        results = read(path)
        assert gaps_of(results) == []
        assert_equal_to_plain(frames_of(results), path)

    def test_a_variable_rate_keeps_its_times(self, tmp_path: Path) -> None:
        times = [0, 40, 55, 300, 301, 1000, 1033, 2500]
        path = write_video(tmp_path / "a.mp4", 8, times=times, base=Fraction(1, 1000))
        results = read(path)
        assert [result.origin.time_s for result in results] == pytest.approx([t / 1000 for t in times], abs=0.001)
        assert_equal_to_plain(frames_of(results), path)

    @pytest.mark.parametrize("sound", [False, True])
    @pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts", "a.webm"])
    def test_a_variable_rate_is_no_damage(self, tmp_path: Path, name: str, sound: bool) -> None:
        times = [round(n * 33.3) + (400 if n >= 20 else 0) for n in range(40)]
        codec = "libvpx-vp9" if name == "a.webm" else "libx264"
        path = write_video(tmp_path / name, 40, times=times, base=Fraction(1, 1000), codec=codec, sound=sound)
        results = read(path)
        assert gaps_of(results) == []
        assert len(results) == 40

    def test_time_starts_with_the_first_frame(self, tmp_path: Path) -> None:
        path = write_video(tmp_path / "a.mkv", 5, times=[700, 733, 766, 800, 833], base=Fraction(1, 1000))
        assert [result.origin.time_s for result in read(path)] == pytest.approx([0, 0.033, 0.066, 0.1, 0.133], abs=1e-3)

    @pytest.mark.parametrize(("turned", "mirrored"), [(90, False), (180, False), (-90, False), (0, True), (90, True)])
    def test_frames_are_upright(self, tmp_path: Path, turned: int, mirrored: bool) -> None:
        path = write_video(tmp_path / "a.mp4", 3, turned=turned, mirrored=mirrored)
        lying = decode_with_pyav(path)[0][1]
        expected = np.rot90(lying, turned // 90)
        expected = expected[:, ::-1] if mirrored else expected
        [first, *_] = frames_of(read(path))
        assert first.size_hw == expected.shape[:2]
        assert np.array_equal(first.pixels, expected)
        assert VideoStream(str(path), VideoSettings()).info().size_hw == expected.shape[:2]

    def test_an_odd_size_is_kept(self, tmp_path: Path) -> None:
        path = write_video(tmp_path / "a.webm", 3, size_hw=(51, 67), codec="libvpx-vp9")
        assert_equal_to_plain(frames_of(read(path)), path)

    def test_each_frame_has_its_own_size(self, tmp_path: Path) -> None:
        parts = [write_video(tmp_path / f"{i}.h264", 12, size_hw=size) for i, size in enumerate([(48, 64), (96, 80)])]
        path = tmp_path / "both.h264"
        path.write_bytes(b"".join(part.read_bytes() for part in parts))
        results = frames_of(read(path))
        assert [result.size_hw for result in results] == [(48, 64)] * 12 + [(96, 80)] * 12
        expected = [pixels for part in parts for _, pixels in decode_with_pyav(part)]
        for result, pixels in zip(results, expected, strict=True):
            assert np.array_equal(result.pixels, pixels)

    @pytest.mark.parametrize("codec", ["libx264", "libx265"])
    def test_concatenated_files_are_one_video(self, tmp_path: Path, codec: str) -> None:
        options = {"x265-params": "log-level=0"} if codec == "libx265" else {}
        item = write_video(tmp_path / "one.ts", 45, codec=codec, options=options)
        path = tmp_path / "joined.ts"
        path.write_bytes(item.read_bytes() * 3)
        results = read(path)
        assert gaps_of(results) == []
        assert [result.origin.time_s for result in results] == pytest.approx([n / RATE for n in range(135)], abs=1e-3)
        for result, (_, pixels) in zip(frames_of(results), decode_with_pyav(item) * 3, strict=True):
            assert np.array_equal(result.pixels, pixels)
        late = read(path, VideoSettings(start_s=2.0))
        assert [result.origin for result in late] == [
            replace(result.origin, index=index) for index, result in enumerate(results[60:])
        ]

    def test_frames_without_time_stamps_are_in_order(self, tmp_path: Path) -> None:
        path = write_video(tmp_path / "a.h264", 20)
        times = [result.origin.time_s or 0.0 for result in read(path)]
        assert times[0] == 0
        assert all(before < after for before, after in pairwise(times))

    def test_a_header_without_a_rate_changes_nothing(self, tmp_path: Path) -> None:
        path = write_video(tmp_path / "a.mp4", 12)
        data = bytearray(path.read_bytes())
        begin = data.index(b"mvhd") + 20  # duration of the whole, and of the images: 0
        data[begin : begin + 4] = bytes(4)
        begin = data.index(b"mdhd") + 20
        data[begin : begin + 4] = bytes(4)
        (tmp_path / "b.mp4").write_bytes(data)
        video = VideoStream(str(tmp_path / "b.mp4"), VideoSettings())
        assert [item().origin.time_s for item in video] == pytest.approx([n / 30 for n in range(12)], abs=1e-3)

    def test_a_rate_of_0_is_unknown(self, tmp_path: Path) -> None:
        path = write_video(tmp_path / "a.avi", 12, codec="mpeg4")
        data = bytearray(path.read_bytes())
        begin = data.index(b"strh") + 28
        data[begin : begin + 8] = bytes(8)  # scale and rate of the stream
        path.write_bytes(data)
        times = [item.origin.time_s or 0.0 for item in frames_of(read(path))]
        assert len(times) == 12
        assert all(before < after for before, after in pairwise(times))

    def test_audio_is_reported_and_skipped(self, tmp_path: Path) -> None:
        path = write_video(tmp_path / "a.mp4", 20, sound=True)
        assert VideoStream(str(path), VideoSettings()).info().sound
        assert_equal_to_plain(frames_of(read(path)), path)

    def test_info_is_what_the_file_reports(self, tmp_path: Path) -> None:
        path = write_video(tmp_path / "a.mp4", 45)
        info = VideoStream(str(path), VideoSettings()).info()
        assert (info.name, info.size_hw, info.frames, info.sound) == (str(path), (48, 64), 45, False)
        assert info.rate == pytest.approx(30)
        assert info.duration_s == pytest.approx(1.5)

    def test_a_file_is_opened_by_its_name(self, tmp_path: Path) -> None:
        path = write_video(tmp_path / "a.mp4", 2)
        source = open_video_source(str(path), VideoSettings(), index_from=7)
        assert [image.origin.index for image in source] == [7, 8]
        assert not source.live

    @pytest.mark.skipif(sys.platform == "win32", reason="names are no bytes there")
    def test_any_name_is_opened(self, tmp_path: Path) -> None:
        for name in (b"concat:a|b.mp4", b"http:", b"\xff\xfe.mp4", b"%03d.mp4", b"-", b"a\nb.mp4"):
            path = os.path.join(os.fsencode(tmp_path), name)  # noqa: PTH118
            os.replace(write_video(tmp_path / "made.mp4", 2), path)  # noqa: PTH105
            assert len(read(os.fsdecode(path))) == 2

    def test_frame_names_start_with_the_name_of_the_file(self, tmp_path: Path) -> None:
        path = write_video(tmp_path / "street.mp4", 2)
        origins = [result.origin for result in read(path)]
        assert [origin.relative for origin in origins] == ["street/frame_000000.jpg", "street/frame_000001.jpg"]
        assert {origin.file for origin in origins} == {str(path)}


class TestPixels:
    def test_pixels_are_converted_in_any_thread(self, tmp_path: Path) -> None:
        path = write_video(tmp_path / "a.mp4", 20, noise=True)
        images = list(VideoStream(str(path), VideoSettings()))
        pixels: dict[int, Pixels | None] = {}

        def convert(remainder: int) -> None:
            for number in range(remainder, 20, 4):
                result = images[number]()
                pixels[number] = result.pixels if isinstance(result, Frame) else None

        threads = [threading.Thread(target=convert, args=(remainder,)) for remainder in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for number, (_, expected) in enumerate(decode_with_pyav(path)):
            assert np.array_equal(pixels[number], expected)

    def test_with_a_resize_only_the_resized_pixels_are_returned(self, tmp_path: Path) -> None:
        path = write_video(tmp_path / "a.mp4", 1)

        def resize(image: Image.Image) -> Pixels:
            return np.asarray(image.resize((8, 6)))

        [item] = VideoStream(str(path), VideoSettings())
        result = item(resize)
        assert isinstance(result, Frame)
        assert result.pixels is None
        assert result.size_hw == (48, 64)
        assert np.array_equal(result.prepared, resize(Image.fromarray(decode_with_pyav(path)[0][1])))

    def test_larger_frames_than_allowed_are_not_decoded(self, tmp_path: Path) -> None:
        path = write_video(tmp_path / "a.mp4", 2)
        with pytest.raises(SourceError, match="64 x 48 pixels are more than the limit of 3,000") as caught:
            read(path, VideoSettings(max_pixels=3000))
        assert caught.value.code == "too-large"


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of 30 frames."""
    return write_video(tmp_path_factory.mktemp("choice") / "a.mp4", 60)


class TestChoice:
    def numbers(self, path: Path, **settings: Any) -> list[int | None]:
        return [result.origin.frame for result in read(path, VideoSettings(**settings))]

    def test_stride_takes_every_nth_frame(self, path: Path) -> None:
        assert self.numbers(path, stride=7) == list(range(0, 60, 7))

    def test_fps_limits_the_frames_per_second(self, path: Path) -> None:
        assert self.numbers(path, fps=10) == list(range(0, 60, 3))

    def test_duration_ends_the_video(self, path: Path) -> None:
        assert self.numbers(path, start_s=0.5, duration_s=0.2) == list(range(15, 21))

    def test_max_frames_ends_the_video(self, path: Path) -> None:
        assert self.numbers(path, stride=2, max_frames=3) == [0, 2, 4]

    @pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts", "a.avi", "a.webm"])
    def test_a_start_is_exact(self, tmp_path: Path, name: str) -> None:
        codec = {"a.avi": "mpeg4", "a.webm": "libvpx-vp9"}.get(name, "libx264")
        path = write_video(tmp_path / name, 60, codec=codec)
        every = read(path)
        for start_s in (0.02, 0.4, 1.0, 1.3, 1.95):
            late = read(path, VideoSettings(start_s=start_s))
            expected = [result for result in every if (result.origin.time_s or 0) >= start_s - 1e-6]
            assert [result.origin.frame for result in late] == [result.origin.frame for result in expected]
            assert [result.origin.time_s for result in late] == [result.origin.time_s for result in expected]
            assert all(
                np.array_equal(item.pixels, other.pixels)
                for item, other in zip(frames_of(late), frames_of(expected), strict=True)
            )

    @pytest.mark.parametrize(
        "kind",
        [
            {},
            {"options": {"x264-params": "open-gop=1:bframes=3:keyint=25:min-keyint=25"}},
            {"times": [40 * n + 10 * (n % 3) for n in range(150)], "base": Fraction(1, 1000), "sound": True},
        ],
    )
    def test_a_start_found_by_an_index_is_exact(self, tmp_path: Path, kind: dict[str, Any]) -> None:
        path = write_video(tmp_path / "a.mp4", 150, **kind)
        every = frames_of(read(path))
        for start_s in (2.6, 3.333, every[120].origin.time_s or 0.0):
            late = frames_of(read(path, VideoSettings(start_s=start_s, max_frames=5)))
            expected = [result for result in every if (result.origin.time_s or 0) >= start_s - 1e-6][:5]
            assert len(late) == 5
            for item, other in zip(late, expected, strict=True):
                assert (item.origin.frame, item.origin.time_s) == (other.origin.frame, other.origin.time_s)
                assert np.array_equal(item.pixels, other.pixels)

    @pytest.mark.parametrize(
        ("name", "codec", "options"),
        [
            ("a.h264", "libx264", {}),
            ("a.h264", "libx264", {"bf": "0"}),
            ("a.hevc", "libx265", {"x265-params": "log-level=none"}),
            ("a.m4v", "mpeg4", {}),
            ("a.m2v", "mpeg2video", {}),
            ("a.avi", "mpeg4", {"bf": "2"}),
            ("a.mkv", "libx264", {"x264-params": "intra-refresh=1:keyint=12"}),
            ("a.ts", "libx264", {"x264-params": "open-gop=1:bframes=3:keyint=12"}),
            ("a.ts", "libx264", {"x264-params": "interlaced=1", "flags": "+ildct"}),
            ("a.ts", "mpeg2video", {"bf": "2"}),
            ("a.webm", "libvpx", {"auto-alt-ref": "1", "lag-in-frames": "16", "arnr-maxframes": "5"}),
        ],
    )
    def test_frames_after_a_start_are_those_of_the_whole(
        self, tmp_path: Path, name: str, codec: str, options: dict[str, str]
    ) -> None:
        path = write_video(
            tmp_path / name, 60, codec=codec, options=options, rate=25 if codec == "mpeg2video" else RATE
        )
        every = read(path)
        assert len(every) == 60
        for start_s in (0.04, 0.48, 1.3):
            expected = [result for result in frames_of(every) if (result.origin.time_s or 0) >= start_s - 1e-6]
            late = frames_of(read(path, VideoSettings(start_s=start_s)))
            assert [item.origin.frame for item in late] == [item.origin.frame for item in expected]
            assert [item.origin.time_s for item in late] == [item.origin.time_s for item in expected]
            for item, other in zip(late, expected, strict=True):
                assert np.array_equal(item.pixels, other.pixels)

    @pytest.mark.parametrize("name", ["a.ts", "a.mkv"])
    def test_frames_after_damage_before_a_start_keep_numbers_and_pixels(self, tmp_path: Path, name: str) -> None:
        path = write_video(tmp_path / name, 60, noise=True)
        data = bytearray(path.read_bytes())
        begin = len(data) // 4 // 188 * 188
        del data[begin : begin + 188 * 20]
        path.write_bytes(data)
        every = frames_of(read(path))
        for start_s in (1.0, 1.6):
            late = frames_of(read(path, VideoSettings(start_s=start_s)))
            expected = [result for result in every if (result.origin.time_s or 0) >= start_s - 1e-6]
            assert [item.origin.frame for item in late] == [item.origin.frame for item in expected]
            assert all(np.array_equal(one.pixels, other.pixels) for one, other in zip(late, expected, strict=True))

    def test_a_start_after_the_end_gives_no_frames(self, path: Path) -> None:
        assert self.numbers(path, start_s=5) == []

    @pytest.mark.parametrize(
        "settings",
        [{}, {"stride": 7}, {"fps": 10}, {"start_s": 0.5}, {"duration_s": 1.0}, {"max_frames": 5}, {"start_s": 9}],
    )
    def test_the_count_is_known_in_advance(self, path: Path, settings: dict[str, Any]) -> None:
        assert VideoStream(str(path), VideoSettings(**settings)).count() == len(self.numbers(path, **settings))


class TestDamage:
    def damaged(self, path: Path, how: str) -> Path:
        """A tenth of the file in its middle is lost."""
        data = bytearray(path.read_bytes())
        begin, end = len(data) * 45 // 100, len(data) * 55 // 100
        if how == "zeros":
            data[begin:end] = bytes(end - begin)
        elif how == "noise":
            data[begin:end] = np.random.default_rng(1).bytes(end - begin)
        else:
            del data[begin:end]
        damaged = path.with_name(f"{how}.{path.name}")
        damaged.write_bytes(data)
        return damaged

    @pytest.mark.parametrize(
        ("name", "how"),
        [("h264.mp4", "zeros"), ("h264.mp4", "noise")]  # cut, its index would lie elsewhere than it says
        + [
            (name, how) for name in ("h264.mkv", "h264.ts", "h265.mkv", "vp9.webm") for how in ("zeros", "noise", "cut")
        ],
    )
    def test_a_file_continues_after_damage_and_missing_frames_count(self, tmp_path: Path, name: str, how: str) -> None:
        kind = {"h265.mkv": KINDS["h265.mp4"]}.get(name, KINDS.get(name, {}))
        path = write_video(tmp_path / name, 60, noise=True, **kind)
        complete = {round(time_s, 3): pixels for time_s, pixels in decode_with_pyav(path)}
        results = read(self.damaged(path, how))
        frames, gaps = frames_of(results), gaps_of(results)
        assert len(frames) < 60
        assert {gap.code for gap in gaps} == {"damaged"}
        counted = sum(int(word) for gap in gaps for word in gap.message.split() if word.isdecimal())
        assert counted == 60 - len(frames)
        assert [result.origin.index for result in results] == list(range(len(results)))
        assert [frame.origin.frame for frame in frames] == list(range(len(frames)))
        same = [np.array_equal(frame.pixels, complete[round(frame.origin.time_s or 0, 3)]) for frame in frames]
        assert all(same[:20])
        assert all(same[-12:])  # from the next key frame on
        first_gap = results.index(gaps[0])
        assert (results[first_gap - 1].origin.time_s or 0) <= (gaps[0].origin.time_s or 0)
        assert (gaps[0].origin.time_s or 0) < (results[first_gap + 1].origin.time_s or 0)

    @pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts", "a.webm"])
    @pytest.mark.parametrize("seed", range(6))
    def test_every_loss_is_reported_and_time_increases(self, tmp_path: Path, name: str, seed: int) -> None:
        path = write_video(
            tmp_path / name, 60, noise=True, sound=True, codec="libvpx-vp9" if name == "a.webm" else "libx264"
        )
        data, random = bytearray(path.read_bytes()), np.random.default_rng(seed)
        begin, many = int(random.integers(len(data) // 8, len(data) * 7 // 8)), int(random.choice([20, 300, 3000]))
        if seed % 2:
            data[begin : begin + many] = random.bytes(len(data[begin : begin + many]))
        elif name == "a.mp4":
            data[begin : begin + many] = bytes(len(data[begin : begin + many]))
        else:
            del data[begin : begin + many]
        path.write_bytes(data)
        results = read(path)
        assert len(frames_of(results)) == 60 or gaps_of(results)
        times = [result.origin.time_s or 0.0 for result in frames_of(results)]
        assert all(before < after for before, after in pairwise(times))

    def test_the_number_of_a_frame_after_a_gap_includes_the_gap(self, tmp_path: Path) -> None:
        results = read(self.damaged(write_video(tmp_path / "a.mp4", 60, noise=True), "zeros"))
        [gap] = gaps_of(results)
        assert results[gap.origin.index + 1].origin.frame == gap.origin.frame

    def test_names_of_gaps_and_frames_differ(self, tmp_path: Path) -> None:
        results = read(self.damaged(write_video(tmp_path / "a.mp4", 60, noise=True), "zeros"))
        assert len({result.origin.relative for result in results}) == len(results)

    @pytest.mark.parametrize(("name", "code"), [("a.mkv", "truncated"), ("a.avi", "truncated"), ("a.mp4", "truncated")])
    def test_a_truncated_file_gives_its_frames_and_reports_the_rest(self, tmp_path: Path, name: str, code: str) -> None:
        path = write_video(tmp_path / name, 60, noise=True, codec="mpeg4" if name == "a.avi" else "libx264")
        path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
        results = read(path)
        assert 20 < len(frames_of(results)) < 50
        assert results[-1] in gaps_of(results)
        assert gaps_of(results)[-1].code == code

    def test_a_truncated_fragmented_file_reports_the_missing_frames(self, tmp_path: Path) -> None:
        path = write_video(tmp_path / "a.mp4", 60, noise=True, movflags="frag_keyframe+empty_moov+default_base_moof")
        assert gaps_of(read(path)) == []
        data = path.read_bytes()
        path.write_bytes(data[: data.rindex(b"mdat") + 2000])
        results = read(path)
        gaps = gaps_of(results)
        assert gaps[-1].code == "truncated"
        missing = sum(next(int(word) for word in gap.message.split() if word.isdecimal()) for gap in gaps)
        assert len(frames_of(results)) + missing == 60

    def test_complete_files_with_longer_audio_are_not_truncated(self, tmp_path: Path) -> None:
        with av.open(str(tmp_path / "a.mkv"), "w") as file:
            stream, voice = file.add_stream("libx264", rate=30), file.add_stream("aac", rate=48000, layout="mono")
            stream.width, stream.height = 64, 48
            for number in range(12):
                frame = av.VideoFrame.from_ndarray(image(number), format="rgb24")
                frame.pts = number
                file.mux(stream.encode(frame))
            file.mux(stream.encode())
            file.mux(tone(voice, 5))
        assert gaps_of(read(tmp_path / "a.mkv")) == []


class TestRefused:
    def refused(self, path: Path | str) -> SourceError:
        with pytest.raises(SourceError) as caught:
            VideoStream(str(path), VideoSettings()).info()
        assert str(path) in str(caught.value)
        return caught.value

    def test_a_recording_without_an_index_is_truncated(self, tmp_path: Path) -> None:
        complete = write_video(tmp_path / "a.mp4", 30).read_bytes()
        moov = complete.index(b"moov") - 4
        (tmp_path / "b.mp4").write_bytes(complete[:moov])
        error = self.refused(tmp_path / "b.mp4")
        assert error.code == "truncated"
        assert "index" in str(error)

    def test_audio_without_video_is_reported(self, tmp_path: Path) -> None:
        with av.open(str(tmp_path / "a.m4a"), "w", format="mp4") as file:
            voice = file.add_stream("aac", rate=48000, layout="mono")
            file.mux(tone(voice, 0.2))
        assert "audio but no video" in str(self.refused(tmp_path / "a.m4a"))

    def test_an_empty_file_is_reported(self, tmp_path: Path) -> None:
        (tmp_path / "a.mp4").touch()
        assert self.refused(tmp_path / "a.mp4").code == "empty"

    def test_a_missing_file_is_reported(self, tmp_path: Path) -> None:
        assert self.refused(tmp_path / "a.mp4").code == "not-found"

    def test_an_image_is_rejected_as_an_image(self, tmp_path: Path) -> None:
        Image.fromarray(image(0)).save(tmp_path / "a.jpg")
        assert "an image, not a video" in str(self.refused(tmp_path / "a.jpg"))

    def test_the_error_of_a_folder_names_its_videos(self, tmp_path: Path) -> None:
        error = self.refused(tmp_path)
        assert error.code == "not-a-file"
        assert f"{tmp_path}/*" in str(error)

    def test_text_is_not_a_video(self, tmp_path: Path) -> None:
        (tmp_path / "a.txt").write_text("one line\n" * 99)  # FFmpeg would draw it
        assert self.refused(tmp_path / "a.txt").code == "unsupported"

    @pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may read every file")
    def test_a_missing_permission_is_reported(self, tmp_path: Path) -> None:
        path = write_video(tmp_path / "a.mp4", 2)
        path.chmod(0)
        assert self.refused(path).code == "no-permission"

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes there")
    def test_a_named_pipe_is_never_waited_for(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "a.ts")
        error = self.refused(tmp_path / "a.ts")
        assert error.code == "not-a-file"
        assert "redirect it to standard input" in str(error)


class TestClosing:
    def test_an_iteration_ends_when_it_is_closed(self, tmp_path: Path) -> None:
        video = VideoStream(str(write_video(tmp_path / "a.mp4", 30)), VideoSettings())
        images = iter(video)
        next(images)
        video.close()
        video.close()
        assert list(images) == []

    @pytest.mark.skipif(not DESCRIPTORS.exists(), reason="open files are listed on Linux alone")
    def test_an_opened_video_without_an_iteration_is_closed(self, tmp_path: Path) -> None:
        path = write_video(tmp_path / "a.mp4", 3)
        video = VideoStream(str(path), VideoSettings())
        video.info()
        before = len(list(DESCRIPTORS.iterdir()))
        video.close()
        assert len(list(DESCRIPTORS.iterdir())) < before

    def test_a_video_is_iterated_once(self, tmp_path: Path) -> None:
        video = VideoStream(str(write_video(tmp_path / "a.mp4", 3)), VideoSettings())
        list(video)
        with pytest.raises(RuntimeError, match="once"):
            iter(video)
