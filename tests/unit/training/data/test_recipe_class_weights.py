"""Weights of classes from the recipe, for the classes of the data."""

from typing import Any

import pytest

from detcli.datasets.dataset import DatasetSummary
from detcli.errors import UsageError
from detcli.structures.class_labels import ClassLabels
from detcli.training.data.class_weights import class_weights
from detcli.training.recipes.recipe import Recipe
from tests.helpers.evaluation_fixtures import MemoryDataset

BOXES = {"person": 60, "Traffic light": 6, "dog": 0, "cat": 34}


class Counted(MemoryDataset):
    """Data with these numbers of boxes."""

    @property
    def report(self) -> DatasetSummary:
        return DatasetSummary("counted", 6, sum(BOXES.values()), BOXES, 0, 0, ())


def weights(asked: Any) -> tuple[float, ...] | None:
    recipe = Recipe().merged({"class_weights": asked})
    return class_weights(recipe, Counted(ClassLabels.from_names(list(BOXES))))


def test_no_weights_are_none() -> None:
    assert weights("none") is None


def test_balanced_weights_give_all_classes_with_boxes_the_same_sum() -> None:
    found = weights("balanced")
    assert found is not None
    assert found == pytest.approx((100 / (3 * 60), 100 / (3 * 6), 1, 100 / (3 * 34)))
    sums = [weight * count for weight, count in zip(found, BOXES.values(), strict=True)]
    assert sum(sums) == pytest.approx(100), "the mean over boxes is 1"


def test_a_table_names_some_classes_in_any_case_and_others_have_one() -> None:
    assert weights({"traffic light": 3, " CAT ": 0.5}) == (1, 3, 1, 0.5)
    assert weights({}) == (1, 1, 1, 1)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"persn": 2}, "class_weights: the data has no class 'persn'; did you mean 'person'?"),
        ({"zebra": 2}, "class_weights: the data has no class 'zebra'; it has person, Traffic light, dog, cat"),
        ({"0": 2}, "the data has no class '0'; it has person"),
        ({"Cat": 2, "cat": 3}, "class_weights has the class 'cat' twice: 'Cat' and 'cat'"),
    ],
)
def test_an_unknown_class_is_an_error(table: dict[str, float], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        weights(table)
    assert message in str(caught.value)
