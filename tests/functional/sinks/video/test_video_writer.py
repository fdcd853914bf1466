import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from detcli.errors import OutputError, UsageError
from detcli.sinks.video.video_formats import video_format
from detcli.sinks.video.video_writer import VideoWriter, fitted
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame
from detcli.visualization.colors import color
from detcli.visualization.drawing_style import DrawingStyle
from tests.helpers.video_writer_samples import LABELS, Seen, frame_at, make_video, one_box, pixels_of, see, shoot

NTSC = [number * 1001 / 30_000 for number in range(75)]
VARIABLE = [0.0, 0.04, 0.05, 0.5, 0.533, 2.75, 2.8, 6.0, 6.001]


def assert_same_times(seen: Seen, times_s: list[float]) -> None:
    assert len(seen.times_s) == len(times_s)
    assert max(abs(one - other) for one, other in zip(seen.times_s, times_s, strict=True)) <= 0.001


@pytest.mark.parametrize("suffix", [".mp4", ".m4v", ".mkv", ".webm", ".mov", ".MP4"])
@pytest.mark.parametrize("times_s", [NTSC, VARIABLE], ids=["constant", "variable"])
def test_every_frame_keeps_its_time(tmp_path: Path, suffix: str, times_s: list[float]) -> None:
    path = tmp_path / f"video{suffix}"
    video = VideoWriter(path, LABELS, rate=30_000 / 1001)
    shoot(video, times_s)
    seen = see(path)
    assert_same_times(seen, times_s)
    assert seen.duration_s == pytest.approx(times_s[-1] + 1001 / 30_000, abs=0.002)
    assert seen.codec == ("vp9" if suffix == ".webm" else "h264")
    assert video.remarks == ()
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_an_mp4_starts_with_its_index(tmp_path: Path) -> None:
    shoot(VideoWriter(tmp_path / "video.mp4", LABELS), NTSC)
    boxes = see(tmp_path / "video.mp4").boxes
    assert boxes.index("moov") < boxes.index("mdat")
    assert "moof" not in boxes


def test_a_video_of_later_frames_starts_at_zero(tmp_path: Path) -> None:
    times_s = [12.5, 12.6, 13.0]
    shoot(VideoWriter(tmp_path / "video.mp4", LABELS, rate=10), times_s)
    seen = see(tmp_path / "video.mp4")
    assert_same_times(seen, [0.0, 0.1, 0.5])
    assert seen.duration_s == pytest.approx(0.6, abs=0.002)


def test_boxes_and_colors_are_in_the_right_place(tmp_path: Path) -> None:
    video = VideoWriter(tmp_path / "video.mp4", LABELS, DrawingStyle(line_width=6, hide_labels=True))
    shoot(video, NTSC[:10])
    for number, shown in enumerate(see(tmp_path / "video.mp4", pixels=True).pixels):
        assert np.abs(shown[60, 8:12].astype(int) - color(1)).max() < 30
        rest = np.abs(shown[90:, 80:].astype(int) - pixels_of(number)[90:, 80:])
        assert rest.mean() < 6


def test_a_gap_takes_its_time_and_adds_no_frame(tmp_path: Path) -> None:
    video = VideoWriter(tmp_path / "video.mp4", LABELS, rate=10)
    for number, time_s in enumerate((0.0, 0.1, 4.0, 4.1)):
        frame = frame_at(number, time_s)
        if number == 2:
            gap = FailedFrame(frame.origin, "gap", "the stream was lost for 3.8 s")
            video.write(gap, gap)
        video.write(frame, one_box())
    video.close(complete=True)
    assert_same_times(see(tmp_path / "video.mp4"), [0.0, 0.1, 4.0, 4.1])


def test_a_frame_whose_detection_failed_has_no_boxes(tmp_path: Path) -> None:
    video = VideoWriter(tmp_path / "video.mp4", LABELS)
    frame = frame_at(0, 0.0)
    video.write(frame, FailedFrame(frame.origin, "device", "the device was lost"))
    video.close(complete=True)
    shown = see(tmp_path / "video.mp4", pixels=True).pixels[0]
    assert np.abs(shown.astype(int) - pixels_of(0)).mean() < 4


@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
@pytest.mark.parametrize("size_hw", [(1, 1), (97, 128), (96, 131), (33, 17), (2, 640)])
def test_odd_sides_get_one_more_line(tmp_path: Path, size_hw: tuple[int, int], suffix: str) -> None:
    path = tmp_path / f"video{suffix}"
    video = VideoWriter(path, LABELS)
    for number in range(5):
        video.write(frame_at(number, number / 10, size_hw), Detections.empty())
    video.close(complete=True)
    seen = see(path, pixels=True)
    assert seen.size_hw == (size_hw[0] + size_hw[0] % 2, size_hw[1] + size_hw[1] % 2)
    assert len(seen.times_s) == 5


def test_a_frame_of_another_size_is_fitted_into_the_first_size(tmp_path: Path) -> None:
    video = VideoWriter(tmp_path / "video.mp4", LABELS)
    sizes = [(96, 128)] * 3 + [(192, 256)] * 3 + [(40, 300)] * 3 + [(33, 21)] * 3
    for number, size_hw in enumerate(sizes):
        video.write(frame_at(number, number / 10, size_hw), Detections.empty())
    video.close(complete=True)
    seen = see(tmp_path / "video.mp4", pixels=True)
    assert seen.size_hw == (96, 128)
    assert_same_times(seen, [number / 10 for number in range(12)])
    wide = seen.pixels[7]  # 40 x 300 becomes 17 x 128, black above and below
    assert wide[:30].max() < 30
    assert wide[44:52].mean() > 60


def test_fitting_keeps_the_aspect_ratio_and_the_complete_image() -> None:
    white = np.full((50, 200, 3), 255, np.uint8)
    canvas = fitted(white, (96, 128))
    rows, columns = np.nonzero(canvas[..., 0])
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (32, 63, 0, 127)
    assert fitted(white, (50, 200)) is white


@pytest.mark.parametrize(
    ("suffix", "codec"),
    [
        (".mp4", "aac"),
        (".mp4", "libmp3lame"),
        (".mp4", "libopus"),
        (".mov", "aac"),
        (".mkv", "aac"),
        (".webm", "libopus"),
    ],
)
def test_audio_is_copied_packet_by_packet(tmp_path: Path, suffix: str, codec: str) -> None:
    source = make_video(tmp_path / ("in.mkv" if suffix == ".webm" else f"in{suffix}"), NTSC, sound=codec, sound_s=3.2)
    before = see(source)
    video = VideoWriter(tmp_path / f"out{suffix}", LABELS, rate=30_000 / 1001, copy_from=str(source))
    shoot(video, before.times_s)
    after = see(tmp_path / f"out{suffix}")
    assert_same_times(after, before.times_s)
    assert after.duration_s == pytest.approx(before.duration_s, abs=0.03)  # to a packet of sound
    assert [data for data, _ in after.sound[0]] == [data for data, _ in before.sound[0]]
    for (_, one), (_, other) in zip(before.sound[0], after.sound[0], strict=True):
        assert abs(one - other) <= 0.0015
    assert video.remarks == ()


def test_audio_of_a_transport_stream_stays_in_sync(tmp_path: Path) -> None:
    source = make_video(tmp_path / "in.ts", NTSC, sound="aac", sound_s=2.5)
    before = see(source)
    shoot(VideoWriter(tmp_path / "out.mp4", LABELS, copy_from=str(source)), before.times_s)
    after = see(tmp_path / "out.mp4")
    heads = 7  # bytes that a transport stream puts before each packet, and MP4 in its index
    assert [data for data, _ in after.sound[0]] == [data[heads:] for data, _ in before.sound[0]]
    assert max(abs(one[1] - other[1]) for one, other in zip(before.sound[0], after.sound[0], strict=True)) <= 0.0015


def test_every_audio_stream_is_copied(tmp_path: Path) -> None:
    source = make_video(tmp_path / "in.mp4", NTSC, sound="aac", voices=2)
    shoot(VideoWriter(tmp_path / "out.mp4", LABELS, copy_from=str(source)), NTSC)
    before, after = see(source).sound, see(tmp_path / "out.mp4").sound
    assert [[data for data, _ in voice] for voice in after] == [[data for data, _ in voice] for voice in before]
    assert len(after) == 2
    assert after[0] != after[1]


@pytest.mark.parametrize("sound_from_s", [0.7, 50.0])
def test_audio_that_starts_late_stays_late(tmp_path: Path, sound_from_s: float) -> None:
    times_s = [float(number) for number in range(72)]
    source = make_video(tmp_path / "in.mkv", times_s, sound="aac", sound_s=1.0, sound_from_s=sound_from_s)
    before = see(source)
    shoot(VideoWriter(tmp_path / "out.mp4", LABELS, copy_from=str(source)), before.times_s)
    after = see(tmp_path / "out.mp4")
    assert [data for data, _ in after.sound[0]] == [data for data, _ in before.sound[0]]
    assert after.sound[0][0][1] == pytest.approx(before.sound[0][0][1], abs=0.0015)
    assert_same_times(after, before.times_s)


def test_audio_that_starts_too_late_is_left_out_and_reported(tmp_path: Path) -> None:
    times_s = [float(number) for number in range(72)]
    source = make_video(tmp_path / "in.mkv", times_s, sound="aac", sound_s=1.0, sound_from_s=70.0)
    video = VideoWriter(tmp_path / "out.mp4", LABELS, copy_from=str(source))
    shoot(video, times_s)
    assert see(tmp_path / "out.mp4").sound == []
    assert video.remarks == (f"the audio of '{source}' is left out: it starts more than a minute after the video",)


@pytest.mark.parametrize("first", [30, 600])
def test_for_a_part_of_a_video_the_audio_of_that_part_is_copied(tmp_path: Path, first: int) -> None:
    times_s = [number / 30 for number in range(first + 60)]
    source = make_video(tmp_path / "in.mp4", times_s, sound="aac", size_hw=(16, 16))
    video = VideoWriter(tmp_path / "out.mp4", LABELS, rate=30, copy_from=str(source), to_end=False)
    shoot(video, times_s[first : first + 30], (16, 16))
    before, after = see(source), see(tmp_path / "out.mp4")
    part = [data for data, time_s in before.sound[0] if first / 30 - 1024 / 48_000 < time_s < first / 30 + 1]
    assert [data for data, _ in after.sound[0]] == part
    assert after.duration_s == pytest.approx(1.0, abs=0.05)


def test_audio_of_an_interrupted_video_is_as_long_as_the_video(tmp_path: Path) -> None:
    source = make_video(tmp_path / "in.mp4", NTSC, sound="aac", sound_s=2.5)
    video = VideoWriter(tmp_path / "out.mp4", LABELS, rate=30, copy_from=str(source))
    for number, time_s in enumerate(NTSC[:30]):
        video.write(frame_at(number, time_s), one_box())
    video.close(complete=False)
    seen = see(tmp_path / "out.mp4")
    assert_same_times(seen, NTSC[:30])
    assert seen.duration_s == pytest.approx(1.0, abs=0.03)


def test_audio_without_a_channel_layout_is_copied(tmp_path: Path) -> None:
    """PCM of Matroska: the MP4 that FFmpeg writes without their names has half a head."""
    source = make_video(tmp_path / "in.mkv", NTSC, sound="pcm_s16le", sound_s=2.5)
    video = VideoWriter(tmp_path / "out.mp4", LABELS, rate=30, copy_from=str(source))
    shoot(video, NTSC)
    before, after = see(source).sound, see(tmp_path / "out.mp4").sound
    assert [data for data, _ in after[0]] == [data for data, _ in before[0]]
    assert video.remarks == ()


@pytest.mark.parametrize(
    ("taken_from", "codec", "suffix", "told"),
    [
        (".mp4", "aac", ".webm", "webm does not support aac"),
        (".mp4", "libmp3lame", ".webm", "webm does not support mp3"),
        (".mov", "pcm_mulaw", ".mp4", "mp4 does not support pcm_mulaw"),
        (".mkv", "flac", ".mov", "mov does not support flac"),
    ],
)
def test_unsupported_audio_is_left_out_and_reported(
    tmp_path: Path, taken_from: str, codec: str, suffix: str, told: str
) -> None:
    source = make_video(tmp_path / f"in{taken_from}", NTSC, sound=codec)
    video = VideoWriter(tmp_path / f"out{suffix}", LABELS, copy_from=str(source))
    shoot(video, NTSC)
    seen = see(tmp_path / f"out{suffix}")
    assert_same_times(seen, NTSC)
    assert seen.sound == []
    assert video.remarks == (f"the audio of '{source}' is left out: {told}",)


def test_a_source_without_audio_or_a_missing_one_is_accepted(tmp_path: Path) -> None:
    silent = make_video(tmp_path / "silent.mp4", NTSC[:5])
    for source in (silent, tmp_path / "gone.mp4", Path(__file__)):
        video = VideoWriter(tmp_path / "out.mp4", LABELS, copy_from=str(source))
        shoot(video, NTSC[:5])
        assert see(tmp_path / "out.mp4").sound == []
        assert video.remarks == ()


def test_damaged_audio_is_copied_without_the_damaged_packets(tmp_path: Path) -> None:
    source = make_video(tmp_path / "in.ts", NTSC, sound="aac", sound_s=2.5)
    data = bytearray(source.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 6000] = bytes(np.random.default_rng(0).integers(0, 256, 6000, np.uint8))
    source.write_bytes(data)
    video = VideoWriter(tmp_path / "out.mp4", LABELS, copy_from=str(source))
    shoot(video, NTSC)
    seen = see(tmp_path / "out.mp4")
    assert_same_times(seen, NTSC)
    heard = [time_s for _, time_s in seen.sound[0]]
    assert 90 < len(heard) < 122
    assert heard[-1] > 2.4


def test_time_stamps_that_do_not_increase_are_corrected(tmp_path: Path) -> None:
    shoot(VideoWriter(tmp_path / "video.mp4", LABELS), [0.0, 0.5, 0.5, 0.4, 0.9])
    times_s = see(tmp_path / "video.mp4").times_s
    assert len(times_s) == 5
    assert all(one < other for one, other in pairwise(times_s))


def test_frames_without_time_stamps_follow_at_the_frame_rate(tmp_path: Path) -> None:
    video = VideoWriter(tmp_path / "video.mp4", LABELS, rate=5)
    for number in range(4):
        video.write(frame_at(number, None), one_box())
    video.close(complete=True)
    assert_same_times(see(tmp_path / "video.mp4"), [0.0, 0.2, 0.4, 0.6])


@pytest.mark.parametrize("rate", [None, 0.0, 0.00098, 90_000.0, float("nan"), float("inf"), -1.0])
def test_an_implausible_frame_rate_is_ignored(tmp_path: Path, rate: float | None) -> None:
    shoot(VideoWriter(tmp_path / "video.mp4", LABELS, rate=rate), NTSC[:10])
    assert_same_times(see(tmp_path / "video.mp4"), NTSC[:10])


@pytest.mark.parametrize("name", ["video.avi", "video.gif", "video", "video.mp4.txt", "-"])
def test_an_unknown_suffix_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=rf"{name}.*\.mp4, \.mkv, \.webm or \.mov"):
        VideoWriter(tmp_path / name, LABELS)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm"])
def test_without_an_h264_encoder_the_video_is_vp9(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"video{suffix}"
    shoot(VideoWriter(path, LABELS, has=lambda name: name != "libx264"), NTSC[:20])
    seen = see(path)
    assert seen.codec == "vp9"
    assert_same_times(seen, NTSC[:20])


def test_without_any_encoder_the_video_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no encoder for H\.264; end the name in \.webm or \.mp4"):
        video_format(tmp_path / "video.mov", lambda name: name == "libvpx-vp9")
    with pytest.raises(UsageError, match=r"no encoder for H\.264 or VP9"):
        VideoWriter(tmp_path / "video.mp4", LABELS, has=lambda _: False)
    assert list(tmp_path.iterdir()) == []


def test_a_video_never_overwrites_its_source(tmp_path: Path) -> None:
    source = make_video(tmp_path / "in.mp4", NTSC[:5])
    (tmp_path / "link.mp4").symlink_to(source)
    data = source.read_bytes()
    for name in ("in.mp4", "link.mp4"):
        with pytest.raises(UsageError, match="is the input video"):
            VideoWriter(tmp_path / name, LABELS, copy_from=str(source))
    assert source.read_bytes() == data


@pytest.mark.parametrize("complete", [True, False])
def test_without_frames_there_is_no_file_and_a_remark(tmp_path: Path, complete: bool) -> None:
    video = VideoWriter(tmp_path / "video.mp4", LABELS)
    video.close(complete=complete)
    assert list(tmp_path.iterdir()) == []
    assert video.remarks == (f"'{tmp_path / 'video.mp4'}' was not written: no frame could be read",)


def test_audio_of_a_stream_is_left_out_with_a_remark(tmp_path: Path) -> None:
    video = VideoWriter(tmp_path / "video.mp4", LABELS, copy_from="rtsp://host/a", is_file=False)
    shoot(video, NTSC[:5])
    assert video.remarks == ("the audio of 'rtsp://host/a' is left out: it can only be copied from a file",)


def test_an_aborted_video_leaves_complete_fragments_or_nothing(tmp_path: Path) -> None:
    short, long = VideoWriter(tmp_path / "short.mp4", LABELS), VideoWriter(tmp_path / "long.mp4", LABELS)
    short.write(frame_at(0, 0.0), one_box())
    for number in range(150):
        long.write(frame_at(number, number / 10), one_box())
    for video in (short, long):
        video.abort()
        video.abort()
        video.close(complete=False)
    assert [entry.name for entry in tmp_path.iterdir()] == ["long.mp4"]
    seen = see(tmp_path / "long.mp4")
    assert_same_times(seen, [number / 10 for number in range(len(seen.times_s))])
    assert len(seen.times_s) >= 60


def test_names_of_any_bytes_can_be_written_and_read(tmp_path: Path) -> None:
    folder = tmp_path / "a:b,100% \udcff"
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("no such names on this file system")
    source = make_video(tmp_path / "in.mp4", NTSC[:10], sound="aac").rename(folder / "file:in.mp4")
    shoot(VideoWriter(folder / "-out.mp4", LABELS, copy_from=str(source)), NTSC[:10])
    seen = (folder / "-out.mp4").rename(tmp_path / "seen.mp4")
    assert len(see(seen).sound) == 1


def test_a_folder_and_an_invalid_font_are_reported_at_once(tmp_path: Path) -> None:
    (tmp_path / "video.mp4").mkdir()
    with pytest.raises(OutputError, match="it is a folder"):
        VideoWriter(tmp_path / "video.mp4", LABELS)
    with pytest.raises(UsageError, match="font"):
        VideoWriter(tmp_path / "other.mp4", LABELS, DrawingStyle(font=Path(__file__)))
    assert not (tmp_path / "other.mp4").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX pipes")
def test_a_pipe_gets_fragments_that_play(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.mp4"
    os.mkfifo(pipe)
    with subprocess.Popen(["/bin/sh", "-c", f"cat '{pipe}' > '{tmp_path}/video.mp4'"]) as reader:
        shoot(VideoWriter(pipe, LABELS), NTSC)
        assert reader.wait() == 0
    seen = see(tmp_path / "video.mp4")
    assert_same_times(seen, NTSC)
    assert "moof" in seen.boxes


def test_memory_of_frames_is_freed(tmp_path: Path) -> None:
    """What a video holds does not grow with its length: only the encoder's few frames are in flight."""
    import gc
    import weakref

    video, alive = VideoWriter(tmp_path / "video.mp4", LABELS), []
    for number in range(100):
        frame = frame_at(number, number / 10)
        alive.append(weakref.ref(frame.pixels))
        video.write(frame, one_box())
    del frame
    gc.collect()
    assert sum(reference() is not None for reference in alive) <= 64
    video.close(complete=True)
