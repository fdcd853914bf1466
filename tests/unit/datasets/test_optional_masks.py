"""With optional masks, the objects of each format are those without masks, and have the masks that the data has."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from detcli.datasets.dataset import Dataset, open_dataset
from detcli.structures.ground_truth import GroundTruth
from tests.helpers import label_studio_exports as studio
from tests.helpers.annotated_datasets import annotation, image, write_coco, write_image
from tests.helpers.archive_files import tar_bytes
from tests.helpers.data_folders import write_panoptic
from tests.helpers.labeled_files import (
    cvat_box,
    cvat_image,
    cvat_shape,
    cvat_xml,
    labelme,
    shape,
    voc_object,
    voc_xml,
)

Write = Callable[[Path], str]
TRIANGLE = [10, 8, 50, 8, 10, 40]
PAIRS = [[10, 8], [50, 8], [10, 40]]
BOX = [5, 6, 20, 10]
ROWS = "0 0.5 0.5 0.25 0.5\n1 0.25 0.5 0.75 0.25 0.5 0.75 0.25 0.75\n"


def as_coco(folder: Path) -> str:
    entries = [
        annotation(1, 1, 7, BOX),
        annotation(2, 1, 2, [10, 8, 40, 32], segmentation=[TRIANGLE]),
        annotation(3, 1, 2, [10, 8, 40, 32], segmentation=[[10, 8, 50, 8, 50, 40]]),  # twice, by its box
        annotation(4, 1, 7, [1, 1, 5, 5], segmentation=[[1, 1, 2]]),
        annotation(5, 1, 7, [0, 0, 64, 48], iscrowd=1),
    ]
    return write_coco(folder, images=[image(1, "a.png")], annotations=entries, image_files=["a.png"])


def as_yolo(folder: Path) -> str:
    write_image(folder / "images/train/a.png")
    (folder / "labels/train").mkdir(parents=True)
    (folder / "labels/train/a.txt").write_text(ROWS)
    (folder / "data.yaml").write_text("train: images/train\nnames: [cat, dog]\n")
    return str(folder / "data.yaml")


def as_labelme(folder: Path) -> str:
    write_image(folder / "a.png")
    damaged = shape("mask", "cat", [[2, 3], [20, 20]], mask="nothing")
    labelme(
        folder / "a.json", shape("rectangle", "cat", [[5, 6], [25, 16]]), shape("polygon", "dog", PAIRS), damaged
    )  # fmt: skip
    return str(folder)


def as_cvat(folder: Path) -> str:
    write_image(folder / "images/a.png")
    points = ";".join(f"{x},{y}" for x, y in PAIRS)
    damaged = cvat_shape("mask", "cat", rle="3,4", left=2, top=3, width=20, height=20)
    shapes = cvat_box("cat", (5, 6, 25, 16)), cvat_shape("polygon", "dog", points=points), damaged
    (folder / "annotations.xml").write_text(cvat_xml(cvat_image("a.png", *shapes)))
    return str(folder)


def as_label_studio(folder: Path) -> str:
    write_image(folder / "a.png")
    results = studio.rectangle("cat", BOX), studio.polygon("dog", PAIRS)
    return studio.write_export(folder, [studio.task("a.png", studio.annotation(*results))])


def as_voc(folder: Path) -> str:
    """The second image has no PNG, and the list of the segmentation names the first one alone."""
    for name, box in (("a", (11, 9, 50, 40)), ("b", (5, 6, 25, 16))):
        write_image(folder / f"JPEGImages/{name}.png")
        (folder / "Annotations").mkdir(exist_ok=True)
        (folder / f"Annotations/{name}.xml").write_text(voc_xml(voc_object("cat", box), filename=f"{name}.png"))
    for name, images in (("Main", "a\nb\n"), ("Segmentation", "a\n")):
        (folder / "ImageSets" / name).mkdir(parents=True)
        (folder / "ImageSets" / name / "train.txt").write_text(images)
    (folder / "SegmentationObject").mkdir()
    numbers = np.zeros((48, 64), np.uint8)
    numbers[8:40, 10:30] = 1
    Image.fromarray(numbers).save(folder / "SegmentationObject/a.png")
    return str(folder)


def as_panoptic(folder: Path) -> str:
    """The PNG of the last image is missing, that of the one before is damaged."""
    path = write_panoptic(folder, 4)
    (folder / "annotations/panoptic_train2017/3.png").unlink()
    (folder / "annotations/panoptic_train2017/2.png").write_bytes(b"nothing")
    return str(path)


def as_tar_of_records(folder: Path) -> str:
    write_image(folder / "a.png")
    objects = [
        {"category_id": 1, "bbox": BOX},
        {"category_id": 2, "bbox": [10, 8, 40, 32], "segmentation": [TRIANGLE]},
    ]
    categories = [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}]
    record = json.dumps({"annotations": objects, "categories": categories}).encode()
    (folder / "a.tar").write_bytes(tar_bytes({"a.png": (folder / "a.png").read_bytes(), "a.json": record}))
    return str(folder / "a.tar")


def as_tar_of_rows(folder: Path) -> str:
    write_image(folder / "a.png")
    members = {"a.png": (folder / "a.png").read_bytes(), "a.txt": ROWS.encode(), "classes.txt": b"cat\ndog\n"}
    (folder / "a.tar").write_bytes(tar_bytes(members))
    return str(folder / "a.tar")


FORMATS: dict[str, Write] = {
    "COCO": as_coco,
    "YOLO": as_yolo,
    "LabelMe": as_labelme,
    "CVAT": as_cvat,
    "Label Studio": as_label_studio,
    "Pascal VOC": as_voc,
    "panoptic": as_panoptic,
    "records": as_tar_of_records,
    "rows": as_tar_of_rows,
}


def objects_of(dataset: Dataset) -> list[GroundTruth]:
    return [dataset.ground_truth(index) for index in range(len(dataset))]


@pytest.mark.parametrize("name", FORMATS)
def test_objects_are_those_without_masks_and_have_the_masks_that_exist(tmp_path: Path, name: str) -> None:
    where = FORMATS[name](tmp_path)
    plain, optional = open_dataset(where), open_dataset(where, masks="optional")
    assert optional.report.issues == plain.report.issues
    assert (optional.report.boxes_of, optional.labels) == (plain.report.boxes_of, plain.labels)
    masks = []
    for one, other in zip(objects_of(plain), objects_of(optional), strict=True):
        assert np.array_equal(one.boxes_xyxy, other.boxes_xyxy)
        assert np.array_equal(one.class_ids, other.class_ids)
        assert np.array_equal(one.crowd, other.crowd)
        assert other.masks is not None
        masks += other.masks
    areas = [mask.area for mask in masks]
    assert any(areas)
    assert not all(areas), "at least one object has no mask"
    if name == "panoptic":
        assert [area > 0 for area in areas] == [True] * 4 + [False] * 4
    elif name != "Pascal VOC":
        assert areas[1] == open_dataset(where, masks="optional").ground_truth(0).masks[1].area > 300  # type: ignore[index]


@pytest.mark.parametrize("name", ["COCO", "YOLO", "panoptic"])
def test_data_without_any_mask_has_none(tmp_path: Path, name: str) -> None:
    if name == "COCO":
        where = write_coco(tmp_path)
    elif name == "YOLO":
        where = as_yolo(tmp_path)
        (tmp_path / "labels/train/a.txt").write_text(ROWS.splitlines()[0])
    else:
        where = str(write_panoptic(tmp_path, 2))
        for png in (tmp_path / "annotations/panoptic_train2017").iterdir():
            png.unlink()
    assert [truth.masks for truth in objects_of(open_dataset(where, masks="optional"))] == [None] * len(
        open_dataset(where)
    )


def test_synthetic_images_have_all_their_masks() -> None:
    optional, needed = (open_dataset("shapes:3:4", masks=masks) for masks in ("optional", True))  # type: ignore[arg-type]
    assert [truth.masks for truth in objects_of(optional)] == [truth.masks for truth in objects_of(needed)]
