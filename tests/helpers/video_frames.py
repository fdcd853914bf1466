"""Short videos for tests."""

from pathlib import Path

import av
import numpy as np

from detcli.structures.frame import Pixels


def images(count: int, *, size_hw: tuple[int, int] = (48, 64), seed: int = 0) -> list[Pixels]:
    """Noise, each frame another one."""
    random = np.random.default_rng(seed)
    return [random.integers(0, 255, (*size_hw, 3), dtype=np.uint8) for _ in range(count)]


def video(
    path: Path,
    frames: list[Pixels],
    *,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    rate: int = 10,
    sound: bool = False,
) -> Path:
    """A video of the frames, silence next to them if wanted; png with rgb24 loses nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = pixels
        voice = container.add_stream("aac", rate=48_000) if sound else None
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, "rgb24")))
        container.mux(stream.encode(None))
        if voice is not None:
            silence = av.AudioFrame.from_ndarray(np.zeros((2, 48_000 * len(frames) // rate), np.float32), "fltp")
            silence.sample_rate, silence.pts = 48_000, 0
            container.mux(voice.encode(silence))
            container.mux(voice.encode(None))
    return path


def frames_of(path: Path) -> int:
    """How many frames a video decodes to."""
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))
