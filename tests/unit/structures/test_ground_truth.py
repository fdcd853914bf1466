"""Ground truth of several images is joined in order, with masks if all have them."""

import numpy as np
import pytest

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


def test_boxes_with_and_without_masks_cannot_be_joined() -> None:
    with pytest.raises(ValueError, match="masks for"):
        GroundTruth.joined([painted(1)[1], ground_truth_of([[1, 2, 3, 4]])])
