"""Data of a resumed run: the same images with the same classes in the same order, wherever they are."""

from pathlib import Path
from typing import Any

import pytest

from detcli.datasets.dataset import open_dataset
from detcli.engine.inputs.training_data import open_training_data
from detcli.engine.requests.training_request import TrainingRequest
from detcli.errors import UsageError
from detcli.training.recipes.recipe import Recipe
from detcli.training.state.run_identity import _facts, complete_identity, require_same
from tests.helpers.train_command_fixtures import dataset


def facts(*data: Path, **changes: Any) -> dict[str, Any]:
    request = TrainingRequest(data=tuple(map(str, data)), **changes)
    return _facts(open_training_data(request, masks=False))


def refusal(saved: dict[str, Any], now: dict[str, Any]) -> str:
    with pytest.raises(UsageError) as error:
        require_same({"data": saved}, {"data": now}, Path("run"))
    return str(error.value)


ORDER = (
    "cannot `resume` the run in 'run': it has other data: its images have other names or classes, or another order, now"
)


def test_two_datasets_in_another_order_are_other_data(tmp_path: Path) -> None:
    one, two = dataset(tmp_path / "a", 4), dataset(tmp_path / "b", 4, seed=1)
    two.write_text(two.read_text().replace('"2.png"', '"1b.png"'))
    (tmp_path / "b" / "2.png").rename(tmp_path / "b" / "1b.png")
    assert facts(one, two) == facts(one, two)
    assert refusal(facts(one, two), facts(two, one)) == ORDER


def test_classes_that_changed_places_are_other_data(tmp_path: Path) -> None:
    one = dataset(tmp_path / "a", 4)
    before = facts(one)
    names = {"zebra": "dog", "dog": "zebra"}
    assert refusal(before, facts(one, renamed=names)).startswith(
        "cannot `resume` the run in 'run': it has other data: "
    )
    text = one.read_text()
    one.write_text(
        text.replace('"category_id": 3', '"category_id": 0')
        .replace('"category_id": 6', '"category_id": 3')
        .replace('"category_id": 0', '"category_id": 6')
    )
    assert refusal(before, facts(one)) == ORDER


def test_data_in_another_folder_is_the_same(tmp_path: Path) -> None:
    one = dataset(tmp_path / "a", 4)
    before = facts(one)
    (tmp_path / "a").rename(tmp_path / "moved")
    assert facts(tmp_path / "moved" / "truth.json") == before


def test_a_state_of_an_older_version_is_compared_by_what_it_has() -> None:
    now = {"recipe": {"lr": 1.0}, "data": _facts(open_dataset("shapes:0:9", part="train")), "val": None}
    old = {**now, "data": {name: value for name, value in now["data"].items() if name != "image_list"}}
    complete = complete_identity(old, now)
    assert complete["data"] == now["data"]
    assert complete["recipe"].keys() >= Recipe().as_mapping().keys() - {"save_every_s"}
    assert (complete["recipe"]["lr"], complete["val"]) == (1.0, None)
