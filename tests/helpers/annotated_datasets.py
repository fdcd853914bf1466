"""Small annotated datasets, made by tests."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from detcli.datasets.dataset import Dataset
from detcli.structures.frame import Frame, Pixels
from detcli.structures.ground_truth import GroundTruth


def photo(size_hw: tuple[int, int] = (48, 64), seed: int = 0) -> Pixels:
    """Smooth colors, as photographs have them: uint8 [H, W, 3]."""
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((size_hw[1], size_hw[0]), Image.Resampling.BICUBIC))


def ground_truth_of(boxes: npt.ArrayLike, class_ids: npt.ArrayLike | None = None) -> GroundTruth:
    """Ground truth of boxes xyxy, with classes 0, 1, 2 … by default."""
    corners = np.asarray(boxes, np.float64).reshape(-1, 4)
    ids = np.arange(len(corners)) if class_ids is None else np.asarray(class_ids)
    return GroundTruth(corners, ids.astype(np.int64), np.zeros(len(corners), np.bool_))


def with_filled_boxes(size_hw: tuple[int, int], boxes: npt.ArrayLike) -> tuple[Pixels, GroundTruth]:
    """A black image with white boxes at integer pixels."""
    ground_truth = ground_truth_of(boxes)
    pixels = np.zeros((*size_hw, 3), np.uint8)
    for left, top, right, bottom in ground_truth.boxes_xyxy.astype(int):
        pixels[top:bottom, left:right] = 255
    return pixels, ground_truth


def write_image(path: Path, size_hw: tuple[int, int] = (48, 64), *, orientation: int = 1, seed: int = 0) -> None:
    """An image file; `size_hw` is that of the pixels as they are stored."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(photo(size_hw, seed)).save(path, exif=exif)


def image(number: int, name: str, size_hw: tuple[int, int] | None = (48, 64)) -> dict[str, Any]:
    """An entry of `images`."""
    size = {} if size_hw is None else {"height": size_hw[0], "width": size_hw[1]}
    return {"id": number, "file_name": name, **size}


def annotation(number: int, image_id: int, category_id: int, bbox: Any, **more: Any) -> dict[str, Any]:
    """An entry of `annotations`."""
    return {"id": number, "image_id": image_id, "category_id": category_id, "bbox": bbox, **more}


CATEGORIES = [{"id": 7, "name": "dog"}, {"id": 2, "name": "cat"}]
IMAGES = [image(10, "a.png"), image(20, "b.png"), image(30, "c.png")]
ANNOTATIONS = [
    annotation(1, 20, 7, [1, 2, 10, 20], area=150.5, iscrowd=0),
    annotation(2, 10, 2, [5, 6, 7.5, 8]),
    annotation(3, 20, 2, [0, 0, 64, 48], iscrowd=1),
]


def write_coco(
    folder: Path,
    *,
    images: Sequence[Any] = IMAGES,
    annotations: Sequence[Any] = ANNOTATIONS,
    categories: Sequence[Any] = CATEGORIES,
    name: str = "annotations.json",
    image_files: Sequence[str] | None = ("a.png", "b.png", "c.png"),
) -> str:
    """COCO annotations with their images next to them; three images, the last one empty, and two categories."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    for place, image in enumerate(image_files or ()):
        write_image(path.parent / image, seed=place)
    return str(path)


def assert_same_data(dataset: Dataset, other: Dataset) -> None:
    """Equal classes, and equal pixels, boxes, classes and masks of each image."""
    assert dataset.labels.names == other.labels.names
    assert len(dataset) == len(other)
    for index in range(len(dataset)):
        mine, theirs = dataset.read(index), other.read(index)
        assert isinstance(mine, Frame)
        assert isinstance(theirs, Frame)
        assert np.array_equal(mine.pixels, theirs.pixels)
        own, same = dataset.ground_truth(index), other.ground_truth(index)
        assert np.allclose(own.boxes_xyxy, same.boxes_xyxy, rtol=0, atol=1e-4)
        assert own.class_ids.tolist() == same.class_ids.tolist()
        assert own.crowd.tolist() == same.crowd.tolist()
        assert own.masks == same.masks
