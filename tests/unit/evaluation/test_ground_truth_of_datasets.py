"""Ground truth of stored results may be any dataset: metrics are those of the same data as COCO annotations."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from detcli.errors import InputError, NoDataError, UsageError
from detcli.evaluation.results.evaluate_results import evaluate_results, find_ground_truth
from tests.helpers.annotated_datasets import annotation, image, write_coco, write_image
from tests.helpers.labeled_files import cvat_box, cvat_image, cvat_xml, labelme, shape, voc_object, voc_xml

BOXES = {"a": (1.0, 2.0, 31.0, 22.0), "b": (10.0, 5.0, 60.0, 45.0)}


def as_coco(folder: Path) -> Path:
    boxes = [[1, 2, 30, 20], [10, 5, 50, 40]]
    return Path(
        write_coco(
            folder / "c",
            images=[image(1, "a.png"), image(2, "b.png")],
            annotations=[annotation(n, n, 1, box) for n, box in enumerate(boxes, 1)],
            categories=[{"id": 1, "name": "cat"}],
            image_files=("a.png", "b.png"),
        )
    )


def as_coco_folder(folder: Path) -> Path:
    return as_coco(folder).parent


def as_voc(folder: Path) -> Path:
    for name, box in BOXES.items():
        write_image(folder / f"{name}.png")
        (folder / f"{name}.xml").write_text(voc_xml(voc_object("cat", box)))
    return folder


def as_voc_list(folder: Path) -> Path:
    for name, box in BOXES.items():
        write_image(folder / f"JPEGImages/{name}.png")
        (folder / "Annotations").mkdir(exist_ok=True)
        (folder / f"Annotations/{name}.xml").write_text(voc_xml(voc_object("cat", box)))
    path = folder / "ImageSets/Main/val.txt"
    path.parent.mkdir(parents=True)
    path.write_text("a\nb\n")
    return path


def as_cvat(folder: Path) -> Path:
    for name in BOXES:
        write_image(folder / "images" / f"{name}.png")
    images = [cvat_image(f"{name}.png", cvat_box("cat", box)) for name, box in BOXES.items()]
    (folder / "annotations.xml").write_text(cvat_xml(*images, labels=["cat"]))
    return folder / "annotations.xml"


def as_labelme(folder: Path) -> Path:
    for name, box in BOXES.items():
        write_image(folder / f"{name}.png")
        labelme(folder / f"{name}.json", shape("rectangle", "cat", [box[:2], box[2:]]))
    return folder


def as_yolo(folder: Path) -> Path:
    (folder / "labels").mkdir()
    for name, (left, top, right, bottom) in BOXES.items():
        write_image(folder / "images" / f"{name}.png")
        row = [(left + right) / 128, (top + bottom) / 96, (right - left) / 64, (bottom - top) / 48]
        (folder / "labels" / f"{name}.txt").write_text(" ".join(map(str, [0, *row])))
    (folder / "data.yaml").write_text("names: [cat]\nval: images\n")
    return folder


@pytest.mark.parametrize("write", [as_coco, as_coco_folder, as_voc, as_voc_list, as_cvat, as_labelme, as_yolo])
def test_metrics_are_those_of_coco_annotations(tmp_path: Path, write: Callable[[Path], Path]) -> None:
    results = tmp_path / "results.jsonl"
    found = {"a": [1, 2, 30, 20], "b": [10, 5, 40, 40]}  # IoU 1 and 0.8: AP .7 of ten thresholds and interpolation
    records = [
        {
            "index": number,
            "file": f"{name}.png",
            "width": 64,
            "height": 48,
            "detections": [{"label": "cat", "category_id": 1, "score": 0.9, "bbox": box}],
        }
        for number, (name, box) in enumerate(found.items())
    ]
    results.write_text("".join(f"{json.dumps(record)}\n" for record in records))
    data = tmp_path / "data"
    data.mkdir()
    ground_truth, images = find_ground_truth(write(data), iou_type="bbox", images=None)
    metrics = evaluate_results(results, ground_truth, images, format_name=None, iou_type="bbox").metrics
    assert metrics.by_name["AP50"] == 1
    assert metrics.ap == pytest.approx((7 * 1 + 3 * 51 / 101) / 10)  # 0.8 is matched at .50 … .80
    assert images.read(ground_truth.images[0]["id"]) is not None


def test_a_single_file_of_many_is_told(tmp_path: Path) -> None:
    folder = as_labelme(tmp_path)
    with pytest.raises(NoDataError, match="has the annotations of one image"):
        find_ground_truth(folder / "a.json", iou_type="bbox", images=None)


def test_a_folder_without_data_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not a dataset"):
        find_ground_truth(tmp_path, iou_type="bbox", images=None)


def test_annotations_with_another_suffix_are_still_coco(tmp_path: Path) -> None:
    path = as_coco(tmp_path).rename(tmp_path / "truth.txt")
    assert len(find_ground_truth(path, iou_type="bbox", images=None)[0].images) == 2
    (tmp_path / "x.txt").write_text("hello")
    with pytest.raises(InputError, match="are not JSON"):
        find_ground_truth(tmp_path / "x.txt", iou_type="bbox", images=None)
