"""The names of published classes stand where the data counts them."""

import pytest

from detcli.structures.class_labels import ClassLabels
from detcli.structures.dataset_labels import COCO_80, COCO_80_TO_91, DATASETS, PUBLISHED_LABELS, dataset_of


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


@pytest.mark.parametrize("dataset", DATASETS)
def test_published_names_are_recognized_in_any_case_and_spacing(dataset: str) -> None:
    known = DATASETS[dataset]
    for names in (known.names, [name.upper() for name in known.names], [n.replace(" ", "_") for n in known.names]):
        assert dataset_of(names) == dataset
        labels = ClassLabels.from_names(names)
        assert (labels.category_ids, labels.stuff) == (known.category_ids, known.stuff)


@pytest.mark.parametrize("dataset", DATASETS)
def test_one_other_name_makes_another_dataset(dataset: str) -> None:
    known = DATASETS[dataset]
    for index in sorted(set(range(len(known.names))) - known.unused)[:: 1 + len(known.names) // 40]:
        names = [*known.names[:index], "my own class", *known.names[index + 1 :]]
        assert dataset_of(names) is None, known.names[index]
        assert ClassLabels.from_names(names).category_ids == tuple(range(1, len(names) + 1))
    swapped = [*known.names[1:], known.names[0]]
    assert dataset_of(swapped) is None


@pytest.mark.parametrize("dataset", DATASETS)
def test_the_number_of_names_alone_says_nothing(dataset: str) -> None:
    names = [f"LABEL_{i}" for i in range(len(DATASETS[dataset].names))]
    assert dataset_of(names) is None
    assert not ClassLabels.from_names(names).stuff
    known = ClassLabels.from_names(names, dataset)  # as the catalog knows it of a published model
    assert (known.category_ids, known.stuff) == (DATASETS[dataset].category_ids, DATASETS[dataset].stuff)


def test_other_spellings_and_names_of_unused_rows_are_recognized() -> None:
    voc = {"motorcycle": "motorbike", "airplane": "aeroplane", "couch": "sofa", "potted plant": "pottedplant",
           "dining table": "diningtable", "tv": "tvmonitor", "hair drier": "Hair Dryer"}  # fmt: skip
    assert dataset_of([voc.get(name, name) for name in COCO_80]) == "coco"
    with_signs = [*PUBLISHED_LABELS[91]]
    with_signs[12], with_signs[26] = "street sign", "hat"
    assert dataset_of(with_signs) == "coco-91"
    early = [name if i < 91 else f"LABEL_{i}" for i, name in enumerate(PUBLISHED_LABELS[250])]
    assert dataset_of(early) == "coco-panoptic"


def test_a_known_dataset_of_another_length_is_ignored() -> None:
    assert ClassLabels.from_names(["a", "b"], "coco").category_ids == (1, 2)
