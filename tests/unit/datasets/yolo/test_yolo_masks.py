"""Polygons of YOLO label files are masks, drawn as those of COCO annotations."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detcli.datasets.coco.coco_dataset import CocoDataset
from detcli.datasets.dataset import open_dataset
from detcli.datasets.yolo.yolo_dataset import YoloDataset
from detcli.errors import DataError
from detcli.structures.masks import Rle
from tests.helpers.annotated_datasets import assert_same_data, write_image
from tests.unit.datasets.yolo.test_yolo_dataset import issue, write_yolo

TRIANGLE = "1 0.25 0.5 0.75 0.25 0.5 1.0"
SQUARE = "0 0.25 0.25 0.75 0.25 0.75 0.75 0.25 0.75"
BOX = "0 0.5 0.5 0.25 0.5"


def masks_of(dataset: YoloDataset, index: int = 0) -> tuple[Rle, ...]:
    masks = dataset.ground_truth(index).masks
    assert masks is not None
    return masks


@pytest.mark.parametrize("seed", range(4))
def test_polygons_give_the_masks_of_the_same_polygons_in_coco(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    images, annotations, texts = [], [], {}
    for image_id in (1, 2, 3):
        texts[f"{image_id}"] = ""
        images.append({"id": image_id, "file_name": f"images/train/{image_id}.png", "width": 64, "height": 48})
        for _ in range(int(rng.integers(0, 4))):
            corners = rng.integers(0, [64, 48], (int(rng.integers(3, 9)), 2))
            corners[:2] = [[0, 0], [40, 30]]  # has an area
            class_id = int(rng.integers(0, 2))
            annotations.append(_coco_polygon(len(annotations) + 1, image_id, class_id, corners.reshape(-1).tolist()))
            fractions = (corners / [64, 48]).reshape(-1).tolist()
            texts[f"{image_id}"] += " ".join(map(repr, [class_id, *fractions])) + "\n"
    texts["3"] += TRIANGLE + "\n"
    annotations.append(_coco_polygon(99, 3, 1, [16, 24, 48, 12, 32, 48]))
    write_yolo(tmp_path, texts)
    categories = [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}]
    document = {"images": images, "annotations": annotations, "categories": categories}
    (tmp_path / "coco.json").write_text(json.dumps(document))
    theirs = CocoDataset(str(tmp_path / "coco.json"), masks=True)
    assert_same_data(YoloDataset(str(tmp_path / "data.yaml"), masks=True), theirs)


def _coco_polygon(number: int, image_id: int, class_id: int, polygon: list[int]) -> dict[str, Any]:
    return {"id": number, "image_id": image_id, "category_id": class_id + 1, "segmentation": [polygon]}


def test_the_mask_of_a_polygon_fills_it(tmp_path: Path) -> None:
    dataset = YoloDataset(write_yolo(tmp_path, {"a": f"{SQUARE}\n{TRIANGLE}\n"}), masks=True)
    square, triangle = masks_of(dataset)
    assert (square.box_xyxy, square.area) == ((16, 12, 48, 36), 32 * 24)
    assert 0 < triangle.area < 32 * 36
    assert dataset.ground_truth(0).boxes_xyxy.tolist() == [[16, 12, 48, 36], [16, 12, 48, 48]]


def test_rows_of_boxes_among_polygons_are_dropped_and_named(tmp_path: Path) -> None:
    where = write_yolo(tmp_path, {"a": f"{TRIANGLE}\n{BOX}\n{SQUARE}\n", "b": ""})
    dataset = open_dataset(where, masks=True)
    assert isinstance(dataset, YoloDataset)
    assert len(masks_of(dataset)) == len(dataset.ground_truth(0)) == 2
    assert masks_of(dataset, 1) == ()
    message = issue(dataset, "1 row has no mask and was dropped (boxes, or polygons of two points")
    assert message.endswith("a.txt:2'")
    assert len(open_dataset(where).ground_truth(0)) == 3, "boxes count where no masks are needed"


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([BOX, BOX, TRIANGLE], "2 rows have no mask and were dropped (boxes, or polygons of two points"),
        (["0 0.1 0.1 0.9 0.9 0.1 0.1"], "1 row has no mask and was dropped (polygons without three different points"),
        (["0 0.1 0.1 0.9 0.9"], "boxes, or polygons of two points; the masks of a model are learned from polygons"),
        ([TRIANGLE, "1 0 0 1e9 0 0.5 0.5", "1 0 0 9e8 0 0.5 0.5"], "or far too long"),
    ],
)
def test_mostly_rows_without_a_mask_are_an_error(tmp_path: Path, rows: list[str], reason: str) -> None:
    where = write_yolo(tmp_path, {"a": "\n".join(rows)}, kpt_shape=[0, 2])
    with pytest.raises(DataError) as caught:
        YoloDataset(where, masks=True)
    assert reason in str(caught.value)
    assert "a.txt:" in str(caught.value)


def test_boxes_with_key_points_have_no_masks(tmp_path: Path) -> None:
    where = write_yolo(tmp_path, {"a": f"{BOX} 0.5 0.5 2\n"}, kpt_shape=[1, 3])
    with pytest.raises(DataError, match="1 row has no mask"):
        YoloDataset(where, masks=True)


def test_duplicates_have_the_same_polygon(tmp_path: Path) -> None:
    other = "0 0.25 0.25 0.75 0.25 0.25 0.75 0.75 0.75"
    where = write_yolo(tmp_path, {"a": f"{SQUARE}\n{SQUARE}\n{other}\n"})
    dataset = YoloDataset(where, masks=True)
    assert len(masks_of(dataset)) == 2
    assert "a.txt:2'" in issue(dataset, "duplicate")
    assert len(YoloDataset(where).ground_truth(0)) == 1, "their boxes are equal"


def test_masks_are_those_of_the_upright_image(tmp_path: Path) -> None:
    where = write_yolo(tmp_path, {"a": "0 0 0 0.5 0 0.5 0.25 0 0.25\n"})
    write_image(tmp_path / "images/train/a.png", (48, 64), orientation=6)  # 48 wide, 64 high when upright
    [mask] = masks_of(YoloDataset(where, masks=True))
    assert (mask.size_hw, mask.box_xyxy) == ((64, 48), (0, 0, 24, 16))


def test_polygons_beyond_the_image_are_cut_off(tmp_path: Path) -> None:
    dataset = YoloDataset(write_yolo(tmp_path, {"a": "0 -0.5 0.25 0.5 0.25 0.5 0.75 -0.5 0.75\n"}), masks=True)
    [mask] = masks_of(dataset)
    assert mask.box_xyxy == (0, 12, 32, 36)
    assert dataset.ground_truth(0).boxes_xyxy.tolist() == [[0, 12, 32, 36]]


def test_masks_are_written_into_annotations(tmp_path: Path) -> None:
    dataset = YoloDataset(write_yolo(tmp_path, {"a": SQUARE}), masks=True)
    (tmp_path / "out.json").write_text(json.dumps(dataset.annotations()))
    assert_same_data(CocoDataset(str(tmp_path / "out.json"), masks=True, images=tmp_path), dataset)
