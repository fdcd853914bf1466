"""Draws docs/images/demo.jpg: two rendered images with what the bundled model detects in them, side by side.

`python -m benchmarks.synthetic.readme_image` writes it.
"""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from detcli import load_detector
from detcli.datasets.shapes import draw
from detcli.structures.frame import Pixels

SEED = 102  # not the seed of the training set
INDICES = (381, 67)  # each shape is detected exactly once
SIZE_HW = (420, 560)  # so that the labels are readable on a page of 830 pixels
FILE = Path(__file__).parents[2] / "docs" / "images" / "demo.jpg"
_GAP = 8  # pixels


def readme_image() -> Pixels:
    """The annotated images next to each other."""
    detector = load_detector("shapes", device="cpu")
    images = [draw(SEED, index, size_hw=SIZE_HW)[0] for index in INDICES]
    first, *others = (np.asarray(result.plot(line_width=2)) for result in detector(images))
    gap = np.full((SIZE_HW[0], _GAP, 3), 255, np.uint8)
    return np.concatenate([first, *(part for image in others for part in (gap, image))], axis=1)


if __name__ == "__main__":
    file = io.BytesIO()
    Image.fromarray(readme_image()).save(file, "JPEG", quality=85, subsampling=0, optimize=True, progressive=True)
    FILE.write_bytes(file.getvalue())
