"""One set of rules for COCO entries: training data, ground truth and results read the same values."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools import mask as coco

from detcli.datasets.coco.coco_dataset import CocoDataset
from detcli.errors import DetcliError
from detcli.evaluation.coco_ground_truth import read_ground_truth
from detcli.io.coco.coco_entries import box_around, entry_area, image_size, whole_number
from detcli.io.results import read_results
from detcli.structures.masks import Rle
from tests.helpers.annotated_datasets import CATEGORIES, IMAGES, annotation, write_coco

MASK = np.zeros((48, 64), np.bool_)
MASK[10:30, 5:25] = True
BOX = [5, 10, 20, 20]
RUNS = [5 * 48 + 10, *([20, 28] * 19), 20, 48 * 64 - 24 * 48 - 30]
SEGMENTATIONS = {
    "polygons": [[5, 10, 25, 10, 25, 30], [5, 10, 25, 30, 5, 30]],
    "compressed": Rle.of(MASK).as_json(),
    "runs": {"size": [48, 64], "counts": RUNS},
    "whole floats as size": {**Rle.of(MASK).as_json(), "size": [48.0, 64.0]},
}


def boxes_of_each_reader(folder: Path, change: dict[str, Any], **sections: Any) -> dict[str, Any]:
    """Box and category name of one changed annotation, as each reader gives it; its error otherwise."""
    row = annotation(1, 10, 2, [1, 2, 3, 4]) | change
    row = {key: value for key, value in row.items() if value != "left out"}
    where = write_coco(folder, annotations=[row], **sections)
    results = folder / "results.json"
    document = json.loads(Path(where).read_text())
    results.write_text(json.dumps(document | {"annotations": [row | {"score": 0.5}]}))

    def data() -> Any:
        dataset = CocoDataset(where)
        ground_truth = dataset.ground_truth(0)
        left, top, right, bottom = ground_truth.boxes_xyxy[0].tolist()
        return [left, top, right - left, bottom - top], dataset.labels.names[ground_truth.class_ids[0]]

    def ground_truth() -> Any:
        truth = read_ground_truth(Path(where))
        [entry] = truth.annotations["annotations"]
        return entry["bbox"], truth.categories[entry["category_id"]]

    def detections() -> Any:
        [box] = next(iter(read_results(results, format_name="coco"))).boxes or ()
        return list(box.bbox), box.label

    read: dict[str, Any] = {}
    for reader in (data, ground_truth, detections):
        try:
            read[reader.__name__] = reader()
        except DetcliError as error:
            read[reader.__name__] = str(error)
    return read


@pytest.mark.parametrize("missing", ["left out", None, []])
@pytest.mark.parametrize("kind", SEGMENTATIONS)
def test_every_reader_takes_a_missing_box_from_the_mask(tmp_path: Path, kind: str, missing: Any) -> None:
    read = boxes_of_each_reader(tmp_path, {"bbox": missing, "segmentation": SEGMENTATIONS[kind]})
    assert all(value == (BOX, "cat") for value in read.values()), read


def test_every_reader_accepts_whole_floats_as_ids(tmp_path: Path) -> None:
    floats: dict[str, Any] = {"id": 1.0, "image_id": 10.0, "category_id": 2.0, "iscrowd": 0.0}
    images = [entry | {"id": float(entry["id"]), "width": 64.0, "height": 48.0} for entry in IMAGES]
    categories = [entry | {"id": float(entry["id"])} for entry in CATEGORIES]
    read = boxes_of_each_reader(tmp_path, floats, images=images, categories=categories)
    assert all(value == ([1, 2, 3, 4], "cat") for value in read.values()), read


def test_every_reader_takes_numbers_as_category_names(tmp_path: Path) -> None:
    read = boxes_of_each_reader(tmp_path, {}, categories=[{"id": 2, "name": 0}, {"id": 7, "name": 1}])
    assert all(value == ([1, 2, 3, 4], "0") for value in read.values()), read


@pytest.mark.parametrize("name", [None, True, 1.5, ["cat"]])
def test_every_reader_refuses_other_names(tmp_path: Path, name: Any) -> None:
    read = boxes_of_each_reader(tmp_path, {}, categories=[{"id": 2, "name": name}])
    assert all("category 0: name is" in value for value in read.values()), read


@pytest.mark.parametrize(
    "change", [{"image_id": "10"}, {"category_id": 2.5}, {"image_id": True}, {"category_id": 2**70}]
)
def test_every_reader_refuses_ids_that_are_no_integers(tmp_path: Path, change: dict[str, Any]) -> None:
    read = boxes_of_each_reader(tmp_path, change)
    assert all(f"annotation 0: {next(iter(change))} is" in value for value in read.values()), read


@pytest.mark.parametrize("crowd", [3, "0", 0.5, [1]])
def test_ground_truth_and_training_refuse_other_crowds(tmp_path: Path, crowd: Any) -> None:
    read = boxes_of_each_reader(tmp_path, {"iscrowd": crowd})
    assert all("annotation 0: iscrowd must be 0 or 1" in read[reader] for reader in ("data", "ground_truth")), read


@pytest.mark.parametrize("seed", range(10))
def test_the_box_of_a_random_mask_is_that_of_its_pixels(seed: int) -> None:
    rng = np.random.default_rng(seed)
    mask = rng.random((30, 40)) < rng.choice([0.002, 0.01, 0.5])
    mask[int(rng.integers(30)), int(rng.integers(40))] = True
    rows, columns = np.nonzero(mask)
    expected = [columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1]
    assert box_around(Rle.of(mask).as_json()) == expected
    runs = np.flatnonzero(np.diff(np.concatenate(([0], mask.ravel(order="F"), [0]))))
    counts = np.diff(np.concatenate(([0], runs, [mask.size]))).tolist()
    assert box_around({"size": [30, 40], "counts": counts}) == expected
    assert coco.area(coco.frPyObjects({"size": [30, 40], "counts": counts}, 30, 40)) == mask.sum()


@pytest.mark.parametrize(
    "segmentation",
    [None, [], [[]], [[1, 2, 3]], [["1", 2]], "x", {"size": [3, 4]}, {"size": [3, 4], "counts": [1]}, {"counts": "a"}],
)
def test_anything_else_has_no_box(segmentation: Any) -> None:
    assert box_around(segmentation) is None


def test_the_box_of_a_mask_without_pixels_is_empty() -> None:
    assert box_around(Rle.of(np.zeros((4, 5), np.bool_)).as_json()) == [0, 0, 0, 0]


@pytest.mark.parametrize(("value", "number"), [(3, 3), (3.0, 3), (3.5, None), ("3", None), (True, None), (1e400, None)])
def test_whole_numbers_are_integers(value: Any, number: int | None) -> None:
    assert whole_number(value) == number


def test_an_invalid_size_or_area_is_unknown() -> None:
    assert image_size({"height": 48.0, "width": 64}) == (48, 64)
    assert image_size({"height": 0, "width": 64}) is image_size({"height": "48", "width": 64}) is None
    assert [entry_area({"area": area}) for area in (2, 0, -1, None, "2", float("nan"), 10**400)] == [2, *[None] * 6]
