"""Videos for tests: the gray level of a frame is its number, so that frames can be identified."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.stream import Disposition

from detcli.sources.video.video_source import StreamGap, VideoSettings
from detcli.sources.video.video_stream import VideoStream
from detcli.structures.frame import FailedFrame, Frame, Pixels

RATE = 30


def image(number: int, size_hw: tuple[int, int] = (48, 64)) -> Pixels:
    """A gray with a bright corner, upper left, and a darker band that moves."""
    height, width = size_hw
    pixels = np.full((height, width, 3), 40 + (number * 3) % 160, np.uint8)
    pixels[:, (number * 4) % width :][:, :8] //= 2
    pixels[: height // 4, : width // 4] = (230, 40, 40)
    return pixels


def write_video(
    path: Path | object,
    frames: int = 45,
    *,
    codec: str = "libx264",
    container: str | None = None,
    size_hw: tuple[int, int] = (48, 64),
    times: Sequence[int] | None = None,
    base: Fraction = Fraction(1, RATE),
    rate: int = RATE,
    sound: bool = False,
    turned: int | None = None,
    mirrored: bool = False,
    group: int = 12,
    noise: bool = False,
    options: dict[str, str] | None = None,
    movflags: str = "faststart",
) -> Path:
    """Make a video of `image(0)`, `image(1)`, …

    times     time stamp of each frame in ticks of `base`; None: one tick apart
    turned    degrees anticlockwise that a player is to turn it by
    group     frames from one key frame to the next
    movflags  how an MP4 is laid out
    noise     frames hard to compress, so that damage hits many bytes
    """
    target = str(path) if isinstance(path, Path) else path
    of_mp4 = {"movflags": movflags} if target is not path and target.endswith(".mp4") else {}
    target_is_webm = isinstance(target, str) and target.endswith(".webm")
    with av.open(target, "w", format=container, options=of_mp4) as file:
        stream = file.add_stream(codec, rate=rate, options={"g": str(group), **(options or {})})
        stream.height, stream.width = size_hw
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.time_base = stream.codec_context.time_base = base
        if turned is not None or mirrored:
            stream.set_display_rotation(turned or 0, hflip=mirrored)
        voice = file.add_stream("libopus" if target_is_webm else "aac", rate=48000, layout="mono") if sound else None
        random = np.random.default_rng(0)
        for number in range(frames):
            pixels = image(number, size_hw)
            if noise:
                pixels[size_hw[0] // 2 :] = random.integers(0, 256, (size_hw[0] - size_hw[0] // 2, size_hw[1], 3))
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = times[number] if times is not None else number, base
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
        if voice is not None:
            for packet in tone(voice, frames / rate):
                file.mux(packet)
    return path if isinstance(path, Path) else Path()


@dataclass(frozen=True)
class Part:
    """One video stream of a file: `frames` images, a number of milliseconds apart."""

    size_hw: tuple[int, int]
    frames: int
    step_ms: int = 40
    flags: Disposition | None = None
    codec: str = "libx264"


def write_streams(target: Path | io.BytesIO, parts: Sequence[Part], *, container: str, sound: bool = False) -> None:
    """Write all streams, their packets in order of time."""
    name = str(target) if isinstance(target, Path) else target
    with av.open(name, "w", format=container) as file:
        packets = []
        for part in parts:
            stream = file.add_stream(part.codec, rate=round(1000 / part.step_ms), options={"g": "12"})
            stream.height, stream.width = part.size_hw
            stream.pix_fmt = "yuvj420p" if part.codec == "mjpeg" else "yuv420p"
            stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
            if part.flags is not None:
                stream.disposition = part.flags
            for number in range(part.frames):
                frame = av.VideoFrame.from_ndarray(image(number, part.size_hw), format="rgb24")
                frame.pts, frame.time_base = number * part.step_ms, stream.time_base
                packets += stream.encode(frame)
            packets += stream.encode()
        if sound:
            packets += tone(file.add_stream("aac", rate=48000, layout="mono"), 1)
        for packet in sorted(packets, key=lambda one: (one.dts if one.dts is not None else one.pts) * one.time_base):
            file.mux(packet)


def tone(voice: av.AudioStream, seconds: float) -> list[av.Packet]:
    """Encoded noise of so many seconds."""
    packets = []
    random = np.random.default_rng(0)
    for begin in range(0, round(48000 * seconds), 960):
        samples = random.uniform(-0.1, 0.1, (1, 960)).astype(np.float32)
        item = av.AudioFrame.from_ndarray(samples, format="flt", layout="mono")
        item.sample_rate, item.pts = 48000, begin
        packets += voice.encode(item)
    return packets + voice.encode()


def decode_with_pyav(path: Path) -> list[tuple[float, Pixels]]:
    """Times since the first frame, and pixels, as PyAV decodes them in four lines."""
    with av.open(str(path)) as file:
        decoded = [
            (
                Fraction(number, RATE) if frame.pts is None else frame.pts * frame.time_base,
                frame.to_ndarray(format="rgb24"),
            )
            for number, frame in enumerate(file.decode(video=0))
        ]
    return [(float(time - decoded[0][0]), pixels) for time, pixels in decoded]


def read(argument: Path | str, settings: VideoSettings | None = None, **more: object) -> list[Frame | FailedFrame]:
    """Everything that a source gives, converted."""
    return [item() for item in VideoStream(str(argument), settings or VideoSettings(), **more)]  # type: ignore[arg-type]


def frames_of(results: Sequence[Frame | FailedFrame]) -> list[Frame]:
    return [result for result in results if isinstance(result, Frame)]


def gaps_of(results: Sequence[Frame | FailedFrame]) -> list[FailedFrame]:
    return [result for result in results if isinstance(result, FailedFrame)]


__all__ = ["RATE", "StreamGap", "decode_with_pyav", "frames_of", "gaps_of", "image", "read", "write_video"]
