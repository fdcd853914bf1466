"""Videos for tests: written with PyAV, and read back frame by frame."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from detcli.sinks.video.video_writer import VideoWriter
from detcli.structures.class_labels import ClassLabels
from detcli.structures.detections import Detections
from detcli.structures.frame import Frame, Origin, Pixels

LABELS = ClassLabels.from_names(["cat", "dog", "traffic light"])


@dataclass(frozen=True)
class Seen:
    """A video as a player sees it.

    times_s   of its frames, from the first one's
    sound     data of each packet of each stream of sound, and when it is heard after the first frame
    """

    size_hw: tuple[int, int]
    times_s: list[float]
    duration_s: float
    sound: list[list[tuple[bytes, float]]]
    pixels: list[Pixels]
    codec: str
    boxes: list[str]


def pixels_of(number: int, size_hw: tuple[int, int] = (96, 128)) -> Pixels:
    """A smooth image that differs from frame to frame."""
    rows, columns = np.mgrid[: size_hw[0], : size_hw[1]]
    channels = (rows * 2 + number * 3, columns + number, rows + columns + 5 * number)
    return np.stack([(128 + 100 * np.sin(channel / 40)).astype(np.uint8) for channel in channels], axis=2)


def frame_at(number: int, time_s: float | None, size_hw: tuple[int, int] = (96, 128)) -> Frame:
    stem = f"clip/frame_{number:06d}"
    return Frame(Origin(number, "clip.mp4", f"{stem}.jpg", stem, number, time_s), size_hw, pixels_of(number, size_hw))


def one_box(track: int | None = None) -> Detections:
    boxes, scores = np.array([[10.0, 40.0, 60.0, 80.0]]), np.array([0.9], np.float32)
    return Detections(boxes, scores, np.array([1]), track_ids=None if track is None else np.array([track]))


def shoot(writer: VideoWriter, times_s: Sequence[float], size_hw: tuple[int, int] = (96, 128)) -> None:
    """Write frames at these times, and close the video."""
    for number, time_s in enumerate(times_s):
        writer.write(frame_at(number, time_s, size_hw), one_box())
    writer.close(complete=True)


def see(path: Path, *, pixels: bool = False) -> Seen:
    """Play a video from its beginning to its end."""
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        shown = list(container.decode(video))
        first = float(shown[0].time or 0)
        times = [float(frame.time or 0) - first for frame in shown]
        duration = float((container.duration or 0) / av.time_base)
        size, codec, voices = (video.height, video.width), video.codec_context.name, len(container.streams.audio)
        decoded = [frame.to_ndarray(format="rgb24") for frame in shown] if pixels else []
    sound = [sound_of(path, place, first) for place in range(voices)]
    return Seen(size, times, duration, sound, decoded, codec, top_boxes(path) if path.suffix == ".mp4" else [])


def sound_of(path: Path, place: int, first_s: float) -> list[tuple[bytes, float]]:
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(container.streams.audio[place]) if packet.dts is not None]
        return [(bytes(packet), float(packet.pts * packet.time_base) - first_s) for packet in packets]


def top_boxes(path: Path) -> list[str]:
    """The kinds of the outermost boxes of an MP4; fails where they do not fill the file."""
    data, place, kinds = path.read_bytes(), 0, []
    while place < len(data):
        size = int.from_bytes(data[place : place + 4], "big")
        assert 8 <= size <= len(data) - place, "torn"
        kinds.append(data[place + 4 : place + 8].decode())
        place += size
    return kinds


def make_video(
    path: Path,
    times_s: Sequence[float],
    *,
    sound: str | None = None,
    sound_s: float | None = None,
    sound_from_s: float = 0.0,
    size_hw: tuple[int, int] = (96, 128),
    video: str = "libx264",
    voices: int = 1,
) -> Path:
    """A video whose frames stand at these times, with a tone in so many streams of this codec."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(video, rate=30)
        stream.height, stream.width = size_hw
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = Fraction(1, 90_000)
        tones = [container.add_stream(sound, rate=48_000) for _ in range(voices)] if sound else []
        for number, time_s in enumerate(times_s):
            frame = av.VideoFrame.from_ndarray(pixels_of(number, size_hw), "rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = round(time_s * 90_000), Fraction(1, 90_000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        for place, tone in enumerate(tones):
            count = round(48_000 * (sound_s or times_s[-1]))
            wave = np.sin(np.arange(count) * (0.05 + 0.02 * place)).astype(np.float32)[None]
            for start in range(0, count, 1024):
                audio = av.AudioFrame.from_ndarray(wave[:, start : start + 1024].repeat(2, 0).copy(), "fltp", "stereo")
                audio.sample_rate, audio.pts = 48_000, start + round(48_000 * sound_from_s)
                container.mux(tone.encode(audio))
            container.mux(tone.encode(None))
    return path
