"""Segments of answers made by hand: what each rule promises."""

import dataclasses

import numpy as np
import pytest
import torch

from detcli.errors import UsageError
from detcli.inference.postprocessing.selection import NotFiniteError
from detcli.inference.segmentation.segment_postprocess import Rule, Task, to_segments
from detcli.inference.segmentation.segmentation_settings import SegmentationSettings
from detcli.structures.detections import Detections
from detcli.structures.network_io import Outputs
from tests.helpers.prediction_samples import (
    class_map,
    masks_of,
    one_image,
    outputs_of,
    random_outputs,
    segments_of,
)

TASKS: list[Task] = ["panoptic", "instance", "semantic"]
RULES: list[Rule] = ["original", "transformers"]
EVERY = [(task, rule) for task in TASKS for rule in RULES]
# A map is as large as the input and the image, so that a cell is a pixel.
SIZE = (6, 8)
FAR = 8.0


def where(rows: slice, columns: slice, high: float = FAR) -> torch.Tensor:
    """A mask's logits: high in a rectangle, as low elsewhere."""
    found = torch.full(SIZE, -high)
    found[rows, columns] = high
    return found


LEFT, RIGHT = where(slice(None), slice(0, 4)), where(slice(None), slice(4, 8))
ALL = where(slice(None), slice(None))


def found_in(
    class_ids: list[int], masks: list[torch.Tensor], segmenting: SegmentationSettings, scores: list[float] | None = None
) -> Detections:
    return segments_of(outputs_of(class_ids, torch.stack(masks), scores=scores), segmenting, SIZE, SIZE)


@pytest.mark.parametrize(("task", "rule"), EVERY)
def test_two_halves_are_two_segments_with_their_boxes_and_scores(task: Task, rule: Rule) -> None:
    found = found_in([3, 5], [LEFT, RIGHT], SegmentationSettings(task, rule), scores=[0.9, 0.95])
    assert found.class_ids.tolist() == [5, 3]  # sorted by score
    assert np.array_equal(masks_of(found), [(RIGHT > 0).numpy(), (LEFT > 0).numpy()])
    assert np.allclose(found.scores, [0.95, 0.9], atol=0.01)
    if task != "instance":
        assert found.boxes_xyxy.tolist() == [[4, 0, 8, 6], [0, 0, 4, 6]]


@pytest.mark.parametrize("rule", RULES)
def test_stuff_is_one_segment_and_things_are_not(rule: Rule) -> None:
    stuff = frozenset({3})
    merged = found_in([3, 3], [LEFT, RIGHT], SegmentationSettings("panoptic", rule, stuff=stuff))
    assert merged.class_ids.tolist() == [3]
    assert masks_of(merged).all()
    assert merged.boxes_xyxy.tolist() == [[0, 0, 8, 6]]
    assert len(found_in([3, 3], [LEFT, RIGHT], SegmentationSettings("panoptic", rule))) == 2


def test_fused_stuff_has_the_highest_score_by_transformers_rule() -> None:
    asked = SegmentationSettings("panoptic", "transformers", stuff=frozenset({3}))
    assert np.allclose(found_in([3, 3], [LEFT, RIGHT], asked, scores=[0.6, 0.8]).scores, [0.8])
    assert np.allclose(found_in([3, 3], [LEFT, RIGHT], asked, scores=[0.8, 0.6]).scores, [0.8])


def test_a_query_merged_by_the_original_rule_frees_its_pixels() -> None:
    other = torch.full(SIZE, -6.0)  # surer of the right half than the first query of the stuff
    masks = [LEFT - 1, RIGHT, other.index_fill(1, torch.tensor([0]), FAR + 2)]
    found = found_in([3, 3, 5], masks, SegmentationSettings("panoptic", stuff=frozenset({3})))
    expected = np.full(SIZE, 3)
    expected[:, 4:] = expected[:, 0] = 5
    assert np.array_equal(class_map(found, SIZE), expected)


def test_a_number_is_never_given_to_two_segments_after_fused_stuff() -> None:
    columns = [where(slice(None), slice(start, start + 2)) for start in (0, 2, 4, 6)]
    found = found_in([1, 2, 1, 4], columns, SegmentationSettings("panoptic", "transformers", stuff=frozenset({1})))
    assert sorted(found.class_ids.tolist()) == [1, 2, 4]
    assert class_map(found, SIZE)[0].tolist() == [1, 1, 2, 2, 1, 1, 4, 4]
    assert masks_of(found).sum() == 48


def test_four_pixels_are_too_few_by_the_original_rule_and_five_are_not() -> None:
    four = where(slice(0, 2), slice(0, 2), high=FAR + 1)
    five = four.clone()
    five[2, 0] = FAR + 1
    assert found_in([1, 2], [ALL, four], SegmentationSettings("panoptic")).class_ids.tolist() == [1]
    found = found_in([1, 2], [ALL, five], SegmentationSettings("panoptic"))
    assert sorted(found.class_ids.tolist()) == [1, 2]
    assert class_map(found, SIZE)[:3, :2].tolist() == [[2, 2], [2, 2], [2, 1]]


def test_pixels_of_a_tiny_segment_go_to_the_next_segment() -> None:
    tiny = where(slice(0, 1), slice(0, 4), high=FAR + 2)
    below = where(slice(0, 2), slice(0, 4), high=FAR + 1)  # has a row of four, and eight without the tiny one
    found = found_in([1, 2, 4], [ALL, tiny, below], SegmentationSettings("panoptic"))
    # All that is tiny goes at once, as in the original: both have four pixels.
    assert found.class_ids.tolist() == [1]
    larger = where(slice(0, 3), slice(0, 4), high=FAR + 1)
    found = found_in([1, 2, 4], [ALL, tiny, larger], SegmentationSettings("panoptic"))
    assert sorted(found.class_ids.tolist()) == [1, 4]
    assert (class_map(found, SIZE) == 4).sum() == 12


def test_a_query_that_is_tiny_after_reassignment_is_dropped_too() -> None:
    # The second pass gives the tiny one's pixels to the third; the image is then between two.
    tiny = where(slice(0, 1), slice(0, 1), high=FAR + 2)
    found = found_in([1, 2], [tiny, where(slice(0, 2), slice(0, 2))], SegmentationSettings("panoptic"))
    assert found.class_ids.tolist() == [2]
    assert masks_of(found).all()  # by this rule each pixel belongs to someone


def test_tiny_is_counted_at_the_images_size() -> None:
    outputs = outputs_of([1, 2], torch.stack([ALL, where(slice(0, 2), slice(0, 2), high=FAR + 1)]))
    assert len(segments_of(outputs, SegmentationSettings("panoptic"), (12, 16), SIZE)) == 2
    assert len(segments_of(outputs, SegmentationSettings("panoptic"), SIZE, SIZE)) == 1


@pytest.mark.parametrize(("left", "stays"), [(5, True), (4, False), (3, False)])
def test_a_covered_segment_is_dropped_by_transformers_rule(left: int, stays: bool) -> None:
    over = where(slice(None), slice(left, 8), high=FAR + 1)
    asked = SegmentationSettings("panoptic", "transformers", overlap_threshold=0.51)
    found = found_in([1, 2], [ALL, over], asked, scores=[0.9, 0.99])
    assert (1 in found.class_ids) == stays
    assert (class_map(found, SIZE)[:, :left] == (1 if stays else -1)).all()


def test_a_pixel_without_mask_goes_to_the_best_query_by_transformers() -> None:
    faint = [torch.full(SIZE, -2.0), torch.full(SIZE, -3.0)]
    strong = where(slice(0, 1), slice(0, 8))
    # `faint` has no pixel above one half, so it is dropped, and its pixels belong to no segment.
    found = found_in([1, 2, 4], [*faint, strong], SegmentationSettings("panoptic", "transformers"))
    assert found.class_ids.tolist() == [4]
    assert masks_of(found).sum() == 8


def test_original_instances_may_overlap_and_have_the_networks_boxes() -> None:
    outputs = outputs_of([1, 2], torch.stack([ALL, LEFT]), scores=[0.9, 0.8])
    boxes = torch.tensor([[[0.5, 0.5, 1.0, 1.0], [0.25, 0.5, 0.4, 1.5]]])
    found = segments_of(dataclasses.replace(outputs, boxes_cxcywh=boxes), SegmentationSettings("instance"), SIZE, SIZE)
    assert masks_of(found).sum(axis=(1, 2)).tolist() == [48, 24]
    assert np.allclose(found.boxes_xyxy, [[0, 0, 8, 6], [0.4, 0, 3.6, 6]], atol=1e-5)  # clipped to the image


def test_an_instance_needs_a_pixel_and_a_box() -> None:
    outputs = outputs_of([1, 2, 4], torch.stack([ALL, -ALL, ALL]))
    boxes = torch.tensor([[[0.5, 0.5, 1, 1], [0.5, 0.5, 1, 1], [2.0, 2.0, 0.5, 0.5]]])
    found = segments_of(dataclasses.replace(outputs, boxes_cxcywh=boxes), SegmentationSettings("instance"), SIZE, SIZE)
    assert found.class_ids.tolist() == [1]


@pytest.mark.parametrize("rule", RULES)
def test_stuff_has_no_instances(rule: Rule) -> None:
    found = found_in([1, 3], [LEFT, RIGHT], SegmentationSettings("instance", rule, stuff=frozenset({3})))
    assert found.class_ids.tolist() == [1]
    assert np.array_equal(masks_of(found)[0], (LEFT > 0).numpy())


def test_a_mask_has_the_pixels_above_its_threshold() -> None:
    slope = torch.linspace(-4, 4, 8).expand(SIZE)
    for least, columns in ((0.5, 4), (0.9, 2), (0.0, 8), (1.0, 0)):
        found = found_in([1], [slope], SegmentationSettings("instance", mask_threshold=least))
        assert (masks_of(found).sum() if len(found) else 0) == columns * 6


def test_a_semantic_segment_sums_its_queries_and_scores_the_mean() -> None:
    half = torch.zeros(SIZE)  # a probability of one half everywhere
    found = found_in([1, 2, 2], [LEFT, half, half], SegmentationSettings("semantic"), scores=[0.9, 0.6, 0.6])
    # left: 0.9 of class 1 against 0.6 of class 2; right: next to nothing against 0.6
    assert class_map(found, SIZE)[0].tolist() == [1] * 4 + [2] * 4
    assert np.allclose(found.scores, [0.9 + 0.4 / 7, 0.6], atol=1e-3)


def test_a_semantic_score_is_never_above_one() -> None:
    found = found_in([1] * 5, [ALL] * 5, SegmentationSettings("semantic"))
    assert found.scores.tolist() == [1.0]


@pytest.mark.parametrize(("task", "rule"), EVERY)
def test_a_class_filter_keeps_a_subset(task: Task, rule: Rule) -> None:
    outputs = random_outputs(3)
    asked = SegmentationSettings(task, rule, threshold=0.2, overlap_threshold=0.3)
    everything = segments_of(outputs, asked, (60, 80), (80, 107))
    some = segments_of(outputs, dataclasses.replace(asked, class_ids=(1, 3)), (60, 80), (80, 107))
    wanted = np.isin(everything.class_ids, (1, 3))
    assert 0 < wanted.sum() < len(wanted)
    assert np.array_equal(masks_of(some), masks_of(everything)[wanted])
    assert np.array_equal(some.scores, everything.scores[wanted])


@pytest.mark.parametrize(("task", "rule"), EVERY)
def test_the_best_are_kept_and_the_best_comes_first(task: Task, rule: Rule) -> None:
    asked = SegmentationSettings(task, rule, threshold=0.2, overlap_threshold=0.3)
    everything = segments_of(random_outputs(4), asked, (60, 80), (80, 107))
    assert (np.diff(everything.scores) <= 0).all()
    assert len(everything) > 2
    two = segments_of(random_outputs(4), dataclasses.replace(asked, max_detections=2), (60, 80), (80, 107))
    assert np.array_equal(masks_of(two), masks_of(everything)[:2])


@pytest.mark.parametrize(("task", "rule"), EVERY)
def test_a_score_equal_to_the_threshold_is_not_above_it(task: Task, rule: Rule) -> None:
    [score] = found_in([1], [ALL], SegmentationSettings(task, rule, threshold=0.1), scores=[0.7]).scores.tolist()
    assert len(found_in([1], [ALL], SegmentationSettings(task, rule, threshold=score), scores=[0.7])) == 0
    assert len(found_in([1], [ALL], SegmentationSettings(task, rule, threshold=score - 1e-6), scores=[0.7])) == 1


@pytest.mark.parametrize(
    ("task", "rule", "least"),
    [("panoptic", "original", 0.85), ("panoptic", "transformers", 0.5), ("instance", "original", 0.5)],
)
def test_the_default_threshold_is_that_of_the_rule(task: Task, rule: Rule, least: float) -> None:
    scores = [least - 0.01, least + 0.01]
    found = found_in([1, 2], [LEFT, RIGHT], SegmentationSettings(task, rule), scores=scores)
    assert found.class_ids.tolist() == [2]


@pytest.mark.parametrize(("task", "rule"), [pair for pair in EVERY if pair[0] != "semantic"])
def test_an_image_without_objects_has_no_segments(task: Task, rule: Rule) -> None:
    nothing = found_in([7, 7], [LEFT, RIGHT], SegmentationSettings(task, rule))
    assert len(nothing) == 0
    assert nothing.masks == ()


def test_only_tiny_segments_give_no_segments() -> None:
    outputs = outputs_of([1, 2], torch.zeros(2, 2, 2))
    assert len(segments_of(outputs, SegmentationSettings("panoptic"), (2, 2), (2, 2))) == 0


@pytest.mark.parametrize(("task", "rule"), EVERY)
@pytest.mark.parametrize("part", ["logits", "boxes_cxcywh", "masks"])
def test_nan_in_an_output_is_an_error_at_the_index_of_its_image(task: Task, rule: Rule, part: str) -> None:
    one = random_outputs(6)
    assert one.masks is not None
    both = {
        "logits": one.logits.repeat(2, 1, 1),
        "boxes_cxcywh": one.boxes_cxcywh.repeat(2, 1, 1),
        "masks": one.masks.repeat(2, 1, 1, 1),
    }
    both[part][0].view(-1)[7] = torch.nan
    batch = one_image((60, 80), (80, 107))
    batch = dataclasses.replace(
        batch,
        pixels=batch.pixels.repeat(2, 1, 1, 1),
        sizes_hw=batch.sizes_hw.repeat(2, 1),
        resized_hw=batch.resized_hw.repeat(2, 1),
    )
    bad, good = to_segments(Outputs(**both), batch, SegmentationSettings(task, rule, threshold=0.2))
    assert isinstance(bad, NotFiniteError)
    assert not isinstance(good, NotFiniteError)
    assert len(good) > 0


def test_a_network_without_masks_is_an_error() -> None:
    outputs = dataclasses.replace(random_outputs(0), masks=None)
    with pytest.raises(ValueError, match="no masks"):
        to_segments(outputs, one_image((60, 80), (80, 107)), SegmentationSettings("panoptic"))


def test_outputs_in_half_precision_are_accepted() -> None:
    outputs = random_outputs(7)
    assert outputs.masks is not None
    half = Outputs(outputs.logits.bfloat16(), outputs.boxes_cxcywh.bfloat16(), masks=outputs.masks.bfloat16())
    for task, rule in EVERY:
        assert len(segments_of(half, SegmentationSettings(task, rule, threshold=0.2), (60, 80), (80, 107))) > 0


@pytest.mark.parametrize("limit", [1, 300])
@pytest.mark.parametrize(("agnostic", "expected"), [(False, [5, 3]), (True, [5])])
def test_instances_with_duplicate_boxes_are_removed(agnostic: bool, expected: list[int], limit: int) -> None:
    asked = SegmentationSettings("instance", nms=0.7, nms_agnostic=agnostic, max_detections=limit)
    found = found_in([3, 5, 5, 3], [ALL] * 4, asked, scores=[0.9, 0.95, 0.85, 0.8])
    assert found.class_ids.tolist() == expected[:limit]
    assert len(found_in([3, 5, 5, 3], [ALL] * 4, SegmentationSettings("instance"))) == 4


def test_instances_of_disjoint_masks_have_their_own_boxes() -> None:
    asked = SegmentationSettings("instance", "transformers", nms=0.7)
    assert len(found_in([3, 3], [LEFT, RIGHT], asked)) == 2


@pytest.mark.parametrize("task", ["panoptic", "semantic"])
def test_segments_that_share_pixels_have_no_duplicates(task: Task) -> None:
    with pytest.raises(UsageError, match=f"`task={task}`, each pixel has one segment already"):
        SegmentationSettings(task, nms=0.7)


@pytest.mark.parametrize(("task", "rule"), [pair for pair in EVERY if pair[0] != "semantic"])
def test_each_class_of_segments_has_its_own_threshold(task: Task, rule: Rule) -> None:
    asked = SegmentationSettings(task, rule, threshold=0.6, class_thresholds=((3, 0.2), (5, 0.97)))
    found = found_in([3, 5, 1], [LEFT, RIGHT, RIGHT], asked, scores=[0.55, 0.95, 0.7])
    assert sorted(found.class_ids.tolist()) == [1, 3]
    assert asked.least_threshold == 0.2
