"""Images that training and validation data share are named before the first step, whatever way they are given."""

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

from tests.helpers.data_parts import clean_part
from tests.helpers.train_command_fixtures import Train

DRY = ("--dry-run", "--imgsz", "64", "96", "-d", "cpu", "-b", "4")


@pytest.fixture(autouse=True)
def parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test stands in a folder with training data, more of it, and validation data, without a common image."""
    monkeypatch.chdir(tmp_path)
    for number, name in enumerate(("train", "more", "val"), 1):
        clean_part(number, count=8).write(Path(name))


def test_parts_without_a_common_image_are_not_warned_of(train: Train) -> None:
    run = train("--data", "train", "--data", "more", "--val", "val", *DRY)
    assert run.code == 0
    assert "validation data" not in run.err


@pytest.mark.parametrize("door", ["copy", "link", "annotations", "second dataset"])
def test_an_image_of_both_parts_is_named_before_training(train: Train, door: str) -> None:
    Path("val/3.png").unlink()
    if door == "link":
        Path("val/3.png").symlink_to("../train/2.png")
    else:
        shutil.copy("more/2.png" if door == "second dataset" else "train/2.png", "val/3.png")
    data = ("--data", "train/annotations.json" if door == "annotations" else "train", "--data", "more")
    run = train(*data, "--val", "val", *DRY)
    assert run.code == 0
    assert "1 image is in both the training data and the validation data" in run.err
    assert "'2.png' is '3.png'" in run.err


def test_an_image_that_was_saved_again_is_named_before_training(train: Train) -> None:
    with Image.open("train/5.png") as image:
        image.resize((96, 72)).resize(image.size).save("val/6.png")
    run = train("--data", "train", "--val", "val", *DRY)
    assert "1 image of the validation data looks almost like images of the training data" in run.err
    assert "'5.png' and '6.png'" in run.err


@pytest.mark.parametrize("door", ["train", "train/annotations.json", "link", "copy"])
def test_training_data_as_validation_data_is_warned_of(train: Train, door: str) -> None:
    if door == "link":
        Path("link").symlink_to("train")
    elif door == "copy":
        shutil.copytree("train", "copy")
    run = train("--data", "train", "--val", door, *DRY)
    assert run.code == 0
    assert "the validation data is the training data" in run.err


def test_the_images_count_and_not_the_boxes(train: Train) -> None:
    file = Path("train/other.json")
    document = json.loads(Path("train/annotations.json").read_text())
    document["annotations"] = document["annotations"][:3]
    file.write_text(json.dumps(document))
    run = train("--data", "train/annotations.json", "--val", file, *DRY)
    assert "8 images are in both the training data and the validation data" in run.err
