"""What holds of any answer: padding changes nothing, and pixels are shared out once."""

import dataclasses

import numpy as np
import pytest
import torch

from detcli.inference.segmentation.segment_postprocess import Rule, Task, to_segments
from detcli.inference.segmentation.segmentation_settings import SegmentationSettings
from detcli.structures.detections import Detections
from detcli.structures.network_io import Batch, Outputs
from tests.helpers.prediction_samples import masks_of, one_image, padded, random_outputs, segments_of

EVERY: list[tuple[Task, Rule]] = [
    ("panoptic", "original"),
    ("panoptic", "transformers"),
    ("instance", "original"),
    ("instance", "transformers"),
    ("semantic", "original"),
]
STUFF = frozenset({0, 1})
# Images of one batch: their size, and that of the network's input.
IMAGES = [((50, 70), (80, 107)), ((131, 97), (109, 81)), ((44, 44), (80, 80))]
INPUT = (109, 107)


def asked(task: Task, rule: Rule) -> SegmentationSettings:
    stuff = STUFF if task == "panoptic" else frozenset[int]()
    return SegmentationSettings(task, rule, threshold=0.3, overlap_threshold=0.3, stuff=stuff)


def answers() -> list[Outputs]:
    cells = [tuple(-(-length // 4) for length in resized) for _, resized in IMAGES]
    return [random_outputs(seed, cells_hw=cell) for seed, cell in enumerate(cells)]  # type: ignore[arg-type]


def same(one: Detections, other: Detections) -> bool:
    return (
        np.array_equal(one.boxes_xyxy, other.boxes_xyxy)
        and np.array_equal(one.scores, other.scores)
        and np.array_equal(one.class_ids, other.class_ids)
        and one.masks == other.masks
    )


@pytest.mark.parametrize(("task", "rule"), EVERY)
def test_an_image_gives_the_same_segments_alone_and_in_a_padded_batch(task: Task, rule: Rule) -> None:
    single = answers()
    wide = [padded(outputs, resized, INPUT) for outputs, (_, resized) in zip(single, IMAGES, strict=True)]
    alone = [one_image(size, resized, INPUT) for size, resized in IMAGES]
    together = Batch(
        torch.cat([batch.pixels for batch in alone]),
        torch.cat([batch.mask for batch in alone if batch.mask is not None]),
        torch.cat([batch.sizes_hw for batch in alone]),
        torch.cat([batch.resized_hw for batch in alone]),
    )
    outputs = Outputs(
        torch.cat([one.logits for one in wide]),
        torch.cat([one.boxes_cxcywh for one in wide]),
        masks=torch.cat([one.masks for one in wide if one.masks is not None]),
    )
    found = to_segments(outputs, together, asked(task, rule))
    for one, answer, (size, resized) in zip(found, single, IMAGES, strict=True):
        assert isinstance(one, Detections)
        assert len(one) > 1
        assert same(one, segments_of(answer, asked(task, rule), size, resized))


@pytest.mark.parametrize(("task", "rule"), EVERY)
def test_infinity_over_padding_is_ignored(task: Task, rule: Rule) -> None:
    (size, resized), [answer, *_] = IMAGES[0], answers()
    wide = padded(answer, resized, (180, 160))
    assert wide.masks is not None
    wide.masks[..., 20:, :] = torch.inf
    found = segments_of(wide, asked(task, rule), size, resized, (180, 160))
    assert same(found, segments_of(answer, asked(task, rule), size, resized))


@pytest.mark.parametrize("stride", [1, 2, 4, 8, 32])
def test_padding_is_cut_off_whatever_the_networks_stride(stride: int) -> None:
    resized, wide = (67, 90), (101, 99)
    cells = (-(-resized[0] // stride), -(-resized[1] // stride))
    answer = random_outputs(1, cells_hw=cells)
    found = segments_of(padded(answer, resized, wide, stride), asked("semantic", "original"), (40, 50), resized, wide)
    assert same(found, segments_of(answer, asked("semantic", "original"), (40, 50), resized))


@pytest.mark.parametrize(("task", "rule"), [pair for pair in EVERY if pair != ("instance", "original")])
@pytest.mark.parametrize("seed", range(4))
def test_segments_do_not_overlap_and_have_their_bounding_boxes(task: Task, rule: Rule, seed: int) -> None:
    found = segments_of(random_outputs(seed), asked(task, rule), (61, 83), (80, 107))
    masks = masks_of(found)
    assert masks.sum(axis=0).max() == 1
    for mask, (left, top, right, bottom) in zip(masks, found.boxes_xyxy, strict=True):
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        assert [left, top, right, bottom] == [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]


@pytest.mark.parametrize(("task", "rule"), [("panoptic", "original"), ("semantic", "original")])
@pytest.mark.parametrize("size_hw", [(61, 83), (300, 401), (9, 500), (1, 1), (3, 2)])
def test_segments_fill_the_image(task: Task, rule: Rule, size_hw: tuple[int, int]) -> None:
    found = segments_of(random_outputs(0), asked(task, rule), size_hw, (80, 107))
    area = size_hw[0] * size_hw[1]
    if task == "panoptic" and area <= 6:
        assert len(found) <= 1  # four pixels are too few
    else:
        assert masks_of(found).sum() == area


@pytest.mark.parametrize(("task", "rule"), EVERY)
def test_each_stuff_class_has_one_segment_and_none_is_empty(task: Task, rule: Rule) -> None:
    for seed in range(4):
        found = segments_of(random_outputs(seed), asked(task, rule), (61, 83), (80, 107))
        assert found.masks is not None
        assert all(mask.area > 0 and mask.size_hw == (61, 83) for mask in found.masks)
        seen = found.class_ids.tolist()
        unique = STUFF if task == "panoptic" else set(range(7)) if task == "semantic" else set()
        assert all(seen.count(class_id) <= 1 for class_id in unique)


@pytest.mark.parametrize(("task", "rule"), EVERY)
def test_the_order_of_a_batch_changes_nothing(task: Task, rule: Rule) -> None:
    one, two = random_outputs(1), random_outputs(2)
    assert one.masks is not None
    assert two.masks is not None
    batch = one_image((61, 83), (80, 107))
    batch = dataclasses.replace(
        batch,
        pixels=batch.pixels.repeat(2, 1, 1, 1),
        sizes_hw=batch.sizes_hw.repeat(2, 1),
        resized_hw=batch.resized_hw.repeat(2, 1),
    )
    there = Outputs(
        torch.cat((one.logits, two.logits)),
        torch.cat((one.boxes_cxcywh, two.boxes_cxcywh)),
        masks=torch.cat((one.masks, two.masks)),
    )
    back = Outputs(there.logits.flip(0), there.boxes_cxcywh.flip(0), masks=torch.cat((two.masks, one.masks)))
    forward, backward = (to_segments(outputs, batch, asked(task, rule)) for outputs in (there, back))
    for first, second in zip(forward, reversed(backward), strict=True):
        assert isinstance(first, Detections)
        assert isinstance(second, Detections)
        assert same(first, second)
