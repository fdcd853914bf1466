"""COCO entries and files: the keys that pycocotools reads, in flat memory."""

import io
import json
from pathlib import Path

import numpy as np
import pytest

from detcli.io.coco.coco_writer import (
    CocoFileWriter,
    coco_annotation,
    coco_categories,
    coco_image,
    coco_result,
    ground_truth_annotations,
)
from detcli.structures.class_labels import ClassLabels
from detcli.structures.ground_truth import GroundTruth
from detcli.structures.masks import Rle

LABELS = ClassLabels(("N/A", "cat", "sky"), (0, 3, 7), frozenset({2}))
DETECTION = {"label": "cat", "label_id": 1, "category_id": 3, "score": 0.5, "bbox": [1, 2, 3, 4]}
MASK = {"size": [4, 5], "counts": "abc"}


def test_an_annotation_has_its_keys_in_a_fixed_order() -> None:
    entry = coco_annotation(9, 4, DETECTION | {"segmentation": MASK, "track_id": 6}, area=12)
    assert list(entry) == [
        *("id", "image_id", "category_id", "bbox", "score", "segmentation", "track_id", "area", "iscrowd")
    ]
    assert (entry["id"], entry["image_id"], entry["area"], entry["iscrowd"]) == (9, 4, 12, 0)


def test_a_result_has_a_box_or_a_mask_and_never_both() -> None:
    assert coco_result(4, DETECTION) == {"image_id": 4, "category_id": 3, "bbox": [1, 2, 3, 4], "score": 0.5}
    assert coco_result(4, DETECTION | {"segmentation": MASK}) == {
        "image_id": 4,
        "category_id": 3,
        "segmentation": MASK,
        "score": 0.5,
    }


def test_holes_in_the_numbering_are_listed_only_if_used() -> None:
    assert [entry["id"] for entry in coco_categories(LABELS, used=set())] == [3, 7]
    assert [entry["id"] for entry in coco_categories(LABELS, used={0})] == [0, 3, 7]
    assert [entry["id"] for entry in coco_categories(LABELS)] == [0, 3, 7]
    assert [entry["isthing"] for entry in coco_categories(LABELS, with_isthing=True)] == [1, 1, 0]


def test_an_unknown_area_is_that_of_the_box() -> None:
    boxes = np.array([[1.0, 2.0, 4.0, 6.0], [0.0, 0.0, 2.0, 2.0]])
    masks = tuple(Rle.of(np.ones((8, 8), np.bool_)) for _ in boxes)
    ground_truth = GroundTruth(boxes, np.array([1, 2]), np.array([False, True]), masks)
    areas = np.array([np.nan, 3.5])
    entries = list(ground_truth_annotations(ground_truth, LABELS, image_id=5, first_id=8, areas=areas))
    assert [entry["area"] for entry in entries] == [12.0, 3.5]
    assert [entry["bbox"] for entry in entries] == [[1.0, 2.0, 3.0, 4.0], [0.0, 0.0, 2.0, 2.0]]
    assert [(entry["id"], entry["category_id"], entry["iscrowd"]) for entry in entries] == [(8, 3, 0), (9, 7, 1)]
    assert entries[0]["segmentation"] == masks[0].as_json()


@pytest.mark.parametrize("as_stream", [False, True])
def test_a_file_holds_its_sections_and_the_failed_images(tmp_path: Path, as_stream: bool) -> None:
    path, stream = tmp_path / "coco.json", io.BytesIO()
    writer = CocoFileWriter(stream if as_stream else path)
    writer.add_image(coco_image(1, "a.png", size_hw=(48, 64)))
    for number in range(1, 3):
        writer.add_annotation(coco_annotation(writer.annotation_count + 1, 1, DETECTION, area=number))
    writer.add_failed({"file_name": "b.png"})
    writer.close({"version": "1"}, coco_categories(LABELS, used={1}))
    document = json.loads(stream.getvalue() if as_stream else path.read_bytes())
    assert list(document) == ["info", "images", "annotations", "categories"]
    assert document["info"] == {"version": "1", "failed": [{"file_name": "b.png"}]}
    assert document["images"] == [{"id": 1, "file_name": "a.png", "width": 64, "height": 48}]
    assert [entry["id"] for entry in document["annotations"]] == [1, 2]


def test_an_aborted_file_leaves_the_earlier_one(tmp_path: Path) -> None:
    path = tmp_path / "coco.json"
    path.write_text("earlier")
    writer = CocoFileWriter(path)
    writer.add_annotation({"id": 1})
    writer.abort()
    assert path.read_text() == "earlier"
    assert [entry.name for entry in tmp_path.iterdir()] == ["coco.json"]
