"""The bundled images of the demo are those that the seed renders, with the same ground truth."""

import json

import numpy as np
import pytest
from PIL import Image

from benchmarks.synthetic.demo_images import INDICES, annotations, rendered
from detcli.cli.setup.demo import BUNDLED_IMAGES, GROUND_TRUTH
from detcli.datasets.shapes import CLASSES


def test_the_bundled_ground_truth_is_that_of_the_rendered_images() -> None:
    bundled, expected = json.loads((BUNDLED_IMAGES / GROUND_TRUTH).read_bytes()), annotations()
    assert bundled["images"] == expected["images"]
    assert bundled["categories"] == expected["categories"]
    assert [entry["name"] for entry in bundled["categories"]] == list(CLASSES)
    for one, other in zip(bundled["annotations"], expected["annotations"], strict=True):
        assert one.keys() == other.keys()
        assert all(one[key] == pytest.approx(other[key]) for key in one)


def test_the_bundled_images_are_the_rendered_ones_after_compression() -> None:
    for number, (pixels, _) in enumerate(rendered(), 1):
        with Image.open(BUNDLED_IMAGES / f"{number}.jpg") as image:
            difference = np.asarray(image).astype(int) - pixels
        assert np.abs(difference).mean() < 8, "noise is compressed"
        assert np.abs(difference.reshape(60, 8, 80, 8, 3).mean(axis=(1, 3))).max() < 12, (
            "blocks of 8 x 8 pixels are alike"
        )


def test_the_bundled_images_are_small() -> None:
    files = list(BUNDLED_IMAGES.iterdir())
    assert len(files) == len(INDICES) + 1
    assert sum(file.stat().st_size for file in files) < 400_000
