"""For any random numbers, boxes and masks follow pixels, and sizes are the requested ones."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from detcli.datasets.transforms.keep_aspect import KeepAspectTransform, augment_many_sizes
from detcli.structures.frame import Pixels
from detcli.structures.ground_truth import GroundTruth
from detcli.structures.masks import Rle
from detcli.structures.resize import shortest_edge_hw
from tests.helpers.annotated_datasets import ground_truth_of, photo, with_filled_boxes

# The published ones, an eighth as large.
SMALL = KeepAspectTransform(tuple(range(60, 101, 4)), 166, 0.5, (50, 62, 75), (48, 75))
SEEDS = range(60)


def with_filled_masks(size_hw: tuple[int, int], boxes: list[list[int]]) -> tuple[Pixels, GroundTruth]:
    pixels, ground_truth = with_filled_boxes(size_hw, boxes)
    masks = []
    for left, top, right, bottom in boxes:
        mask = np.zeros(size_hw, np.bool_)
        mask[top:bottom, left:right] = True
        masks.append(Rle.of(mask))
    return pixels, replace(ground_truth, masks=tuple(masks))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_box_and_its_mask_stay_on_their_pixels(seed: int) -> None:
    rng = np.random.default_rng(seed)
    left, top = (int(side) for side in rng.integers(1, 60, 2))
    box = [left, top, left + int(rng.integers(15, 60)), top + int(rng.integers(15, 60))]
    pixels, ground_truth = with_filled_masks((130, 150), [box])
    answer, kept = augment_many_sizes(pixels, ground_truth, SMALL, rng=rng)
    bright = answer.mean(axis=2) > 127
    if not len(kept):
        assert bright.sum() == 0
        return
    rows, columns = np.nonzero(bright)
    seen = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    assert np.abs(kept.boxes_xyxy[0] - seen).max() <= 1
    assert kept.masks is not None
    mask = kept.masks[0]
    assert mask.size_hw == answer.shape[:2]
    assert np.abs(np.array(mask.box_xyxy) - seen).max() <= 1
    grown = np.pad(bright, 1)
    near = np.stack(
        [grown[1 + y : y + 1 + len(bright), 1 + x : x + 1 + bright.shape[1]] for y in (-1, 0, 1) for x in (-1, 0, 1)]
    )
    assert near.any(axis=0)[mask.decode()].all()
    assert mask.decode()[near.all(axis=0)].all()


@pytest.mark.parametrize("seed", SEEDS)
def test_boxes_stay_valid_and_inside_the_image(seed: int) -> None:
    rng = np.random.default_rng(seed)
    size = (int(rng.integers(1, 90)), int(rng.integers(1, 90)))
    starts = rng.random((12, 2)) * [size[1], size[0]]
    corners = np.concatenate([starts, starts + rng.random((12, 2)) * ([size[1], size[0]] - starts)], axis=1)
    answer, kept = augment_many_sizes(photo(size), ground_truth_of(corners), replace(SMALL, photometric=0.5), rng=rng)
    assert answer.dtype == np.uint8
    boxes, (height, width) = kept.boxes_xyxy, answer.shape[:2]
    assert (boxes >= 0).all()
    assert (boxes <= [width + 1e-9, height + 1e-9] * 2).all()
    assert (boxes[:, 2:] > boxes[:, :2]).all()


def test_sizes_are_the_requested_ones() -> None:
    uncut = replace(SMALL, crop=0.0)
    sizes = set()
    for seed in range(200):
        answer, _ = augment_many_sizes(photo((120, 160)), GroundTruth.empty(), uncut, rng=np.random.default_rng(seed))
        sizes.add(answer.shape[:2])
    assert sizes == {shortest_edge_hw((120, 160), edge, 166) for edge in SMALL.shortest_edges}


def test_no_side_exceeds_the_longest_edge() -> None:
    for seed in SEEDS:
        answer, _ = augment_many_sizes(photo((40, 200)), GroundTruth.empty(), SMALL, rng=np.random.default_rng(seed))
        assert max(answer.shape[:2]) <= 166


def test_half_of_the_images_are_cropped_and_half_are_flipped() -> None:
    pixels, ground_truth = with_filled_boxes((100, 100), [[0, 0, 10, 10]])
    still = replace(SMALL, shortest_edges=(100,))
    whole = [
        kept.boxes_xyxy[0].tolist()
        for seed in range(400)
        for kept in [augment_many_sizes(pixels, ground_truth, still, rng=np.random.default_rng(seed))[1]]
        if len(kept) and kept.boxes_xyxy[0, 2] - kept.boxes_xyxy[0, 0] == 10
    ]
    assert 150 < len(whole) < 250
    assert 0.4 < sum(box == [90, 0, 100, 10] for box in whole) / len(whole) < 0.6


def test_a_crop_has_sides_within_bounds() -> None:
    """The image is of columns that tell where they are: a part is seen by the columns it shows."""
    ramp = np.repeat(np.arange(0, 250, 2, dtype=np.uint8)[None, :, None], 125, 0).repeat(3, 2)
    always = KeepAspectTransform((125,), 1000, 1.0, (125,), (48, 75), flip=0.0)
    shares = []
    for seed in range(200):
        answer, _ = augment_many_sizes(ramp, GroundTruth.empty(), always, rng=np.random.default_rng(seed))
        shares.append((int(answer[0, -1, 0]) - int(answer[0, 0, 0])) / 2 + 1)
    assert 47 <= min(shares) < 52
    assert 71 < max(shares) <= 76


def test_without_augmentation_the_output_is_the_resize_of_inference() -> None:
    calm = replace(SMALL, flip=0.0).without_strong_augmentation()
    for size in ((61, 83), (300, 200), (100, 40)):
        pixels = photo(size)
        answer, _ = augment_many_sizes(pixels, GroundTruth.empty(), calm, rng=np.random.default_rng(0))
        height, width = shortest_edge_hw(size, 100, 166)
        assert np.array_equal(
            answer, np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.BILINEAR))
        )


def test_boxes_outside_a_crop_are_dropped_with_their_masks() -> None:
    pixels, ground_truth = with_filled_masks((100, 100), [[0, 0, 4, 4], [96, 96, 100, 100], [30, 30, 70, 70]])
    always = replace(SMALL, crop=1.0)
    counts = set()
    for seed in SEEDS:
        _, kept = augment_many_sizes(pixels, ground_truth, always, rng=np.random.default_rng(seed))
        assert kept.masks is not None
        assert len(kept.masks) == len(kept)
        counts.add(len(kept))
    assert {1, 2} <= counts


def test_the_same_seed_gives_the_same_output_and_keeps_the_input() -> None:
    pixels, ground_truth = with_filled_masks((90, 120), [[3, 4, 40, 30]])
    before = pixels.copy()
    for seed in SEEDS:
        one, other = (
            augment_many_sizes(pixels, ground_truth, SMALL, rng=np.random.default_rng(seed)) for _ in range(2)
        )
        assert np.array_equal(one[0], other[0])
        assert np.array_equal(one[1].boxes_xyxy, other[1].boxes_xyxy)
        assert one[1].masks == other[1].masks
    assert np.array_equal(pixels, before)


@pytest.mark.parametrize(
    ("size", "resized"),
    [((480, 640), (800, 1066)), ((427, 640), (800, 1199)), ((801, 1334), (800, 1332)), ((640, 480), (1066, 800)),
     ((600, 1200), (666, 1333)), ((800, 900), (800, 900)), ((100, 100), (800, 800))],
)  # fmt: skip
def test_sizes_round_as_in_the_original(size: tuple[int, int], resized: tuple[int, int]) -> None:
    # As transformers 5.23's DetrImageProcessor gives them.
    assert shortest_edge_hw(size, 800, 1333) == resized
