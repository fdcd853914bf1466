"""For any random numbers, boxes follow pixels and stay inside; the seed determines everything."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from detcli.datasets.transforms.augmentation import Augmentation, augment
from detcli.datasets.transforms.crop_regions import CropRegion, render
from detcli.datasets.transforms.orientation import Orientation
from detcli.inference.preprocessing.preprocessing import Preprocessing
from detcli.inference.preprocessing.resize_rules import FixedSize
from detcli.structures.frame import Pixels
from detcli.structures.ground_truth import GroundTruth
from tests.helpers.annotated_datasets import ground_truth_of, photo, with_filled_boxes
from tests.helpers.painted_objects import painted

OFF = Augmentation.off()
SIZE = (96, 128)
ALL_BUT_COLOR = replace(Augmentation(), photometric=0.0)
SEEDS = range(60)


def white_box(pixels: Pixels) -> list[int]:
    """Left, top, right and bottom of what is bright."""
    rows, columns = np.nonzero(pixels.mean(axis=2) > 127)
    return [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]


def bring(number: int) -> tuple[Pixels, GroundTruth]:
    size = (40 + number % 31, 40 + number % 37)
    return photo(size, number % 1000), ground_truth_of([[5, 6, 25, 30]], [number % 5])


def test_without_augmentation_the_output_is_the_resize_of_inference() -> None:
    for size in ((61, 83), (300, 200), SIZE):
        pixels = photo(size)
        answer, _ = augment(pixels, GroundTruth.empty(), OFF, size_hw=SIZE, rng=np.random.default_rng(0))
        assert np.array_equal(answer, Preprocessing(FixedSize(SIZE)).resize(Image.fromarray(pixels)))


def test_without_augmentation_boxes_scale_with_the_image() -> None:
    ground_truth = replace(ground_truth_of([[0, 0, 64, 48], [10, 12, 20, 24]]), crowd=np.array([False, True]))
    _, kept = augment(photo((48, 64)), ground_truth, OFF, size_hw=SIZE, rng=np.random.default_rng(0))
    assert np.allclose(kept.boxes_xyxy, ground_truth.boxes_xyxy * 2)
    assert kept.crowd.tolist() == [False, True]
    assert kept.class_ids.tolist() == [0, 1]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_box_stays_on_its_pixels(seed: int) -> None:
    rng = np.random.default_rng(seed)
    left, top = rng.integers(1, 80, 2)
    box = [left, top, left + rng.integers(15, 60), top + rng.integers(15, 60)]
    pixels, ground_truth = with_filled_boxes((150, 150), [box])
    answer, kept = augment(pixels, ground_truth, ALL_BUT_COLOR, size_hw=SIZE, rng=rng)
    assert len(kept) == 1
    assert np.abs(kept.boxes_xyxy[0] - white_box(answer)).max() <= 1


@pytest.mark.parametrize("mosaic", [0.0, 1.0])
@pytest.mark.parametrize("seed", SEEDS)
def test_boxes_stay_valid_and_inside_the_image(seed: int, mosaic: float) -> None:
    rng = np.random.default_rng(seed)
    size = (int(rng.integers(1, 90)), int(rng.integers(1, 90)))
    starts = rng.random((12, 2)) * [size[1], size[0]]
    ends = starts + rng.random((12, 2)) * ([size[1], size[0]] - starts)
    corners = np.concatenate([starts, ends], axis=1)
    settings = replace(Augmentation(), mosaic=mosaic)
    answer, kept = augment(photo(size), ground_truth_of(corners), settings, size_hw=SIZE, rng=rng, others=bring)
    assert answer.shape == (*SIZE, 3)
    assert answer.dtype == np.uint8
    assert answer.flags.c_contiguous
    boxes = kept.boxes_xyxy
    assert (boxes >= 0).all()
    assert (boxes <= [SIZE[1], SIZE[0]] * 2).all()
    assert (boxes[:, 2:] - boxes[:, :2] >= 1).all()


@pytest.mark.parametrize("mosaic", [0.0, 1.0])
def test_the_same_seed_gives_the_same_output_and_keeps_the_input(mosaic: float) -> None:
    settings = replace(Augmentation(), mosaic=mosaic)
    pixels, ground_truth = photo(), ground_truth_of([[3, 4, 40, 30], [20, 20, 50, 44]])
    before = pixels.copy()
    seen = set()
    for seed in SEEDS:
        first, second = (
            augment(pixels, ground_truth, settings, size_hw=SIZE, rng=np.random.default_rng(seed), others=bring)
            for _ in range(2)
        )
        assert np.array_equal(first[0], second[0])
        assert np.array_equal(first[1].boxes_xyxy, second[1].boxes_xyxy)
        seen.add(first[0].tobytes())
    assert len(seen) == len(SEEDS)
    assert np.array_equal(pixels, before)


def test_flipping_twice_changes_nothing() -> None:
    pixels, ground_truth = photo(), ground_truth_of([[3, 4, 40, 30.5]])
    flip = Orientation(horizontal_flip=True)
    once = flip.apply(pixels, ground_truth)
    assert not np.array_equal(once[0], pixels)
    back, same = flip.apply(*once)
    assert np.array_equal(back, pixels)
    assert np.array_equal(same.boxes_xyxy, ground_truth.boxes_xyxy)


def test_the_canvas_of_zoom_out_is_black_after_color_changes() -> None:
    settings = Augmentation(photometric=1.0, zoom_out=1.0, iou_crop=0.0, flip=0.0)
    white = np.full((40, 40, 3), 250, np.uint8)
    darkest = []
    for seed in SEEDS:
        whole = ground_truth_of([[0, 0, 40, 40]])
        answer, kept = augment(white, whole, settings, size_hw=SIZE, rng=np.random.default_rng(seed))
        left, top, right, bottom = kept.boxes_xyxy[0].round().astype(int)
        inside = answer[top:bottom, left:right]
        assert inside.min() > 60
        assert answer.sum(dtype=np.int64) == inside.sum(dtype=np.int64)
        darkest.append((right - left) * (bottom - top) / (SIZE[0] * SIZE[1]))
    assert 1 / 16 < min(darkest) < 0.1  # up to four times the sides
    assert max(darkest) > 0.5


def test_a_crop_contains_the_center_of_every_kept_box() -> None:
    settings = Augmentation(photometric=0.0, zoom_out=0.0, iou_crop=1.0, flip=0.0)
    boxes = [[x, y, x + 8, y + 8] for x in range(0, 60, 12) for y in range(0, 44, 12)]
    counts = []
    for seed in SEEDS:
        answer = augment(photo(), ground_truth_of(boxes), settings, size_hw=SIZE, rng=np.random.default_rng(seed))
        sides = answer[1].boxes_xyxy[:, 2:] - answer[1].boxes_xyxy[:, :2]
        whole = sides.max(axis=0)
        assert (sides >= whole / 2 - 1).all()  # clipped at an edge, never by more than half
        counts.append(len(answer[1]))
    assert 1 <= min(counts) < len(boxes) / 2
    assert max(counts) == len(boxes)  # the choice of no crop at all


def test_crops_are_not_chosen_for_crowds_or_empty_images() -> None:
    settings = Augmentation(photometric=0.0, zoom_out=0.0, iou_crop=1.0, flip=0.0)
    crowd = replace(ground_truth_of([[3, 4, 40, 30]]), crowd=np.array([True]))
    uncut = augment(photo(), GroundTruth.empty(), OFF, size_hw=SIZE, rng=np.random.default_rng(0))[0]
    for ground_truth in (crowd, GroundTruth.empty()):
        answer, kept = augment(photo(), ground_truth, settings, size_hw=SIZE, rng=np.random.default_rng(1))
        assert np.array_equal(answer, uncut)
        assert len(kept) == len(ground_truth)


def test_boxes_that_become_too_small_are_dropped() -> None:
    ground_truth = ground_truth_of([[0, 0, 1.9, 48], [0, 0, 2.1, 48], [0, 0, 0.9, 48]])
    kept = augment(photo((48, 64)), ground_truth, OFF, size_hw=(24, 32), rng=np.random.default_rng(0))[1]
    assert kept.class_ids.tolist() == [1]
    generous = replace(OFF, min_size=0.0)
    assert len(augment(photo((48, 64)), ground_truth, generous, size_hw=(24, 32), rng=np.random.default_rng(0))[1]) == 3


def test_a_region_beyond_the_image_is_black() -> None:
    pixels = photo((40, 60))
    canvas = np.zeros((100, 150, 3), np.uint8)
    canvas[30:70, 50:110] = pixels
    answer, kept = render(
        pixels, ground_truth_of([[0, 0, 60, 40]]), CropRegion(-50, -30, 100, 70), (100, 150), min_size=1
    )
    assert np.array_equal(answer, canvas)
    assert kept.boxes_xyxy.tolist() == [[50, 30, 110, 70]]


def test_a_mosaic_has_four_images_in_its_corners() -> None:
    settings = replace(OFF, mosaic=1.0)
    greys = iter((80, 120, 160))

    def plain(number: int) -> tuple[Pixels, GroundTruth]:
        grey = next(greys)
        return np.full((50, 70, 3), grey, np.uint8), ground_truth_of([[0, 0, 70, 50]], [grey])

    start = np.full((30, 30, 3), 40, np.uint8)
    whole = ground_truth_of([[0, 0, 30, 30]], [40])
    answer, kept = augment(start, whole, settings, size_hw=SIZE, rng=np.random.default_rng(3), others=plain)
    assert [answer[y, x, 0] for y in (0, -1) for x in (0, -1)] == [40, 80, 120, 160]
    assert answer.min() == 40
    for box, class_id in zip(kept.boxes_xyxy.astype(int), kept.class_ids, strict=True):
        assert (answer[box[1] : box[3], box[0] : box[2]] == class_id).all()


@pytest.mark.parametrize("seed", range(20))
def test_masks_of_a_mosaic_are_on_their_pixels(seed: int) -> None:
    """Four painted images whose objects have the classes 100, 130, 160 and 190: the mask of a class is where its gray is."""
    four = [painted(seed + first, count=1, first_id=first) for first in (100, 130, 160, 190)]
    others = iter(four[1:])
    answer, kept = augment(
        *four[0], replace(OFF, mosaic=1.0), size_hw=SIZE, rng=np.random.default_rng(seed), others=lambda _: next(others)
    )
    assert kept.masks is not None
    for class_id, mask, box in zip(kept.class_ids.tolist(), kept.masks, kept.boxes_xyxy, strict=True):
        assert mask.size_hw == SIZE
        shown = answer[..., 0] == class_id
        assert (shown & ~mask.decode()).sum() <= 0.05 * mask.area + 1  # mixed grays of others may be the same
        assert (mask.decode() & ~shown).sum() <= 0.5 * mask.area + 1  # and the edge is mixed with the background
        assert np.abs(np.array(mask.box_xyxy) - box).max() <= 3  # a crop may cut the mask within its box


def test_a_mosaic_without_other_images_is_rejected() -> None:
    with pytest.raises(ValueError, match="others"):
        augment(photo(), GroundTruth.empty(), replace(OFF, mosaic=1.0), size_hw=SIZE, rng=np.random.default_rng(0))


@pytest.mark.parametrize("wrong", [{"flip": 1.5}, {"zoom_out": -0.1}, {"mosaic": float("nan")}, {"min_size": -1.0}])
def test_invalid_settings_are_rejected(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Augmentation(**wrong)


def test_the_last_epochs_keep_only_the_flip() -> None:
    assert Augmentation(flip=0.3, mosaic=0.5, min_size=2).without_strong_augmentation() == replace(
        OFF, flip=0.3, min_size=2
    )
