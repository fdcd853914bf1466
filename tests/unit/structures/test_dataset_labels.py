"""The names of published classes stand where the data counts them."""

import pytest

from detcli.structures.class_labels import COCO_80_TO_91, ClassLabels
from detcli.structures.dataset_labels import COCO_80, PUBLISHED_LABELS


@pytest.mark.parametrize("count", PUBLISHED_LABELS)
def test_there_are_as_many_names_as_classes_and_none_is_empty(count: int) -> None:
    names = PUBLISHED_LABELS[count]
    assert len(names) == count
    assert all(name == name.strip() != "" for name in names)


@pytest.mark.parametrize("count", [91, 250])
def test_things_are_at_their_category_ids(count: int) -> None:
    assert tuple(PUBLISHED_LABELS[count][category] for category in COCO_80_TO_91) == COCO_80
    assert PUBLISHED_LABELS[count][12] == PUBLISHED_LABELS[count][0] == "N/A"


def test_stuff_is_at_its_category_ids() -> None:
    names = PUBLISHED_LABELS[250]
    assert {92: "banner", 112: "door-stuff", 187: "sky-other-merged", 200: "rug-merged"}.items() <= dict(
        enumerate(names)
    ).items()
    assert sum(name != "N/A" for name in names) == 133
    assert len(ClassLabels.from_names(names).stuff) == 159


def test_objects365_counts_from_one() -> None:
    names = PUBLISHED_LABELS[366]
    assert (names[1], names[177], names[365]) == ("Person", "Fire Hydrant", "Table Tennis")
    assert "Picture/Frame" in names


def test_the_eighty_names_are_known_as_those_of_coco() -> None:
    assert ClassLabels.from_names(COCO_80).category_ids == COCO_80_TO_91
