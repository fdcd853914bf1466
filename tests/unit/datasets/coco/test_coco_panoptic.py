"""COCO panoptic annotations become ground truth with masks; inconsistencies are named."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from detcli.datasets.dataset import open_dataset
from detcli.errors import DataError, ImageError, UsageError
from detcli.evaluation.panoptic.panoptic_files import read_panoptic
from tests.helpers.annotated_datasets import image, write_image

SIZE = (48, 64)
CATEGORIES = [
    {"id": 1, "name": "dog", "isthing": 1}, {"id": 200, "name": "rug", "isthing": 0}, {"id": 7, "name": "cat", "isthing": 1},
]  # fmt: skip
DOG, RUG, CROWD = 70_000, 5, 1_000_000


def ids_of_a(size_hw: tuple[int, int] = SIZE) -> np.ndarray:
    """A rug along the left, a dog over it, a crowd of dogs on the right."""
    ids = np.zeros(size_hw, np.int64)
    ids[:, :20] = RUG
    ids[10:30, 5:25] = DOG
    ids[0:8, 40:64] = CROWD
    return ids


def segment(number: int, category_id: int, ids: np.ndarray, **more: Any) -> dict[str, Any]:
    rows, columns = np.nonzero(ids == number)
    box = [int(columns.min()), int(rows.min()), int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1]
    return {"id": number, "category_id": category_id, "bbox": box, "area": len(rows), "iscrowd": 0, **more}


def write_png(path: Path, ids: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.stack((ids & 255, ids >> 8 & 255, ids >> 16), axis=2).astype(np.uint8)).save(path)


def document() -> dict[str, Any]:
    ids = ids_of_a()
    segments = [segment(DOG, 1, ids), segment(RUG, 200, ids), segment(CROWD, 1, ids, iscrowd=1)]
    return {
        "images": [image(10, "a.jpg"), image(20, "b.jpg")],
        "annotations": [{"image_id": 10, "file_name": "a.png", "segments_info": segments}],
        "categories": CATEGORIES,
    }


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., str]:
    """Annotations of two images, the second one empty, in the layout of COCO."""

    def write(changed: dict[str, Any] | None = None, *, ids: np.ndarray | None = None, orientation: int = 1) -> str:
        path = tmp_path / "annotations" / "panoptic_val2017.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(changed or document()))
        for name in ("a.jpg", "b.jpg"):
            write_image(tmp_path / "val2017" / name, SIZE, orientation=orientation)
        write_png(path.with_suffix("") / "a.png", ids_of_a() if ids is None else ids)
        return str(path)

    return write


def test_whole_floats_are_ids_of_images_and_segments(write: Callable[..., str]) -> None:
    floats = json.loads(json.dumps(document()), parse_int=float)
    data = open_dataset(write(floats), masks=True)
    masks = data.ground_truth(0).masks
    assert masks is not None
    assert np.array_equal(masks[0].decode(), ids_of_a() == DOG)
    assert list(read_panoptic(Path(write(floats)), "annotations").entries) == [10]


@pytest.mark.parametrize("masks", [True, False])
def test_segments_with_scores_are_refused(write: Callable[..., str], masks: bool) -> None:
    scored = document()
    scored["annotations"][0]["segments_info"][1]["score"] = 0.9
    where = write(scored)
    with pytest.raises(DataError, match="1 of its 3 annotations has a score, as detections have"):
        open_dataset(where, masks=masks)
    with pytest.raises(DataError, match="has a score, as detections have"):
        read_panoptic(Path(where), "annotations")
    assert read_panoptic(Path(where), "results").entries


def test_segments_are_ground_truth_with_masks(write: Callable[..., str]) -> None:
    data = open_dataset(write(), masks=True)
    assert (data.labels.names, data.labels.category_ids) == (("dog", "cat", "rug"), (1, 7, 200))
    assert data.labels.stuff == {2}
    ground_truth = data.ground_truth(0)
    assert ground_truth.class_ids.tolist() == [0, 2, 0]
    assert ground_truth.crowd.tolist() == [False, False, True]
    assert ground_truth.boxes_xyxy.tolist() == [[5, 10, 25, 30], [0, 0, 20, 48], [40, 0, 64, 8]]
    assert ground_truth.masks is not None
    for mask, number in zip(ground_truth.masks, (DOG, RUG, CROWD), strict=True):
        assert np.array_equal(mask.decode(), ids_of_a() == number)
    assert data.ground_truth(1).masks == ()
    assert data.report.issues == ("1 class has no box: 'cat'",)


def test_the_coco_folder_is_enough_and_boxes_need_no_png(write: Callable[..., str], tmp_path: Path) -> None:
    write()
    (tmp_path / "annotations/panoptic_val2017/a.png").unlink()
    data = open_dataset(str(tmp_path), part="val")
    assert data.ground_truth(0).masks is None
    assert len(data.ground_truth(0)) == 3
    with pytest.raises(UsageError, match="no part 'train'"):
        open_dataset(str(tmp_path), part="train")


def test_masks_rotate_with_their_image(write: Callable[..., str]) -> None:
    """The annotations are of the stored image, which lies on its side."""
    data = open_dataset(write(orientation=6), masks=True)
    ground_truth = data.ground_truth(0)
    assert ground_truth.masks is not None
    assert ground_truth.masks[0].size_hw == (64, 48)
    assert [list(mask.box_xyxy) for mask in ground_truth.masks][:1] == ground_truth.boxes_xyxy.tolist()[:1]
    assert np.array_equal(ground_truth.masks[1].decode(), np.rot90(ids_of_a() == RUG, -1))


def test_classes_of_a_model_keep_the_stuff_flag(write: Callable[..., str]) -> None:
    data = open_dataset(write(), classes=("rug", "cow", "dog", "cat"))
    assert data.labels.stuff == {0}
    assert data.ground_truth(0).class_ids.tolist() == [2, 0, 2]


def test_annotations_have_the_masks(write: Callable[..., str]) -> None:
    found = open_dataset(write(), masks=True).annotations()["annotations"]
    assert [one["area"] for one in found] == [400, 48 * 20 - 15 * 20, 8 * 24]
    assert all(one["segmentation"]["size"] == [48, 64] for one in found)


def test_a_png_that_becomes_unreadable_is_reported_on_reading(write: Callable[..., str], tmp_path: Path) -> None:
    data = open_dataset(write(), masks=True)
    (tmp_path / "annotations/panoptic_val2017/a.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(ImageError, match=r"its PNG '.*a\.png' cannot be read"):
        data.ground_truth(0)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d["annotations"][0].pop("file_name"), "1 of its annotations has no 'image_id', 'file_name'"),
        (lambda d: d["annotations"][0].update(segments_info={}), "1 of its annotations has no"),
        (lambda d: d["annotations"].append({**d["annotations"][0], "file_name": "c.png"}), "already has another PNG"),
        (lambda d: d["annotations"][0]["segments_info"][0].update(id=0), "1 of its segments has an id that is not an integer from 1 to 16777215"),
        (lambda d: d["annotations"][0]["segments_info"].append("dog"), "1 of its segments has an id that is not an integer from 1 to 16777215"),
        (lambda d: d["annotations"][0]["segments_info"][0].update(category_id=9), "of an unknown category"),
        (lambda d: d["annotations"][0]["segments_info"][0].update(id=77), r"no pixel has the id 77\)"),
        (lambda d: d["annotations"][0].update(file_name="../../a.png"), "leads out of the folder"),
        (lambda d: d["annotations"][0].update(file_name="other.png"), r"none of its 1 images exists: 'other\.png'"),
    ],
)  # fmt: skip
def test_inconsistent_annotations_and_pngs_are_named(
    write: Callable[..., str], change: Callable[[Any], Any], words: str
) -> None:
    changed = document()
    change(changed)
    with pytest.raises(DataError, match=words):
        open_dataset(write(changed), masks=True)


def test_pngs_of_another_size_are_rejected(write: Callable[..., str]) -> None:
    with pytest.raises(DataError, match="it has 60 x 40 pixels, the image 64 x 48"):
        open_dataset(write(ids=ids_of_a((40, 60))), masks=True)


def test_a_missing_png_skips_only_its_image(write: Callable[..., str], tmp_path: Path) -> None:
    changed = document()
    segments = changed["annotations"][0]["segments_info"]
    changed["annotations"].append({"image_id": 20, "file_name": "b.png", "segments_info": segments})
    data = open_dataset(write(changed), masks=True)
    assert len(data) == 1
    assert any("1 image has no PNG of segments and was skipped" in one for one in data.report.issues)
    assert len(open_dataset(write(changed))) == 2


def test_coco_outlines_become_masks_if_requested(tmp_path: Path) -> None:
    from tests.helpers.annotated_datasets import annotation, write_coco

    square = [[5, 6, 25, 6, 25, 16, 5, 16]]
    runs = {"size": [48, 64], "counts": [48 * 10, 48 * 4, 48 * 50]}
    annotations = [
        annotation(1, 10, 2, [5, 6, 20, 10], segmentation=square),
        annotation(2, 10, 7, [10, 0, 4, 48], segmentation=runs, iscrowd=1),
        annotation(3, 20, 2, [1, 1, 9, 9]),
    ]
    where = write_coco(tmp_path, annotations=annotations)
    assert open_dataset(where).ground_truth(0).masks is None
    data = open_dataset(where, masks=True)
    ground_truth = data.ground_truth(0)
    assert ground_truth.masks is not None
    assert [mask.box_xyxy for mask in ground_truth.masks] == [(5, 6, 25, 16), (10, 0, 14, 48)]
    assert len(data.ground_truth(1)) == 0
    assert any("1 annotation has no mask and was dropped" in one for one in data.report.issues)


def test_boxes_alone_are_rejected_if_masks_are_requested(tmp_path: Path) -> None:
    from tests.helpers.annotated_datasets import write_coco

    with pytest.raises(DataError, match="3 annotations have no mask"):
        open_dataset(write_coco(tmp_path), masks=True)


def test_masks_of_uncovered_synthetic_shapes_fill_their_boxes() -> None:
    data = open_dataset("shapes:3:20", masks=True)
    for index in range(len(data)):
        ground_truth = data.ground_truth(index)
        assert ground_truth.masks is not None
        union = np.zeros(ground_truth.masks[0].size_hw if ground_truth.masks else (1, 1), int)
        for mask, box in zip(ground_truth.masks, ground_truth.boxes_xyxy, strict=True):
            left, top, right, bottom = mask.box_xyxy
            assert (np.array([left, top]) >= box[:2] - 1).all()
            assert (np.array([right, bottom]) <= box[2:] + 1).all()
            union += mask.decode()
        assert union.max(initial=0) <= 1, "a pixel is of one shape"
        if len(ground_truth) == 1:
            assert np.abs(np.array(ground_truth.masks[0].box_xyxy) - ground_truth.boxes_xyxy[0]).max() <= 1
