"""Pasted objects hide what is below them: masks and boxes are those of the pixels that remain visible."""

from dataclasses import replace

import numpy as np
import pytest

from detcli.datasets.transforms.copy_paste import paste_objects
from detcli.structures.frame import Pixels
from detcli.structures.ground_truth import GroundTruth
from detcli.structures.masks import Rle
from tests.helpers.annotated_datasets import ground_truth_of, photo
from tests.helpers.painted_objects import ground_truth_shown, painted

NOTHING: frozenset[int] = frozenset()
SEEDS = range(40)
SIZE = (60, 80)


def paste(
    image: tuple[Pixels, GroundTruth],
    other: tuple[Pixels, GroundTruth],
    seed: int,
    stuff: frozenset[int] = NOTHING,
    *,
    boxes_alone: bool = False,
) -> tuple[Pixels, GroundTruth]:
    return paste_objects(image, other, stuff=stuff, rng=np.random.default_rng(seed), boxes_alone=boxes_alone)


def without_masks_of(image: tuple[Pixels, GroundTruth], rows: slice) -> tuple[Pixels, GroundTruth]:
    """The image, in which these objects have empty masks."""
    empty = Rle.empty(image[0].shape[:2])  # type: ignore[arg-type]
    masks = list(image[1].masks or ())
    masks[rows] = [empty] * len(masks[rows])
    return image[0], replace(image[1], masks=tuple(masks))


def grid_of_boxes(seed: int) -> np.ndarray:
    """Boxes with integer corners that do not touch each other."""
    rng = np.random.default_rng(seed)
    cells = [(x, y) for x in range(0, 80, 20) for y in range(0, 60, 20)]
    starts = np.array([cells[i] for i in rng.permutation(12)[: rng.integers(1, 6)]]) + rng.integers(0, 5, 2)
    return np.concatenate([starts, starts + rng.integers(6, 15, (len(starts), 2))], axis=1)


@pytest.mark.parametrize("seed", SEEDS)
def test_masks_and_boxes_are_those_of_the_visible_pixels(seed: int) -> None:
    image, other = painted(seed), painted(seed + 1000, first_id=101, background=100)
    output, kept = paste(image, other, seed)
    pasted = {int(value) for value in np.unique(output)} - set(range(8))
    assert pasted, "at least one object"
    assert 100 not in pasted, "no background of the other image"
    exact = ground_truth_shown(output, kept.class_ids.tolist())
    assert kept.masks == exact.masks
    assert kept.boxes_xyxy.tolist() == exact.boxes_xyxy.tolist()
    assert pasted <= set(kept.class_ids.tolist())
    below = output[..., 0] < 100
    assert np.array_equal(output[below], image[0][below])
    for class_id in image[1].class_ids.tolist():
        before, after = (int((pixels[..., 0] == class_id).sum()) for pixels in (image[0], output))
        assert (class_id in kept.class_ids) == (after >= 0.2 * before)


@pytest.mark.parametrize("seed", SEEDS)
def test_without_masks_boxes_are_those_of_what_no_rectangle_covers(seed: int) -> None:
    rng = np.random.default_rng(seed)
    starts = rng.integers(0, (70, 50), (8, 2))
    own = np.concatenate([starts, np.minimum(starts + rng.integers(3, 30, (8, 2)), (80, 60))], axis=1)
    boxes = grid_of_boxes(seed)
    image = photo(SIZE, 1), ground_truth_of(own)
    other = photo(SIZE, 2), ground_truth_of(boxes, np.arange(100, 100 + len(boxes)))
    output, kept = paste(image, other, seed)
    is_pasted = kept.class_ids >= 100
    assert is_pasted.any()
    assert kept.boxes_xyxy[is_pasted].tolist() == boxes[kept.class_ids[is_pasted] - 100].tolist()
    covered = np.zeros(SIZE, np.bool_)
    for left, top, right, bottom in kept.boxes_xyxy[is_pasted].astype(int):
        covered[top:bottom, left:right] = True
    assert np.array_equal(output[~covered], image[0][~covered])
    for class_id, (left, top, right, bottom) in enumerate(own):
        rows, columns = np.nonzero(~covered[top:bottom, left:right])
        share = len(rows) / ((bottom - top) * (right - left))
        assert (class_id in kept.class_ids) == (share >= 0.2)
        if share >= 0.2:
            seen = [left + columns.min(), top + rows.min(), left + columns.max() + 1, top + rows.max() + 1]
            assert kept.boxes_xyxy[kept.class_ids == class_id].tolist() == [seen]


def test_the_edge_of_a_pasted_box_fades_over_at_most_8_pixels() -> None:
    black, white = np.zeros((60, 60, 3), np.uint8), np.full((60, 60, 3), 255, np.uint8)
    box = ground_truth_of([[10, 10, 50, 50]])
    widths = set()
    for seed in range(100):
        output, _ = paste((black, GroundTruth.empty()), (white, box), seed)
        profile = output[30, 10:50, 0]
        assert (output[18:42, 18:42] == 255).all()
        assert np.array_equal(profile, profile[::-1])
        assert (np.diff(profile[:20].astype(int)) >= 0).all()
        assert profile[0] > 0
        widths.add(int((profile[:20] < 255).sum()))
    assert widths == set(range(9))


def test_the_edge_of_a_small_box_fades_over_a_quarter_of_it() -> None:
    black, white = np.zeros((60, 60, 3), np.uint8), np.full((60, 60, 3), 255, np.uint8)
    for seed in range(20):
        output, _ = paste((black, GroundTruth.empty()), (white, ground_truth_of([[10, 10, 14, 40]])), seed)
        assert (output[12:38, 11:13] == 255).all()


def test_objects_that_a_rectangle_shows_too_are_added_cut() -> None:
    """Two boxes overlap by half, a third by a tenth: with the first come half of the second and nothing of the third."""
    boxes = [[0, 0, 20, 20], [10, 0, 30, 20], [18, 0, 38, 20]]
    found = set()
    for seed in range(60):
        _, kept = paste((photo(SIZE), GroundTruth.empty()), (photo(SIZE, 1), ground_truth_of(boxes)), seed)
        found.add(tuple(zip(kept.class_ids.tolist(), map(tuple, kept.boxes_xyxy.tolist()), strict=True)))
    assert ((0, (0, 0, 20, 20)), (1, (10, 0, 20, 20))) in found
    assert ((0, (0, 0, 20, 20)), (1, (10, 0, 30, 20)), (2, (18, 0, 30, 20))) in found


@pytest.mark.parametrize("masks", [True, False])
def test_crowds_are_never_pasted_alone(masks: bool) -> None:
    pixels, ground_truth = painted(3)
    crowd = replace(
        ground_truth, crowd=np.ones(len(ground_truth), np.bool_), masks=ground_truth.masks if masks else None
    )
    image = painted(4)
    assert paste(image, (pixels, crowd), 0) is image


def test_a_crowd_that_a_rectangle_shows_stays_a_crowd() -> None:
    other = replace(ground_truth_of([[0, 0, 20, 20], [5, 5, 30, 30]]), crowd=np.array([False, True]))
    _, kept = paste((photo(SIZE), GroundTruth.empty()), (photo(SIZE, 1), other), 0)
    assert kept.crowd.tolist() == [False, True]
    assert kept.boxes_xyxy.tolist() == [[0, 0, 20, 20], [5, 5, 20, 20]]


@pytest.mark.parametrize("seed", range(10))
def test_a_crowd_of_the_image_loses_what_is_covered(seed: int) -> None:
    pixels, ground_truth = painted(seed)
    crowd = replace(ground_truth, crowd=np.ones(len(ground_truth), np.bool_))
    output, kept = paste((pixels, crowd), painted(seed + 1, first_id=101), seed)
    own = kept.class_ids < 100
    assert kept.crowd.tolist() == own.tolist()
    assert kept.masks == ground_truth_shown(output, kept.class_ids.tolist()).masks


@pytest.mark.parametrize("seed", range(10))
def test_stuff_is_not_pasted(seed: int) -> None:
    other = painted(seed, first_id=101)
    stuff = frozenset(other[1].class_ids[::2].tolist())
    output, kept = paste(painted(seed + 1), other, seed, stuff)
    assert not stuff & set(np.unique(output).tolist())
    assert not stuff & set(kept.class_ids.tolist())


def test_images_without_objects_give_and_take() -> None:
    image, empty = painted(1), (photo(SIZE), GroundTruth.empty())
    assert paste(image, empty, 0) is image
    output, kept = paste(empty, image, 0)
    assert kept.masks == ground_truth_shown(output, kept.class_ids.tolist()).masks
    assert len(kept)


def test_an_object_whose_mask_is_empty_is_not_pasted_and_not_changed() -> None:
    pixels, ground_truth = painted(2)
    empty = ground_truth_shown(pixels, [99])
    with_empty = GroundTruth.joined([ground_truth, replace(empty, boxes_xyxy=np.array([[0.0, 0.0, 30.0, 30.0]]))])
    _, kept = paste((pixels, with_empty), painted(5, first_id=101), 0)
    assert kept.boxes_xyxy[kept.class_ids == 99].tolist() == [[0, 0, 30, 30]]
    for seed in range(20):
        assert 99 not in paste(painted(5), (pixels, with_empty), seed)[1].class_ids


def test_from_one_to_all_objects_are_pasted() -> None:
    other = painted(8, count=3, first_id=101)
    counts = [int((paste(painted(9), other, seed)[1].class_ids > 100).sum()) for seed in range(300)]
    assert len(other[1]) == 3
    assert all(70 < counts.count(count) < 130 for count in (1, 2, 3))


@pytest.mark.parametrize("masks", [True, False])
def test_the_same_seed_gives_the_same_bytes_and_keeps_the_input(masks: bool) -> None:
    images = [painted(seed) for seed in (1, 2)]
    if not masks:
        images = [(pixels, replace(ground_truth, masks=None)) for pixels, ground_truth in images]
    before = [(pixels.copy(), ground_truth.boxes_xyxy.copy()) for pixels, ground_truth in images]
    first, second = (paste(images[0], images[1], 7) for _ in range(2))
    assert first[0].tobytes() == second[0].tobytes()
    assert first[1].boxes_xyxy.tobytes() == second[1].boxes_xyxy.tobytes()
    assert first[1].masks == second[1].masks
    for (pixels, ground_truth), (old_pixels, old_boxes) in zip(images, before, strict=True):
        assert np.array_equal(pixels, old_pixels)
        assert np.array_equal(ground_truth.boxes_xyxy, old_boxes)


@pytest.mark.parametrize("seed", SEEDS)
def test_boxes_alone_are_pasted_by_masks_where_all_have_them(seed: int) -> None:
    image, other = painted(seed), painted(seed + 1000, first_id=101, background=100)
    pixels, kept = paste(image, other, seed, boxes_alone=True)
    expected, with_masks = paste(image, other, seed)
    assert np.array_equal(pixels, expected)
    assert np.array_equal(kept.boxes_xyxy, with_masks.boxes_xyxy)
    assert np.array_equal(kept.class_ids, with_masks.class_ids)
    assert kept.masks is None


@pytest.mark.parametrize("seed", SEEDS[:10])
def test_boxes_alone_without_masks_give_the_same_bytes_as_before(seed: int) -> None:
    image, other = painted(seed), painted(seed + 1000, first_id=101)
    image, other = ((pixels, replace(truth, masks=None)) for pixels, truth in (image, other))
    before = paste(image, other, seed)
    none = slice(None)
    of_mixed_data = without_masks_of(painted(seed), none), without_masks_of(painted(seed + 1000, first_id=101), none)
    for pair in ((image, other), of_mixed_data):
        pixels, kept = paste(*pair, seed, boxes_alone=True)
        assert pixels.tobytes() == before[0].tobytes()
        assert kept.boxes_xyxy.tobytes() == before[1].boxes_xyxy.tobytes()
        assert kept.class_ids.tobytes() == before[1].class_ids.tobytes()


@pytest.mark.parametrize("missing", ["of the image", "of the other one", "some of both"])
@pytest.mark.parametrize("seed", SEEDS[:20])
def test_objects_without_a_mask_are_pasted_and_covered_by_their_boxes(seed: int, missing: str) -> None:
    image, other = painted(seed), painted(seed + 1000, first_id=101, background=100)
    if missing != "of the other one":
        image = without_masks_of(image, slice(None) if missing == "of the image" else slice(0, None, 2))
    if missing != "of the image":
        other = without_masks_of(other, slice(None) if missing == "of the other one" else slice(0, None, 2))
    output, kept = paste(image, other, seed, boxes_alone=True)
    changed = (output != image[0]).any(axis=2)
    assert changed.any()
    for row, class_id in enumerate(image[1].class_ids.tolist()):
        region = region_of(image[1], row)
        left = region & ~changed_by(other[1], changed)
        share = left.sum() / region.sum()
        if abs(share - 0.2) > 0.02:
            assert (class_id in kept.class_ids) == (share >= 0.2)
        if class_id in kept.class_ids and share < 1:
            assert kept.boxes_xyxy[kept.class_ids == class_id].tolist() == [list(Rle.of(left).box_xyxy)]
    for class_id in kept.class_ids[kept.class_ids > 100].tolist():
        shown = (output[..., 0] == class_id).any()
        assert shown or missing != "of the image"


def region_of(ground_truth: GroundTruth, row: int) -> np.ndarray:
    """The pixels of an object: its mask, or its box."""
    mask = (ground_truth.masks or ())[row].decode()
    if not mask.any():
        left, top, right, bottom = ground_truth.boxes_xyxy[row].astype(int)
        mask[top:bottom, left:right] = True
    return mask


def changed_by(other: GroundTruth, changed: np.ndarray) -> np.ndarray:
    """The pixels of all objects whose own pixels have changed: of pasted images, background and objects differ everywhere."""
    regions = [region_of(other, row) for row in range(len(other))]
    return np.logical_or.reduce([region for region in regions if changed[region].all()])


@pytest.mark.parametrize("boxes_alone", [False, True])
def test_a_pasted_object_that_was_partly_hidden_has_the_box_of_its_mask(boxes_alone: bool) -> None:
    """Its annotated box has the hidden part, too, which is not pasted; a box that fits to a pixel stays as annotated."""
    mask = np.zeros(SIZE, np.bool_)
    mask[10:30, 10:20] = True
    both = Rle.of(mask), Rle.of(mask[:, ::-1])
    other = photo(SIZE, 1), replace(ground_truth_of([[10, 10, 50, 30], [59.25, 10, 70.5, 30.75]]), masks=both)
    for seed in range(8):
        _, kept = paste((photo(SIZE), GroundTruth.empty()), other, seed, boxes_alone=boxes_alone)
        for class_id, box in zip(kept.class_ids.tolist(), kept.boxes_xyxy.tolist(), strict=True):
            assert box == [[10, 10, 20, 30], [59.25, 10, 70.5, 30.75]][class_id]
