"""Classes of several parts, united by their names."""

from pathlib import Path

from detcli.datasets.dataset import open_dataset
from detcli.engine.data.shared_classes import SharedClasses
from detcli.inspection.findings import DataPart
from tests.helpers.annotated_datasets import annotation, image, write_coco


def part(folder: Path, name: str, categories: dict[int, str]) -> DataPart:
    """A part of one image with a box of each category."""
    boxes = [annotation(number, 1, number, [number, 2, 5, 6]) for number in categories]
    listed = [{"id": number, "name": text} for number, text in categories.items()]
    where = write_coco(
        folder / name, images=[image(1, "a.png")], annotations=boxes, categories=listed, image_files=("a.png",)
    )
    return DataPart(name, open_dataset(where))


def test_classes_of_one_name_are_one_and_new_ones_follow(tmp_path: Path) -> None:
    parts = [part(tmp_path, "train", {1: "dog", 2: "cat"}), part(tmp_path, "val", {1: "car", 7: "Dog"})]
    shared = SharedClasses(parts)
    assert shared.labels.names == ("dog", "cat", "car")
    assert len(set(shared.labels.category_ids)) == 3
    assert [shared.ground_truth(each, 0).class_ids.tolist() for each in parts] == [[0, 1], [2, 0]]


def test_names_of_one_part_that_differ_in_case_stay_apart(tmp_path: Path) -> None:
    shared = SharedClasses([part(tmp_path, "train", {1: "dog", 2: "Dog"})])
    assert shared.labels.names == ("dog", "Dog")
