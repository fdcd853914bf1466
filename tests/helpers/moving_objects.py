"""A video of two objects with a known way: a circle that moves down, and a square that moves up."""

from collections.abc import Collection
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from detcli.structures.frame import Pixels
from tests.helpers.video_frames import video

SIZE_HW = (288, 384)
FRAMES = 21  # a tenth of a second each
# The lower edge of the circle is at 70 + 10 t, that of the square at 270 - 10 t, for frame t.
LINE = "gate=0,50%,100%,50%"  # at 144: the circle crosses downward (out) in frame 8, the square upward (in) in frame 13
ZONE = "low=0,60%,100%,60%,100%,100%,0,100%"  # from 172.8 on: the circle enters in frame 11, the square leaves


def drawn(number: int, *, hidden: bool = False) -> Pixels:
    """One frame; `hidden`: without the circle."""
    image = Image.new("RGB", SIZE_HW[::-1], (112, 118, 124))
    canvas = ImageDraw.Draw(image)
    circle, square = 40 + 10 * number, 240 - 10 * number
    if not hidden:
        canvas.ellipse((70, circle - 30, 130, circle + 30), fill=(210, 40, 40))
    canvas.rectangle((250, square - 30, 310, square + 30), fill=(30, 60, 200))
    return np.asarray(image)


def moving_objects(path: Path, *, backward: bool = False, hidden: Collection[int] = ()) -> Path:
    """Write the video, or the same played backward; in the frames `hidden`, the circle is missing."""
    frames = [drawn(number, hidden=number in hidden) for number in range(FRAMES)]
    return video(path, frames[::-1] if backward else frames)
