"""Images are found where data sets keep them, and never outside their folder."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from detcli.evaluation.coco_ground_truth import CocoGroundTruth
from detcli.evaluation.results.image_lookup import ImageLookup


def ground_truth(*names: str) -> CocoGroundTruth:
    return CocoGroundTruth("gt.json", {"images": [{"id": i, "file_name": n} for i, n in enumerate(names)]})


def image(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.zeros((4, 6, 3), np.uint8)).save(path)


@pytest.mark.parametrize("folder", ["annotations", "annotations/images", ".", "images", "val2017", "images/val2017"])
def test_images_are_found_in_common_folders(folder: str, tmp_path: Path) -> None:
    image(tmp_path / folder / "sub" / "a.png")
    (tmp_path / "annotations").mkdir(exist_ok=True)
    images = ImageLookup(tmp_path / "annotations/instances_val2017.json", ground_truth("sub\\a.png", "gone.png"), None)
    assert images.found
    pixels = images.read(0)
    assert pixels is not None
    assert pixels.shape == (4, 6, 3)
    assert images.read(1) is None


def test_an_image_that_cannot_be_decoded_is_none(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no image")
    assert ImageLookup(tmp_path / "gt.json", ground_truth("a.png"), None).read(0) is None


@pytest.mark.parametrize("name", ["../secret.png", "a/../../secret.png", "{root}/secret.png", "C:\\secret.png"])
def test_a_name_that_leads_out_is_not_followed(name: str, tmp_path: Path) -> None:
    image(tmp_path / "secret.png")
    image(tmp_path / "in" / "a.png")
    images = ImageLookup(
        tmp_path / "in" / "gt.json", ground_truth("a.png", name.format(root=tmp_path)), tmp_path / "in"
    )
    assert images.read(0) is not None
    assert images.read(1) is None
