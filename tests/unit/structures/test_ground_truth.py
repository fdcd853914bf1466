"""Ground truth of several images is joined in order, with masks if some have them."""

import numpy as np

from detcli.structures.ground_truth import GroundTruth
from tests.helpers.annotated_datasets import ground_truth_of
from tests.helpers.painted_objects import painted


def test_joined_parts_have_all_rows_in_order() -> None:
    one, other = painted(1)[1], painted(2, first_id=101)[1]
    joined = GroundTruth.joined([one, GroundTruth.empty(), other])
    assert joined.boxes_xyxy.tolist() == [*one.boxes_xyxy.tolist(), *other.boxes_xyxy.tolist()]
    assert joined.class_ids.tolist() == [*one.class_ids.tolist(), *other.class_ids.tolist()]
    assert joined.crowd.tolist() == [False] * len(joined)
    assert joined.masks == (*(one.masks or ()), *(other.masks or ()))


def test_boxes_without_masks_stay_without() -> None:
    joined = GroundTruth.joined([ground_truth_of([[1, 2, 3, 4]]), GroundTruth.empty()])
    assert joined.masks is None
    assert np.array_equal(joined.boxes_xyxy, [[1, 2, 3, 4]])


def test_boxes_without_masks_get_empty_ones_where_others_have_masks() -> None:
    one, boxes = painted(1)[1], ground_truth_of([[1, 2, 3, 4], [5, 6, 7, 8]])
    joined = GroundTruth.joined([boxes, one])
    assert joined.masks is not None
    assert [(mask.size_hw, mask.area) for mask in joined.masks[:2]] == [((60, 80), 0)] * 2
    assert joined.masks[2:] == one.masks


def test_boxes_and_an_image_that_has_masks_but_no_objects_have_none() -> None:
    nothing = GroundTruth(np.zeros((0, 4)), np.zeros(0, np.int64), np.zeros(0, np.bool_), ())
    assert GroundTruth.joined([ground_truth_of([[1, 2, 3, 4]]), nothing]).masks is None
    assert GroundTruth.joined([GroundTruth.empty(), nothing]).masks == ()
