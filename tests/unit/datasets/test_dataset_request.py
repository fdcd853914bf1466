"""What the reader of a dataset format is asked for."""

from pathlib import Path

import pytest

from detcli.datasets.dataset import Part
from detcli.datasets.dataset_request import DatasetRequest
from detcli.datasets.formats.dataset_layout import DatasetLayout


def requested(path: Path, *, part: Part = "train", images: Path | None = None) -> DatasetRequest:
    layout = DatasetLayout("coco", path, any_part=True)
    return DatasetRequest(str(path), part, layout, images, classes=None, masks=False, first_pixel=None)


def test_given_images_are_the_only_folder(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    assert requested(tmp_path / "a.json", images=Path("elsewhere")).image_folders == ["elsewhere"]


def test_images_are_searched_near_annotations_and_in_folders_of_the_part(tmp_path: Path) -> None:
    for name in ("images", "val2017", "train2017"):
        (tmp_path / name).mkdir()
    folders = requested(tmp_path / "annotations" / "instances_val2017.json", part="val").image_folders
    assert str(tmp_path / "val2017") in folders
    assert str(tmp_path / "images") in folders
    assert str(tmp_path / "train2017") not in folders


@pytest.mark.parametrize(("part", "dropped"), [("train", True), ("val", False), ("test", False)])
def test_boxes_that_an_image_has_twice_are_dropped_for_training_only(part: Part, dropped: bool) -> None:
    assert requested(Path("a.json"), part=part).drop_duplicates == dropped
