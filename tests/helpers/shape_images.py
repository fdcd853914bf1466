"""Images and videos of drawn shapes, which the bundled model detects."""

from pathlib import Path

import av
import numpy as np
from PIL import Image

from detcli.datasets.shapes.shapes_dataset import draw


def shape_images(folder: Path, *, count: int) -> list[Path]:
    """Write images 0.png, 1.png, …."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{index}.png" for index in range(count)]
    for index, path in enumerate(paths):
        Image.fromarray(draw(1, index)[0]).save(path)
    return paths


def shape_video(path: Path, *, frames: int, rate: int = 10) -> Path:
    """Write a video of one image that moves to the right, 2 pixels per frame."""
    pixels = draw(1, 0)[0]
    height, width = (side // 2 * 2 for side in pixels.shape[:2])
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for index in range(frames):
            moved = np.ascontiguousarray(np.roll(pixels[:height, :width], 2 * index, axis=1))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(moved, format="rgb24")))
        container.mux(stream.encode())
    return path
