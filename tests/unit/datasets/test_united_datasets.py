"""Several datasets as one, and datasets with changed classes: equal to one dataset made by hand."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from detcli.datasets.classes.class_changes import ClassChanges
from detcli.datasets.classes.merged_dataset import united
from detcli.datasets.dataset import Dataset, open_dataset
from detcli.errors import DataError, UsageError
from tests.helpers.data_folders import write_panoptic

NOTHING = ClassChanges({})
Boxes = list[tuple[int, str, tuple[int, int, int, int]]]


def coco(folder: Path, boxes: Boxes, *, names: list[str], images: int = 2, first_id: int = 1) -> str:
    """COCO annotations: boxes are (image, class, bbox); category ids count down from 10."""
    folder.mkdir()
    ids = {name: 10 - index for index, name in enumerate(names)}
    for number in range(images):
        Image.new("RGB", (40, 30), (number * 20, 0, 0)).save(folder / f"{number}.png")
    document: dict[str, Any] = {
        "images": [
            {"id": first_id + number, "file_name": f"{number}.png", "width": 40, "height": 30}
            for number in range(images)
        ],
        "annotations": [
            {
                "id": index, "image_id": first_id + image, "category_id": ids[name], "bbox": list(box),
                "area": box[2] * box[3], "iscrowd": 0,
            }
            for index, (image, name, box) in enumerate(boxes, 1)
        ],
        "categories": [{"id": number, "name": name} for name, number in ids.items()],
    }  # fmt: skip
    (folder / "truth.json").write_text(json.dumps(document))
    return str(folder / "truth.json")


@pytest.fixture
def two(tmp_path: Path) -> list[Dataset]:
    """Dogs and cats; cats and cars, with the same ids and file names."""
    one = coco(tmp_path / "one", [(0, "dog", (1, 2, 5, 6)), (0, "cat", (3, 4, 9, 8))], names=["dog", "cat"])
    other = coco(tmp_path / "other", [(0, "car", (0, 0, 9, 9)), (1, "cat", (7, 7, 5, 5))], names=["car", "cat"])
    return [open_dataset(one), open_dataset(other)]


def contents(data: Dataset) -> list[list[tuple[str, list[float]]]]:
    """Class and box of each image."""
    objects = [data.ground_truth(index) for index in range(len(data))]
    return [
        [(data.labels.names[c], b) for c, b in zip(t.class_ids.tolist(), t.boxes_xyxy.tolist(), strict=True)]
        for t in objects
    ]


def test_images_follow_each_other_and_classes_are_united(two: list[Dataset]) -> None:
    data = united(two, NOTHING)
    assert data.labels.names == ("cat", "dog", "car")  # the first dataset's come in the order of their ids
    assert len(set(data.labels.category_ids)) == 3
    assert data.labels.category_ids[:2] == (9, 10)
    assert contents(data) == [
        [("dog", [1, 2, 6, 8]), ("cat", [3, 4, 12, 12])], [], [("car", [0, 0, 9, 9])], [("cat", [7, 7, 12, 12])],
    ]  # fmt: skip
    report = data.report
    assert (report.images, report.boxes, report.empty) == (4, 4, 1)
    assert dict(report.boxes_of) == {"dog": 1, "cat": 2, "car": 1}
    for index in range(4):
        frame = data.read(index)
        assert frame.origin.index == index
        assert data.origin(index) == frame.origin
        assert np.asarray(getattr(frame, "pixels", None)).shape == (30, 40, 3)
    assert [data.image_id(index) for index in range(4)] == [1, 2, 3, 4]


@pytest.mark.parametrize("kept", [None, ("cat", "dog")])
def test_classes_of_boxes_are_those_of_the_ground_truth(two: list[Dataset], kept: tuple[str, ...] | None) -> None:
    for data in (*two, united(two, ClassChanges({"car": "dog"}, kept)), open_dataset("shapes:3:5")):
        for index in range(len(data)):
            assert data.box_classes(index).tolist() == data.ground_truth(index).class_ids.tolist()


def test_merged_annotations_are_a_dataset_of_their_own(two: list[Dataset], tmp_path: Path) -> None:
    data = united(two, NOTHING)
    document = data.annotations()
    for number, entry in enumerate(document["images"]):
        entry["file_name"] = f"{number}.png"
        Image.new("RGB", (40, 30)).save(tmp_path / entry["file_name"])
    (tmp_path / "all.json").write_text(json.dumps(document))
    again = open_dataset(str(tmp_path / "all.json"))
    assert contents(again) == contents(data)
    assert (again.labels.names, again.labels.category_ids) == (data.labels.names, data.labels.category_ids)


def test_the_validation_data_has_the_classes_of_the_training_data(two: list[Dataset]) -> None:
    val = united([two[1]], NOTHING, classes=("dog", "cat", "car"))
    assert val.labels.names == ("dog", "cat", "car")
    assert contents(val) == [[("car", [0, 0, 9, 9])], [("cat", [7, 7, 12, 12])]]
    with pytest.raises(DataError, match="has boxes of the class 'car', which is not among the classes"):
        united([two[1]], NOTHING, classes=("dog", "cat"))


def test_renamed_classes_become_one(two: list[Dataset]) -> None:
    data = united(two, ClassChanges({"dog": "pet", "CAT": "pet"}))
    assert data.labels.names == ("pet", "car")
    assert dict(data.report.boxes_of) == {"pet": 3, "car": 1}
    assert {entry["category_id"] for entry in data.annotations()["annotations"]} == set(data.labels.category_ids)


def test_other_classes_are_left_out_and_their_images_stay(two: list[Dataset]) -> None:
    data = united(two, ClassChanges({"car": "vehicle"}, ("vehicle", "dog")))
    assert data.labels.names == ("dog", "vehicle")
    assert contents(data) == [[("dog", [1, 2, 6, 8])], [], [("vehicle", [0, 0, 9, 9])], []]
    assert (data.report.boxes, data.report.empty, len(data)) == (2, 2, 4)
    assert len(data.annotations()["annotations"]) == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (ClassChanges({"dgo": "pet"}), r"`map_classes`: .*dog"),
        (ClassChanges({"dog": " "}), "gives the class 'dog' no new name"),
        (ClassChanges({}, ("cta",)), r"`train_classes`: .*cat"),
        (ClassChanges({"dog": "pet"}, ("dog",)), r"`train_classes`: .*'dog'"),
        (ClassChanges({}, ("0",)), r"`train_classes`: .*'0'"),
    ],
)
def test_classes_that_are_nowhere_are_refused(two: list[Dataset], changes: ClassChanges, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        united(two, changes)


def test_names_that_differ_in_their_spelling_are_asked_about(tmp_path: Path, two: list[Dataset]) -> None:
    third = open_dataset(coco(tmp_path / "third", [(0, "Cat", (1, 1, 4, 4))], names=["Cat"]))
    with pytest.raises(DataError, match=r"'cat' of .* and 'Cat' of .* `map_classes` Cat=cat"):
        united([*two, third], NOTHING)
    assert dict(united([*two, third], ClassChanges({"Cat": "cat"})).report.boxes_of)["cat"] == 3


def test_data_without_any_box_left_is_refused(tmp_path: Path, two: list[Dataset]) -> None:
    assert united(two, ClassChanges({}, ("dog",))).report.boxes == 1
    empty = open_dataset(coco(tmp_path / "empty", [(0, "cat", (1, 1, 4, 4))], names=["cat", "dog"]))
    with pytest.raises(DataError, match="there is no box of the classes dog"):
        united([empty], ClassChanges({}, ("dog",)))


@pytest.mark.parametrize("masks", [False, True])
def test_left_out_classes_are_counted_without_reading_images_or_masks(tmp_path: Path, masks: bool) -> None:
    """One PNG of masks is damaged: its image is replaced in training, and is no reason to end before it."""
    where = write_panoptic(tmp_path, 4)
    (tmp_path / "annotations/panoptic_train2017/2.png").write_bytes(b"nothing")
    data = united([open_dataset(str(where), masks=masks)], ClassChanges({}, ("dog",)))
    assert (data.report.boxes, data.report.empty, data.report.crowd) == (4, 0, 0)


def test_crowds_of_left_out_classes_are_not_counted(tmp_path: Path) -> None:
    boxes: Boxes = [
        (0, "dog", (1, 2, 5, 6)),
        (0, "cat", (3, 4, 9, 8)),
        (1, "cat", (3, 4, 9, 8)),
        (2, "dog", (0, 0, 9, 9)),
    ]
    path = Path(coco(tmp_path / "one", boxes, names=["dog", "cat"], images=4))
    document = json.loads(path.read_text())
    for row in (1, 2):
        document["annotations"][row]["iscrowd"] = 1
    document["annotations"].append({**document["annotations"][3], "id": 9, "bbox": [1, 1, 3, 3], "iscrowd": 1})
    path.write_text(json.dumps(document))
    dogs = united([open_dataset(str(path))], ClassChanges({}, ("dog",))).report
    every = united([open_dataset(str(path))], ClassChanges({"cat": "dog"})).report
    assert (dogs.boxes, dogs.crowd, dogs.empty) == (2, 1, 2)
    assert (every.boxes, every.crowd, every.empty) == (2, 3, 1)
