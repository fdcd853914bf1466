"""Mixup is the mean of two images near one half, with the objects of both."""

from dataclasses import replace

import numpy as np
import pytest

from detcli.datasets.transforms.mixup import OPAQUE, blended, mix
from detcli.structures.ground_truth import GroundTruth
from tests.helpers.annotated_datasets import ground_truth_of, photo
from tests.helpers.painted_objects import painted


def test_blending_is_the_weighted_mean_to_half_a_level() -> None:
    one, other = photo((40, 50), 1), photo((40, 50), 2)
    for weight in (0, 1, 100, 128, 255, 256):
        exact = (one * float(OPAQUE - weight) + other * float(weight)) / OPAQUE
        assert np.abs(blended(one, other, np.uint16(weight)) - exact).max() <= 0.5
    assert np.array_equal(blended(one, other, np.uint16(0)), one)
    assert np.array_equal(blended(one, other, np.uint16(OPAQUE)), other)


def test_the_ratio_is_between_45_and_55_percent() -> None:
    black, white = np.zeros((1, 1, 3), np.uint8), np.full((1, 1, 3), 255, np.uint8)
    images = (black, GroundTruth.empty()), (white, GroundTruth.empty())
    ratios = [mix(*images, rng=np.random.default_rng(seed))[0].mean() / 255 for seed in range(300)]
    assert 0.445 < min(ratios) < 0.46
    assert 0.54 < max(ratios) < 0.555


@pytest.mark.parametrize("masks", [True, False])
def test_all_boxes_and_masks_of_both_are_kept_unchanged(masks: bool) -> None:
    (pixels, one), (more, other) = painted(1), painted(2, first_id=101)
    other = replace(other, crowd=np.arange(len(other)) == 0)
    if not masks:
        one, other = replace(one, masks=None), replace(other, masks=None)
    _, kept = mix((pixels, one), (more, other), rng=np.random.default_rng(0))
    assert kept.boxes_xyxy.tolist() == [*one.boxes_xyxy.tolist(), *other.boxes_xyxy.tolist()]
    assert kept.class_ids.tolist() == [*one.class_ids.tolist(), *other.class_ids.tolist()]
    assert kept.crowd.tolist() == [*one.crowd.tolist(), *other.crowd.tolist()]
    assert kept.masks == ((*(one.masks or ()), *(other.masks or ())) if masks else None)


def test_images_without_boxes_mix_with_any() -> None:
    empty = (photo((60, 80)), GroundTruth.empty())
    for other in (painted(3), (photo((60, 80), 1), ground_truth_of([[1, 2, 30, 40]])), empty):
        for pair in ((empty, other), (other, empty)):
            _, kept = mix(*pair, rng=np.random.default_rng(0))
            assert kept.boxes_xyxy.tolist() == other[1].boxes_xyxy.tolist()
            assert (kept.masks or ()) == (other[1].masks or ())
