"""The image of the README is what detcli draws today."""

import numpy as np
import pytest
from PIL import Image

from benchmarks.synthetic.readme_image import FILE, INDICES, SEED, SIZE_HW, readme_image
from detcli.datasets.shapes import draw


def test_the_image_of_the_readme_is_drawn_by_this_version() -> None:
    pytest.importorskip("cv2")
    with Image.open(FILE) as image:
        stored = np.asarray(image.convert("RGB")).astype(int)
    drawn = readme_image().astype(int)
    assert stored.shape == drawn.shape
    changed = np.abs(stored - drawn).max(axis=2) > 80
    assert changed.mean() < 0.02, "run python -m benchmarks.synthetic.readme_image"


def test_every_shape_of_the_readme_image_is_detected_once() -> None:
    pytest.importorskip("cv2")
    from detcli import load_detector

    for index in INDICES:
        pixels, ground_truth = draw(SEED, index, size_hw=SIZE_HW)
        detections = load_detector("shapes", device="cpu")(pixels)
        assert sorted(detections.class_ids.tolist()) == sorted(ground_truth.class_ids.tolist())
