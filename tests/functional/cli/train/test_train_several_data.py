"""`detcli train` on several datasets, and on some of their classes."""

import json
from pathlib import Path

import pytest

from tests.helpers.train_command_fixtures import SHORT, Train, dataset


def test_two_datasets_are_one_with_the_classes_of_both(train: Train, data: Path) -> None:
    _renamed(dataset(Path("more"), 4, seed=5), "zebra", "yak")
    run = train(
        "--data",
        data,
        "--data",
        "more/truth.json",
        "--val",
        "val/truth.json",
        "--val",
        "more/truth.json",
        "-o",
        "run",
        *SHORT,
    )
    assert run.code == 0, run.err
    assert "data: 'data/truth.json + more/truth.json', 12 images, 12 boxes; 3 classes: dog 6, zebra 4, yak 2" in run.err
    assert "val: 'val/truth.json + more/truth.json', 8 images, 8 boxes; 3 classes:" in run.err
    assert set(json.loads(Path("run/best/config.json").read_text())["id2label"].values()) == {"dog", "zebra", "yak"}


def test_classes_are_renamed_and_left_out(train: Train, data: Path) -> None:
    options = ["--data", data, "--val", "val/truth.json", "-n", *SHORT]
    run = train(*options, "--map", "zebra=cow", "--train-classes", "cow")
    assert run.code == 0, run.err
    assert "data: 'data/truth.json', 8 images (4 without boxes), 4 boxes; 1 class: cow 4" in run.err
    assert "val: 'val/truth.json', 4 images (2 without boxes), 2 boxes; 1 class: cow 2" in run.err
    assert "the model has the class already" in run.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--map", "zebra"], "--map is 'zebra'; it must be OLD=NEW"),
        (["--map", "zebra="], "--map gives the class 'zebra' no new name"),
        (["--map", "zebr=dog"], "did you mean 'zebra'?"),
        (["--train-classes", "horse"], "--train-classes: "),
        (["--data", "data/truth.json"], "--data names 'data/truth.json' twice"),
        (["--data", "val/truth.json", "--images", "data"], "--images is for one --data, and there are 2"),
    ],
)
def test_what_cannot_be_united_is_refused(train: Train, data: Path, options: list[str], message: str) -> None:
    run = train("--data", data, *options, "-n")
    assert run.code == 2
    assert message in run.err


def _renamed(annotations: Path, old: str, new: str) -> None:
    annotations.write_text(annotations.read_text().replace(f'"{old}"', f'"{new}"'))
