"""A detector that finds everything, in datasets that make it hard."""

from collections.abc import Callable
from typing import Any

import pytest

from detcli.errors import DataError
from detcli.evaluation.evaluate_model import evaluate_model, predict_dataset
from detcli.structures.stop_signal import StopSignal

Make = Callable[..., Any]


def test_classes_match_by_name_in_any_order_and_case(dataset: Make, detector: Make) -> None:
    data = dataset()
    done = evaluate_model(detector(data), data, workers=2)
    assert done is not None
    assert done.metrics.ap == pytest.approx(1)
    assert [r["category_id"] for r in done.predictions.results] == [17, 18] * 3
    assert [r["image_id"] for r in done.predictions.results] == list(range(100, 106))
    assert done.predictions.images == 6


def test_every_image_is_read_once_and_reported_in_order(dataset: Make, detector: Make) -> None:
    data = dataset(count=23)
    told: list[int] = []
    evaluate_model(detector(data), data, workers=3, on_result=lambda frame, _: told.append(frame.origin.index))
    assert told == list(range(23)) == sorted(data.reads)


def test_classes_that_one_side_lacks_are_named_and_never_guessed(dataset: Make, detector: Make) -> None:
    data = dataset()
    done = evaluate_model(detector(data, ("dog", "cow")), data, workers=2)
    assert done is not None
    assert {r["category_id"] for r in done.predictions.results} == {18}
    ap = {one.name: one.ap for one in done.metrics.classes}
    assert ap == {"cat": 0.0, "dog": pytest.approx(1)}
    does_not_know, does_not_have = done.predictions.notes
    assert "the model does not have the classes 'cat'" in does_not_know
    assert "the data does not have the classes 'cow'" in does_not_have


def test_no_class_in_common_is_an_error_that_names_both_sides(dataset: Make, detector: Make) -> None:
    data = dataset()
    with pytest.raises(DataError, match="no class in common: the model has 'person', 'car'; the data has 'cat', 'dog'"):
        evaluate_model(detector(data, ("person", "car")), data)


def test_ground_truth_of_an_unreadable_image_is_false_negative(dataset: Make, detector: Make) -> None:
    data = dataset(unreadable=(0, 2))  # two of the three cats
    done = evaluate_model(detector(data), data, workers=2)
    assert done is not None
    assert [failed.origin.file for failed in done.predictions.failed] == ["in/0.png", "in/2.png"]
    assert done.notes == (
        *done.predictions.notes,
        "2 images could not be read: their ground truth counts as false negatives",
    )
    cat, dog = done.metrics.classes
    assert (cat.ar, dog.ar) == (pytest.approx(1 / 3), pytest.approx(1))


def test_images_without_annotations_are_left_out(dataset: Make, detector: Make) -> None:
    data = dataset(unreadable=(0,), left_out=(0, 1))
    done = evaluate_model(detector(data), data, workers=2)
    assert done is not None
    assert done.metrics.ap == pytest.approx(1)
    assert (done.metrics.images, len(done.ground_truth["images"])) == (4, 4)
    assert done.notes[-1] == "2 images left out: the size of their ground truth is missing or does not match the image"


def test_nothing_readable_is_an_error_that_names_the_first(dataset: Make, detector: Make) -> None:
    data = dataset(unreadable=tuple(range(6)))
    with pytest.raises(DataError, match=r"none of the 6 images .* 'in/0.png': truncated after 8 bytes"):
        evaluate_model(detector(data), data)


def test_an_empty_dataset_is_an_error(dataset: Make, detector: Make) -> None:
    data = dataset(count=0)
    with pytest.raises(DataError, match="no images in 'memory'"):
        evaluate_model(detector(data), data)


def test_a_threshold_is_a_note(dataset: Make, detector: Make) -> None:
    data = dataset()
    (note, *others) = predict_dataset(detector(data, ("cat", "dog"), threshold=0.3), data).notes
    assert "scores up to 0.3 are left out" in note
    assert not others


def test_results_of_several_processes_add_up(dataset: Make, detector: Make) -> None:
    data = dataset(count=9)
    whole = predict_dataset(detector(data), data).results
    parts = [predict_dataset(detector(data), data, indices=range(rank, 9, 2)).results for rank in range(2)]
    assert sorted(parts[0] + parts[1], key=lambda r: r["image_id"]) == whole


def test_a_stop_gives_no_metrics_of_half_the_images(dataset: Make, detector: Make) -> None:
    data, stop = dataset(count=40), StopSignal()
    assert evaluate_model(detector(data), data, stop=stop, on_result=lambda *_: stop.set()) is None
    assert len(data.reads) <= 40
