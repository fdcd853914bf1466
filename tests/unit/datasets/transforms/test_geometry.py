"""Boxes and masks follow pixels under each change of geometry alone and under all together, in every image mode."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from detcli.datasets.transforms.augmentation import Augmentation, augment
from detcli.datasets.transforms.keep_aspect import KeepAspectTransform, augment_many_sizes
from detcli.datasets.transforms.orientation import Orientation, draw_quarter_turns
from detcli.datasets.transforms.rotation import Rotation, draw_degrees, render_rotated
from detcli.inference.preprocessing.array_preprocessor import ArrayPreprocessor
from detcli.inference.preprocessing.preprocessing import Preprocessing
from detcli.inference.preprocessing.resize_rules import FitWithin, Letterbox
from detcli.structures.frame import Frame, Origin, Pixels
from detcli.structures.ground_truth import GroundTruth
from detcli.structures.masks import Rle
from detcli.structures.resize import InputBorder
from tests.helpers.annotated_datasets import ground_truth_of, photo

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
    settings = replace(OFF, **STRETCHED[changes])
    count = 0
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        size = (int(rng.integers(90, 220)), int(rng.integers(110, 260)))
        pixels, ground_truth = scene(rng, size, shape)
        nothing = np.zeros((40, 40, 3), np.uint8), ground_truth[np.zeros(3, np.bool_)]
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


@pytest.mark.parametrize("rule", [
    Preprocessing(FitWithin(SIZE), pad_size_hw=SIZE, has_mask=False), Preprocessing(Letterbox(SIZE, 114)),
])  # fmt: skip
def test_a_letterboxed_input_is_that_of_inference(rule: Preprocessing) -> None:
    for size in ((61, 83), (300, 200), (20, 90), (96, 128), (1, 200), (333, 7)):
        frame = Frame(Origin(0, "a", "a", "a"), size, photo(size))
        expected = ArrayPreprocessor(rule).batch([frame])
        whole = ground_truth_of([[0, 0, size[1], size[0]]])
        answer, kept = augment(
            photo(size), whole, OFF, size_hw=SIZE, rng=np.random.default_rng(0), border=rule.border
        )  # fmt: skip
        assert np.array_equal(answer, expected.pixels[0])
        border = rule.border
        assert border is not None
        height, width = content = border.content_hw(size, SIZE)
        top, left = border.corner(content, SIZE)
        assert kept.boxes_xyxy.tolist() == [[left, top, left + width, top + height]]


@pytest.mark.parametrize("turns", range(4))
def test_turns_and_flips_are_exact(turns: int) -> None:
    pixels = photo((5, 7))
    mask = Rle.of(pixels[..., 0] > 100)
    ground_truth = replace(ground_truth_of([[1, 2, 4, 5]]), masks=(mask,))
    for horizontal in (False, True):
        for vertical in (False, True):
            answer, kept = Orientation(turns, horizontal, vertical).apply(pixels, ground_truth)
            expected = np.rot90(pixels, turns)[:: -1 if vertical else 1, :: -1 if horizontal else 1]
            assert np.array_equal(answer, expected)
            assert kept.masks is not None
            assert np.array_equal(kept.masks[0].decode(), expected[..., 0] > 100)
            left, top, right, bottom = kept.boxes_xyxy[0].astype(int)
            assert sorted(answer[top:bottom, left:right].ravel()) == sorted(pixels[2:5, 1:4].ravel())


def test_rotations_by_right_angles_are_quarter_turns() -> None:
    pixels, ground_truth = scene(np.random.default_rng(2), (60, 60), "notched")
    for turns in range(4):
        turned = Orientation(turns).apply(pixels, ground_truth)
        rotated = render_rotated(
            pixels, ground_truth, Rotation(90.0 * turns, (60, 60)), (0, 0, 60, 60), (60, 60), min_size=1
        )  # fmt: skip
        inner = slice(1, -1)  # rounding moves pixels of the edge out of the image
        differences = rotated[0][inner, inner].astype(int) - turned[0][inner, inner]
        assert np.abs(differences).max() <= 1
        assert np.allclose(rotated[1].boxes_xyxy, turned[1].boxes_xyxy)
        for one, other in zip(rotated[1].masks or (), turned[1].masks or (), strict=True):
            assert np.array_equal(one.decode()[inner, inner], other.decode()[inner, inner])


def test_angles_are_drawn_up_to_the_largest_in_both_directions() -> None:
    rng = np.random.default_rng(0)
    angles = np.array([draw_degrees(0.5, 20.0, rng) for _ in range(2000)])
    turned = angles[angles != 0]
    assert 900 < len(turned) < 1100
    assert -20 <= turned.min() < -19
    assert 19 < turned.max() <= 20
    assert 0.45 < (turned > 0).mean() < 0.55


def test_quarter_turns_are_equally_likely() -> None:
    rng = np.random.default_rng(0)
    counts = np.bincount([draw_quarter_turns(0.75, rng) for _ in range(4000)], minlength=4)
    assert (np.abs(counts - 1000) < 120).all()


def test_a_rotated_object_with_its_center_outside_is_dropped() -> None:
    corner = ground_truth_of([[0, 0, 6, 6], [50, 50, 70, 70]])
    settings = replace(OFF, rotation=1.0, max_rotation=45.0)
    counts = []
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        kept = augment(np.zeros((120, 120, 3), np.uint8), corner, settings, size_hw=SIZE, rng=rng)[1]
        counts.append(kept.class_ids.tolist())
    assert [0, 1] in counts
    assert [1] in counts
    assert [] not in counts


def test_objects_without_a_mask_keep_the_box_of_their_corners() -> None:
    pixels, ground_truth = scene(np.random.default_rng(0), (90, 120), "filled")
    empty = replace(ground_truth, masks=(Rle.of(np.zeros((90, 120), np.bool_)),) * 3)
    turned = [
        render_rotated(pixels, each, Rotation(7.0, (90, 120)), (-20, -20, 140, 110), SIZE, min_size=1)[1]
        for each in (empty, replace(ground_truth, masks=None))
    ]
    assert len(turned[0]) == 3
    assert np.array_equal(turned[0].boxes_xyxy, turned[1].boxes_xyxy)


def test_large_images_are_averaged_and_not_sampled() -> None:
    """A pattern of single black and white pixels becomes gray; sampled pixels would be black and white."""
    pixels = np.zeros((800, 1000, 3), np.uint8)
    pixels[::2, ::2] = pixels[1::2, 1::2] = 255
    rotation = Rotation(20.0, (800, 1000))
    answer, _ = render_rotated(pixels, GroundTruth.empty(), rotation, (200, 200, 800, 600), (60, 90), min_size=1)
    assert np.abs(answer.astype(int) - 127).max() < 40


@pytest.mark.parametrize("many_sizes", [False, True])
@pytest.mark.parametrize("changes", STRETCHED)
def test_the_same_seed_gives_the_same_output(changes: str, many_sizes: bool) -> None:
    settings = replace(OFF, **STRETCHED[changes])
    if many_sizes and changes not in ALONE:
        return
    pixels, ground_truth = scene(np.random.default_rng(1), (90, 120), "box")
    before, seen = pixels.copy(), set()

    def other(number: int) -> tuple[Pixels, GroundTruth]:
        return scene(np.random.default_rng(number), (70, 80), "box")

    def change(seed: int) -> tuple[Pixels, GroundTruth]:
        rng = np.random.default_rng(seed)
        if many_sizes:
            asked = replace(KeepAspectTransform((60, 84, 100), 166, 0.5, (80, 100), (64, 75)), **STRETCHED[changes])
            return augment_many_sizes(pixels, ground_truth, asked, rng=rng)
        return augment(pixels, ground_truth, settings, size_hw=SIZE, rng=rng, others=other)

    for seed in SEEDS:
        one, again = change(seed), change(seed)
        assert np.array_equal(one[0], again[0])
        assert np.array_equal(one[1].boxes_xyxy, again[1].boxes_xyxy)
        seen.add(one[0].tobytes())
    assert np.array_equal(pixels, before)
    assert len(seen) > 1 or changes in ("vertical flip", "both flips")


@pytest.mark.parametrize("settings", [Augmentation(vertical_flip=0.5), Augmentation(), Augmentation(quarter_turn=0.5)])
def test_colors_change_inside_a_rotated_image_alone(settings: Augmentation) -> None:
    settings = replace(settings, photometric=1.0, rotation=1.0, max_rotation=45.0, iou_crop=0.0, zoom_out=0.0)
    for size in ((40, 50), (300, 400)):  # colors change before the resize, or after it
        white = np.full((*size, 3), 250, np.uint8)
        for seed in SEEDS:
            answer, _ = augment(white, GroundTruth.empty(), settings, size_hw=SIZE, rng=np.random.default_rng(seed))
            assert set(np.unique(answer.max(axis=2) > 60)) == {False, True}
            assert answer[answer.max(axis=2) <= 60].max() == 0


@pytest.mark.parametrize("name", ["vertical_flip", "quarter_turn", "rotation"])
def test_the_last_epochs_keep_flips_and_quarter_turns(name: str) -> None:
    kept = 0.0 if name == "rotation" else 0.4
    for settings in (Augmentation(**{name: 0.4}), KeepAspectTransform(**{name: 0.4})):  # type: ignore[arg-type]
        assert getattr(settings.without_strong_augmentation(), name) == kept


def test_without_the_new_changes_no_random_numbers_are_drawn() -> None:
    """The boxes are those that these seeds gave before there were rotations."""
    boxes = ground_truth_of([[5, 6, 60, 50], [20, 30, 90, 70]])
    given = [
        augment(photo((80, 100)), boxes, Augmentation(), size_hw=SIZE, rng=np.random.default_rng(seed))[1].boxes_xyxy
        for seed in range(4)
    ]
    assert [np.round(each, 3).tolist() for each in given] == [
        [[51.2, 7.2, 121.6, 60.0], [12.8, 36.0, 102.4, 84.0]],
        [[86.0, 14.6, 128.0, 41.0]],
        [[52.211, 0.0, 128.0, 74.0], [1.684, 34.0, 119.579, 96.0]],
        [[74.529, 24.45, 128.0, 49.75], [38.882, 38.25, 122.059, 61.25]],
    ]
