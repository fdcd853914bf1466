"""An image that was made of several has one segment of each class of stuff, with all of its pixels."""

from dataclasses import replace

import numpy as np
import pytest

from detcli.datasets.transforms.stuff_segments import unite_stuff
from detcli.structures.ground_truth import GroundTruth
from detcli.structures.masks import union
from tests.helpers.annotated_datasets import ground_truth_of
from tests.helpers.painted_objects import painted

TWO = GroundTruth.joined([painted(1)[1], painted(2)[1]])  # of the same classes


@pytest.mark.parametrize("stuff", [frozenset({2}), frozenset({2, 3, 4}), frozenset({77})])
def test_segments_of_stuff_are_united_and_things_stay(stuff: frozenset[int]) -> None:
    united = unite_stuff(TWO, stuff)
    assert TWO.masks is not None
    assert united.masks is not None
    for class_id in set(TWO.class_ids.tolist()):
        before, after = (np.flatnonzero(truth.class_ids == class_id).tolist() for truth in (TWO, united))
        if class_id in stuff:
            (row,) = after
            assert united.masks[row] == union([TWO.masks[row] for row in before])
            assert tuple(united.boxes_xyxy[row]) == united.masks[row].box_xyxy
        else:
            assert [united.masks[row] for row in after] == [TWO.masks[row] for row in before]


def test_crowds_and_boxes_without_masks_stay() -> None:
    crowd = replace(TWO, crowd=np.ones(len(TWO), np.bool_))
    assert len(unite_stuff(crowd, frozenset({2, 3}))) == len(TWO)
    boxes = ground_truth_of([[0, 0, 9, 9], [5, 5, 20, 20]], [2, 2])
    assert unite_stuff(boxes, frozenset({2})) is boxes
