"""The libraries of the COCO metrics: what they are given, and the arrays that they return."""

from typing import Any

import pytest

from detcli.evaluation.coco_library import compute_arrays, ground_truth_entry, installed_library, result_entry

BOX: dict[str, Any] = {"image_id": 7, "category_id": 3, "bbox": [1, 2, 4, 5]}
MASK = {"size": [2, 2], "counts": "04"}  # all four pixels


def test_entries_have_the_area_of_their_box_unless_it_is_given() -> None:
    assert ground_truth_entry(1, BOX, False)["area"] == 20
    assert ground_truth_entry(1, {**BOX, "area": 3.5}, False)["area"] == 3.5
    assert result_entry(1, {**BOX, "score": 0.5, "area": 3.5}, False)["area"] == 20


def test_a_result_with_a_mask_has_the_area_of_the_mask() -> None:
    assert result_entry(1, {**BOX, "score": 0.5, "segmentation": MASK}, True)["area"] == 4


def test_a_missing_mask_is_an_error() -> None:
    with pytest.raises(ValueError, match="missing mask"):
        result_entry(1, {**BOX, "score": 0.5}, True)
    with pytest.raises(ValueError, match="missing mask"):
        ground_truth_entry(1, {**BOX, "segmentation": []}, True)


def test_the_arrays_have_an_axis_of_categories_also_if_it_is_empty() -> None:
    document = {"images": [{"id": 1}], "categories": [{"id": 1}, {"id": 2}]}
    entry = ground_truth_entry(1, {**BOX, "image_id": 1, "category_id": 2}, False)
    precision, recall, scores = compute_arrays(installed_library(), document, [entry], [], "bbox")
    assert (precision.shape, recall.shape, scores.shape) == ((10, 101, 2, 4, 3), (10, 2, 4, 3), (10, 101, 2, 4, 3))
    assert (precision[:, :, 0] == -1).all(), "no ground truth of the first category"
    assert (precision[:, :, 1, 0] == 0).all(), "none of the second is found"
    precision, recall, scores = compute_arrays(installed_library(), {**document, "categories": []}, [], [], "bbox")
    assert (precision.shape, recall.shape, scores.shape) == ((10, 101, 0, 4, 3), (10, 0, 4, 3), (10, 101, 0, 4, 3))
