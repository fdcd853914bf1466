"""Writes a seeded photo-like video file: discs that drift over a moving background, with sensor noise."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
RATE = 30  # frames per second


def make_video(path: Path, count: int, size_hw: tuple[int, int], seed: int = 0, *, noise: float = 4.0) -> None:
    """Write an H.264 video with 30 frames per second as cameras do: 4:2:0, B-frames, a key frame every four seconds.

    noise  standard deviation of the sensor noise, of 255: with 4, 720p has about 14 Mbit/s
    """
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"preset": "veryfast", "crf": "20"})
        stream.height, stream.width = size_hw
        stream.pix_fmt = "yuv420p"
        stream.codec_context.gop_size = 120
        for number, pixels in enumerate(_frames(count, size_hw, seed, noise)):
            frame = av.VideoFrame.from_ndarray(pixels, "rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _frames(count: int, size_hw: tuple[int, int], seed: int, sigma: float) -> Iterator[Pixels]:
    height, width = size_hw
    random = np.random.default_rng(seed)
    coarse = random.integers(40, 216, (9, 16, 3), np.uint8)
    background = cv2.resize(coarse, (2 * width, 2 * height), interpolation=cv2.INTER_CUBIC)
    discs = [
        (random.integers(0, (width, height)), random.uniform(-6, 6, 2), random.integers(height // 30, height // 6))
        for _ in range(25)
    ]
    colors = random.integers(0, 256, (25, 3)).tolist()
    noise = random.normal(0, sigma, (8, height, width, 1)).astype(np.float32)
    for number in range(count):
        top, left = round(height / 2 * (1 + np.sin(number / 90))), round(width / 2 * (1 + np.cos(number / 70)))
        image = background[top : top + height, left : left + width].copy()
        for (start, step, radius), color in zip(discs, colors, strict=True):
            x, y = (start + number * step) % (width, height)
            cv2.circle(image, (int(x), int(y)), int(radius), color, -1, cv2.LINE_AA)
        yield (image + noise[number % len(noise)]).clip(0, 255).astype(np.uint8)
