"""Detections: iteration, indexing, equality, text and conversions."""

import json
import pickle
import sys
from dataclasses import FrozenInstanceError, replace
from typing import Any

import numpy as np
import pytest
import torch

from detcli.errors import UsageError
from detcli.structures.class_labels import ClassLabels
from detcli.structures.detections import Detection, Detections
from detcli.structures.frame import Frame, Origin
from detcli.structures.json_records import to_record
from detcli.structures.masks import Rle

LABELS = ClassLabels.from_names(["cat", "dog", "bird"])
BOXES = [[0.0, 0.0, 4.0, 5.0], [1.0, 1.0, 3.0, 3.0], [2.0, 2.5, 8.0, 9.0]]
MASKS = tuple(Rle.of(np.arange(100).reshape(10, 10) % (step + 2) == 0) for step in range(3))


def three(**fields: Any) -> Detections:
    return Detections(
        **{"boxes_xyxy": BOXES, "scores": [0.875, 0.5, 0.25], "class_ids": [1, 0, 1], "labels": LABELS} | fields
    )


def complete() -> Detections:
    return three(masks=MASKS, track_ids=[7, 8, 9])


def test_iteration_gives_a_record_of_python_values_each() -> None:
    first, *others = complete()
    assert first == Detection("dog", 0.875, 1, (0.0, 0.0, 4.0, 5.0), MASKS[0], 7)
    assert type(first.score) is float
    assert type(first.class_id) is int
    assert [detection.label for detection in others] == ["cat", "dog"]


def test_iteration_without_labels_gives_no_names() -> None:
    assert [(detection.label, detection.class_id) for detection in three(labels=None)] == [
        (None, 1),
        (None, 0),
        (None, 1),
    ]


def test_fields_are_converted_to_their_types() -> None:
    detections = three(track_ids=[1, 2, 3])
    assert [field.dtype.name for field in (detections.boxes_xyxy, detections.scores)] == ["float64", "float32"]
    assert detections.class_ids.dtype == np.int64
    assert detections.track_ids is not None
    assert detections.track_ids.dtype == np.int64


@pytest.mark.parametrize("index", [0, -1, 2, np.int64(1)])
def test_an_integer_gives_one_detection(index: int) -> None:
    assert complete()[index] == list(complete())[index]


@pytest.mark.parametrize("index", [3, -4, np.int64(3)])
def test_an_integer_out_of_range_is_an_index_error(index: int) -> None:
    with pytest.raises(IndexError, match="out of range: there are 3 detections"):
        complete()[index]


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        (slice(1, None), [1, 2]),
        (slice(None, None, -1), [2, 1, 0]),
        (slice(5, 9), []),
        (np.array([True, False, True]), [0, 2]),
        ([False, True, False], [1]),
        (np.array([2, 0]), [2, 0]),
        ([-1], [2]),
        ([], []),
        (np.array([]), []),
        (np.zeros(0, np.int64), []),
    ],
)
def test_slices_masks_and_indices_select_all_fields(selector: Any, expected: list[int]) -> None:
    rows = list(complete())
    selected = complete()[selector]
    assert isinstance(selected, Detections)
    assert list(selected) == [rows[index] for index in expected]
    assert selected.labels == LABELS
    assert selected.masks is not None


def test_a_comparison_of_a_field_selects() -> None:
    detections = three()
    assert detections[detections.scores > 0.4].scores.tolist() == [0.875, 0.5]
    assert detections[detections.class_names == "dog"].class_ids.tolist() == [1, 1]


@pytest.mark.parametrize("mask", [[True], [True] * 4, np.zeros(0, np.bool_)])
def test_a_mask_of_another_length_is_an_index_error(mask: Any) -> None:
    with pytest.raises(IndexError, match=rf"a mask of length {len(mask)} cannot select from 3 detections"):
        three()[mask]


@pytest.mark.parametrize("indices", [[0, 3], [-4], np.array([9])])
def test_indices_out_of_range_are_an_index_error(indices: Any) -> None:
    with pytest.raises(IndexError, match="an index is out of range"):
        three()[indices]


def test_an_array_of_two_dimensions_is_an_index_error() -> None:
    with pytest.raises(IndexError, match=r"must have the shape \[N\], not \[1, 3\]"):
        three()[np.array([[True, False, True]])]


@pytest.mark.parametrize("index", [None, "dog", 1.0, True, np.True_, [0.5], ["dog"], np.array(1)])
def test_other_indices_are_a_type_error(index: Any) -> None:
    with pytest.raises(TypeError, match="are indexed by an integer, a slice, a bool mask or an array of integers"):
        three()[index]


def test_the_length_is_the_number_of_detections() -> None:
    assert len(three()) == 3
    assert not Detections.empty()
    assert list(Detections.empty(LABELS)) == []


def test_equal_fields_make_equal_detections() -> None:
    assert complete() == complete()
    assert three() == three(boxes_xyxy=np.array(BOXES, np.float32))
    assert Detections([], [], []) == Detections.empty()


@pytest.mark.parametrize(
    "field",
    [
        {"boxes_xyxy": [[0.0, 0.0, 4.0, 5.5], *BOXES[1:]]},
        {"scores": [0.9, 0.5, 0.25]},
        {"class_ids": [1, 1, 1]},
        {"masks": MASKS[::-1]},
        {"masks": None},
        {"track_ids": [7, 8, 10]},
        {"track_ids": None},
        {"labels": None},
        {"labels": ClassLabels.from_names(["a", "b", "c"])},
    ],
)
def test_another_value_of_any_field_makes_them_unequal(field: dict[str, Any]) -> None:
    assert replace(complete(), **field) != complete()
    assert complete() != replace(complete(), **field)


def test_detections_differ_from_other_types_and_other_lengths() -> None:
    assert three() != [*three()]
    assert three() != three()[:2]
    assert three() != Detections.empty(LABELS)


def test_detections_cannot_be_changed_or_hashed() -> None:
    with pytest.raises(FrozenInstanceError):
        three().scores = np.zeros(3, np.float32)  # type: ignore[misc]
    with pytest.raises(TypeError, match="unhashable"):
        hash(three())


@pytest.mark.parametrize(
    ("detections", "text"),
    [
        (three(), "Detections(3: 2 dog, 1 cat)"),
        (three(labels=None), "Detections(3)"),
        (complete(), "Detections(3 with masks and track_ids: 2 dog, 1 cat)"),
        (Detections.empty(LABELS), "Detections(0)"),
    ],
)
def test_the_representation_counts_classes(detections: Detections, text: str) -> None:
    assert repr(detections) == text


def test_the_representation_of_many_classes_stays_short() -> None:
    labels = ClassLabels.from_names([f"class {index}" for index in range(300)])
    many = Detections(np.zeros((300, 4)), np.ones(300), np.arange(300), labels=labels)
    assert repr(many).endswith("1 class 4, 295 others)")
    assert len(repr(many)) < 100


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"boxes_xyxy": BOXES[:2]}, r"`boxes_xyxy` must have the shape \[3, 4\] for 3 scores, not \[2, 4\]"),
        ({"boxes_xyxy": [[1.0, 2.0]] * 3}, r"`boxes_xyxy` must have the shape \[3, 4\]"),
        ({"class_ids": [1]}, r"`class_ids` must have the shape \[3\]"),
        ({"scores": 0.5}, r"`scores` must have the shape \[N\]"),
        ({"track_ids": [1]}, r"`track_ids` must have the shape \[3\]"),
        ({"masks": MASKS[:1]}, "there are 1 `masks` for 3 scores"),
        ({"class_ids": [0, 1, 3]}, "`class_ids` must lie between 0 and 2: there are 3 labels"),
        ({"class_ids": [0, 1, -1]}, "`class_ids` must lie between 0 and 2"),
    ],
)
def test_fields_that_do_not_fit_together_are_a_value_error(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        three(**fields)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"boxes_xyxy": None}, "`boxes_xyxy` must be an array of numbers, not NoneType"),
        ({"scores": None}, "`scores` must be an array of numbers"),
        ({"scores": ["high"] * 3}, "`scores` must be an array of numbers, not list"),
        ({"class_ids": [0.5, 1.0, 0.0]}, "`class_ids` must be an array of integers"),
        ({"labels": ["cat", "dog"]}, "`labels` must be ClassLabels or None, not list"),
    ],
)
def test_fields_of_a_wrong_type_are_a_type_error(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        three(**fields)


@pytest.mark.parametrize("detections", [three(), complete(), Detections.empty(LABELS)])
def test_to_dict_has_the_entries_of_the_json_record(detections: Detections) -> None:
    frame = Frame(Origin(0, "a.png", "a.png", "a"), (10, 10), None)
    assert detections.to_dict() == {"detections": to_record(frame, detections, LABELS)["detections"]}
    json.dumps(detections.to_dict())


def test_to_dict_without_labels_has_no_names() -> None:
    [first, *_] = three(labels=None).to_dict()["detections"]
    assert (first["label"], first["label_id"], first["category_id"]) == (None, 1, None)


def test_to_coco_gives_results_with_category_ids_of_the_labels() -> None:
    assert three().to_coco(image_id=42)[1] == {
        "image_id": 42,
        "category_id": 1,
        "bbox": [1.0, 1.0, 2.0, 2.0],
        "score": 0.5,
    }
    [first, *_] = complete().to_coco(7)
    assert first == {
        "image_id": 7,
        "category_id": 2,
        "segmentation": MASKS[0].as_json(),
        "score": 0.875,
        "track_id": 7,
    }
    assert Detections.empty(LABELS).to_coco(1) == []


@pytest.mark.parametrize("image_id", [None, "1", 1.5, True])
def test_to_coco_takes_only_integers_as_image_id(image_id: Any) -> None:
    with pytest.raises(TypeError, match="`image_id` must be an integer"):
        three().to_coco(image_id)


def test_what_needs_labels_names_the_missing_labels() -> None:
    unlabeled = three(labels=None)
    for use in (lambda: unlabeled.to_coco(1), lambda: unlabeled.class_names):
        with pytest.raises(UsageError, match="these detections have no labels"):
            use()


@pytest.mark.parametrize("package", ["supervision", "pandas"])
def test_a_missing_package_is_named_with_its_installation(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=f"pip install {package}"):
        getattr(three(), f"to_{package}")()


def test_to_supervision_carries_all_fields() -> None:
    supervision = pytest.importorskip("supervision")
    converted = complete().to_supervision()
    assert isinstance(converted, supervision.Detections)
    assert converted.xyxy.tolist() == BOXES
    assert converted.mask.shape == (3, 10, 10)
    assert converted.tracker_id.tolist() == [7, 8, 9]
    assert converted.data["class_name"].tolist() == ["dog", "cat", "dog"]
    assert len(three()[[]].to_supervision()) == 0


def test_to_pandas_has_a_row_per_detection() -> None:
    pytest.importorskip("pandas")
    table = complete().to_pandas()
    assert table.columns.tolist() == ["label", "class_id", "score", "x_min", "y_min", "x_max", "y_max", "track_id"]
    assert table["label"].tolist() == ["dog", "cat", "dog"]
    assert len(three(labels=None)[[]].to_pandas()) == 0


def test_pickling_keeps_all_fields() -> None:
    assert pickle.loads(pickle.dumps(complete())) == complete()


@pytest.mark.parametrize("selector", [torch.tensor([2]), torch.tensor([False, False, True]), np.array([2], np.uint64)])
def test_a_selector_of_one_is_still_a_selection(selector: Any) -> None:
    assert complete()[selector] == complete()[[2]]


def test_a_mask_of_one_selects_from_one() -> None:
    one = complete()[:1]
    assert len(one[torch.tensor([False])]) == 0
    assert one[torch.tensor([True])] == one


def test_numbers_above_int64_do_not_wrap_around() -> None:
    huge = np.array([2**64 - 1], np.uint64)
    with pytest.raises(IndexError, match="out of range"):
        complete()[huge]
    with pytest.raises(ValueError, match="`class_ids` has a number above the range of int64"):
        Detections([[1, 2, 3, 4]], [0.5], huge)  # type: ignore[arg-type]


@pytest.mark.parametrize("masks", [[np.ones((4, 4), np.bool_)] * 3, "xyz", [None] * 3, 5])
def test_masks_are_run_length_encoded(masks: Any) -> None:
    with pytest.raises(TypeError, match="`masks` must"):
        three(masks=masks)
