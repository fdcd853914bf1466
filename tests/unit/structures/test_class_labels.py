"""Class index, name and category id stay together."""

import numpy as np
import pytest

from detcli.errors import UsageError
from detcli.structures.class_labels import ClassLabels, values_of
from detcli.structures.dataset_labels import COCO_80, COCO_80_TO_91


def test_the_80_classes_of_coco_have_its_ids_with_holes() -> None:
    labels = ClassLabels.from_names(COCO_80)
    assert labels.category_ids == COCO_80_TO_91
    assert len(set(COCO_80_TO_91)) == 80
    assert COCO_80_TO_91[0] == 1
    assert COCO_80_TO_91[16] == 18  # dog
    assert COCO_80_TO_91[-1] == 90


@pytest.mark.parametrize("count", [1, 3, 20, 80, 91, 250, 365, 366])
def test_other_sets_of_classes_count_from_one(count: int) -> None:
    labels = ClassLabels.from_names([f"n{i}" for i in range(count)])
    assert labels.category_ids == tuple(range(1, count + 1))
    assert not labels.stuff


def test_classes_are_found_by_name_in_any_case_and_by_index() -> None:
    labels = ClassLabels.from_names(["cat", "Dog", "N/A", "N/A"])
    assert labels.find(["dog", " 0 "]) == (0, 1)
    assert labels.find(["n/a"]) == (2, 3)
    assert labels.find([]) == ()


@pytest.mark.parametrize("slip", ["dgo", "4", "-1", "1.0", "²", ""])
def test_an_unknown_class_is_a_usage_error_that_names_it(slip: str) -> None:
    with pytest.raises(UsageError, match="no class"):
        ClassLabels.from_names(["cat", "dog", "horse", "cow"]).find(["cat", slip])


def test_a_misspelled_class_gets_a_suggestion() -> None:
    with pytest.raises(UsageError, match="did you mean 'toothbrush'"):
        ClassLabels.from_names(COCO_80).find(["tothbrush"])


def test_names_and_category_ids_belong_together() -> None:
    with pytest.raises(UsageError, match="there are 2 `names` and 1 `category_ids`"):
        ClassLabels(("a", "b"), (1,))
    with pytest.raises(TypeError, match="`names` must hold texts, not int"):
        ClassLabels.from_names([1])  # type: ignore[list-item]


def test_labels_without_names_have_no_class() -> None:
    with pytest.raises(UsageError, match="the model has no class 'x': it has none"):
        ClassLabels.from_names([]).find(["x"])


def test_values_of_classes_are_found_by_name_and_by_index() -> None:
    labels = ClassLabels.from_names(["cat", "Dog", "N/A", "N/A"])
    assert labels.find_values("threshold", [("dog", 0.5), ("0", 0.2)]) == ((0, 0.2), (1, 0.5))
    assert labels.find_values("threshold", [("n/a", 0.5)]) == ((2, 0.5), (3, 0.5))
    assert labels.find_values("threshold", []) == ()


@pytest.mark.parametrize("pairs", [[("dog", 0.5), ("Dog", 0.5)], [("1", 0.1), ("dog", 0.2)]])
def test_a_class_has_one_value(pairs: list[tuple[str, float]]) -> None:
    with pytest.raises(UsageError, match="`threshold` has two values for the class 'dog'"):
        ClassLabels.from_names(["cat", "dog"]).find_values("threshold", pairs)


def test_each_class_index_gets_its_value_or_the_usual_one() -> None:
    class_ids = np.array([5, 0, 2, 3, 9, 2])
    expected = np.array([0.9, 0.4, 0.1, 0.4, 0.4, 0.1], np.float32)
    np.testing.assert_array_equal(values_of(class_ids, 0.4, ((2, 0.1), (5, 0.9))), expected, strict=True)
    np.testing.assert_array_equal(values_of(class_ids, 0.4, ()), np.full(6, 0.4, np.float32), strict=True)
    assert values_of(class_ids[:0], 0.4, ((2, 0.1),)).tolist() == []
