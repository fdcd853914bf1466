"""Boxes and masks follow pixels under each change of geometry alone and under all together, in every image mode."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from detcli.datasets.transforms.augmentation import Augmentation, augment
from detcli.datasets.transforms.keep_aspect import KeepAspectTransform, augment_many_sizes
from detcli.structures.frame import Pixels
from detcli.structures.ground_truth import GroundTruth
from detcli.structures.masks import Rle
from detcli.structures.resize import InputBorder
from tests.helpers.annotated_datasets import ground_truth_of

OFF = Augmentation.off()
SIZE = (96, 128)
SEEDS = range(12)
COLORS = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255]], np.uint8)

ALONE: dict[str, dict[str, float]] = {
    "vertical flip": {"vertical_flip": 1.0},
    "both flips": {"vertical_flip": 1.0, "flip": 1.0},
    "quarter turn": {"quarter_turn": 1.0},
    "turn and flip": {"quarter_turn": 1.0, "flip": 1.0},
    "small rotation": {"rotation": 1.0, "max_rotation": 10.0},
    "any rotation": {"rotation": 1.0, "max_rotation": 180.0},
    "together": {"vertical_flip": 0.5, "flip": 0.5, "quarter_turn": 0.5, "rotation": 0.8, "max_rotation": 45.0},
}
STRETCHED: dict[str, dict[str, float]] = {
    **ALONE,
    "zoom-out": {**ALONE["together"], "zoom_out": 1.0},
    "crop": {**ALONE["together"], "iou_crop": 1.0},
    "all": {**ALONE["together"], "zoom_out": 0.7, "iou_crop": 0.8},
    "mosaic": {**ALONE["together"], "mosaic": 1.0},
}
BORDERS = {"stretch": None, "corner": InputBorder(), "center": InputBorder(centered=True, value=114)}

Change = Callable[[Pixels, GroundTruth, np.random.Generator], tuple[Pixels, GroundTruth]]


def scene(rng: np.random.Generator, size_hw: tuple[int, int], shape: str) -> tuple[Pixels, GroundTruth]:
    """A red, a green and a blue object on black, which do not touch: rectangles, or notched ones with masks."""
    height, width = size_hw
    pixels = np.zeros((height, width, 3), np.uint8)
    boxes, drawn = [], []
    for index, color in enumerate(COLORS):
        left = width * index // 3 + int(rng.integers(1, 6))
        right = width * (index + 1) // 3 - int(rng.integers(1, 6))
        top, bottom = int(rng.integers(0, height // 3)), int(rng.integers(height // 2, height))
        mask = np.zeros(size_hw, np.bool_)
        mask[top:bottom, left:right] = True
        if shape == "notched":
            mask[top : (top + bottom) // 2, (left + right) // 2 : right] = False
        pixels[mask] = color
        boxes.append([left, top, right, bottom])
        drawn.append(Rle.of(mask))
    return pixels, replace(ground_truth_of(boxes), masks=None if shape == "box" else tuple(drawn))


def object_pixels(pixels: Pixels, class_id: int, share: int) -> npt.NDArray[np.bool_]:
    """Where at least a share of 255 is of the color of a class; borders and black are of none."""
    others = np.delete(pixels, class_id, axis=2).max(axis=2).astype(int)
    return np.asarray(pixels[..., class_id].astype(int) - others > share)


def assert_follows(pixels: Pixels, ground_truth: GroundTruth, *, tolerance: float = 1.0) -> int:
    """Check each object that is kept against its pixels; returns their number."""
    for index, class_id in enumerate(ground_truth.class_ids.tolist()):
        box = ground_truth.boxes_xyxy[index]
        if (box[2:] - box[:2]).min() < 2:
            continue  # the tip of a corner, of which perhaps no pixel is filled
        seen = [bounds(object_pixels(pixels, class_id, share)) for share in (20, 127)]
        # The true edge is between what is touched by the object and what is filled by half.
        assert (box[:2] >= seen[0][:2] - tolerance).all(), (box, seen)
        assert (box[2:] <= seen[0][2:] + tolerance).all(), (box, seen)
        assert (box[:2] <= seen[1][:2] + tolerance).all(), (box, seen)
        assert (box[2:] >= seen[1][2:] - tolerance).all(), (box, seen)
        if ground_truth.masks is not None:
            mask = ground_truth.masks[index].decode()
            assert mask.shape == pixels.shape[:2]
            assert near(object_pixels(pixels, class_id, 20), np.ndarray.any)[mask].all()
            assert mask[near(object_pixels(pixels, class_id, 127), np.ndarray.all)].all()
    return len(ground_truth)


def bounds(bright: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """Left, top, right and bottom of what is bright."""
    rows, columns = np.nonzero(bright)
    return np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])


def near(bright: npt.NDArray[np.bool_], which: Any) -> npt.NDArray[np.bool_]:
    """Whether any, or all, of the nine pixels around a pixel are bright."""
    height, width = bright.shape
    grown = np.pad(bright, 1)
    around = np.stack([grown[y : y + height, x : x + width] for y in range(3) for x in range(3)])
    return np.asarray(which(around, axis=0))


@pytest.mark.parametrize("shape", ["box", "notched"])
@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("changes", STRETCHED)
def test_objects_stay_on_their_pixels_in_inputs_of_one_size(changes: str, border: str, shape: str) -> None:
    if changes == "mosaic":
        shape = "box"  # a mosaic of masks is not supported
    settings = replace(OFF, **STRETCHED[changes])
    count = 0
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        size = (int(rng.integers(90, 220)), int(rng.integers(110, 260)))
        pixels, ground_truth = scene(rng, size, shape)
        nothing = np.zeros((40, 40, 3), np.uint8), GroundTruth.empty()
        answer, kept = augment(
            pixels, ground_truth, settings, size_hw=SIZE, rng=rng, others=lambda number, made=nothing: made,
            border=BORDERS[border],
        )  # fmt: skip
        assert answer.shape == (*SIZE, 3)
        assert answer.flags.c_contiguous
        count += assert_follows(answer, kept)
    assert count > len(SEEDS)


@pytest.mark.parametrize(("crop", "shape"), [(0.0, "box"), (0.0, "notched"), (1.0, "box"), (1.0, "filled")])
@pytest.mark.parametrize("changes", ALONE)
def test_objects_stay_on_their_pixels_in_inputs_of_many_sizes(changes: str, crop: float, shape: str) -> None:
    settings = KeepAspectTransform((60, 84, 100), 166, crop, (80, 100), (64, 75), flip=0.0)
    settings = replace(settings, **ALONE[changes])
    count = 0
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        pixels, ground_truth = scene(rng, (int(rng.integers(90, 220)), int(rng.integers(110, 260))), shape)
        count += assert_follows(*augment_many_sizes(pixels, ground_truth, settings, rng=rng))
    assert count > len(SEEDS)
