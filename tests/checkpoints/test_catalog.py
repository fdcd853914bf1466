"""The catalogue: whole, consistent and forgiving of slips."""

import pytest

from detcli.checkpoints import catalog
from detcli.checkpoints.catalog import CATALOG, entry_of_repository, shipped, suggest

PUBLISHED = [name for name, entry in CATALOG.items() if entry.repository is not None]


def test_the_thirteen_published_models_are_there() -> None:
    assert [*PUBLISHED] == [
        *(f"dfine-{size}" for size in "nsmlx"),
        *(f"dfine-{size}-obj365" for size in "smlx"),
        *(f"dfine-{size}-obj2coco" for size in "smlx"),
    ]
    assert len({CATALOG[name].repository for name in PUBLISHED}) == 13


def test_one_model_comes_with_detcli() -> None:
    assert [name for name in CATALOG if shipped(name)] == ["shapes"]
    assert CATALOG["shapes"].folder == catalog.SHIPPED / "shapes"
    assert CATALOG["dfine-s"].folder is None
    assert shipped("no such name") is None
    assert entry_of_repository("") is None


def test_the_one_repository_with_an_odd_name_is_right() -> None:
    assert CATALOG["dfine-l-obj2coco"].repository == "ustc-community/dfine-large-obj2coco-e25"
    assert CATALOG["dfine-n"].repository == "ustc-community/dfine-nano-coco"


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_entry_says_what_people_ask(name: str) -> None:
    entry = CATALOG[name]
    assert entry.name == name
    assert entry.license == "Apache-2.0"
    assert entry.revision == "main", "no commit is known before a download"
    assert entry.threshold == 0.4
    assert entry.label_count == (366 if "obj365" in name else 80)
    assert entry.average_precision is None or 25 < entry.average_precision < 65
    assert entry.repository is not None
    assert entry_of_repository(entry.repository.upper()) == entry


@pytest.mark.parametrize(
    ("slip", "meant"),
    [
        ("dfin-s", "dfine-s"),
        ("dfine_x", "dfine-x"),
        ("D-FINE-M", "dfine-m"),
        ("dfine-nano", "dfine-n"),
        ("dfine-large-obj2coco", "dfine-l-obj2coco"),
        ("ustc-community/dfine-xlarge-obj365", "dfine-x-obj365"),
        ("ustc/dfine-small", "dfine-s"),
        ("shape", "shapes"),
    ],
)
def test_a_slip_is_answered_with_the_name_that_was_meant(slip: str, meant: str) -> None:
    assert suggest(slip)[0] == meant


@pytest.mark.parametrize("word", ["", "yolo", "resnet", "x" * 3000])
def test_a_name_that_is_nothing_like_any_gets_no_suggestion(word: str) -> None:
    assert suggest(word) == ()
