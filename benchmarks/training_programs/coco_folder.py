"""A folder of COCO annotations as the programs of other packages take it. Only the standard library."""

import json
from pathlib import Path
from typing import Any

Json = dict[str, Any]
PARTS = ("train", "val", "test")


def read_part(data: Path, part: str) -> Json:
    """The annotations of a part: train, val or test."""
    document: Json = json.loads((data / f"{part}.json").read_bytes())
    return document


def category_ids(document: Json) -> list[int]:
    """The ids of the categories; a class index is the position in this list."""
    return sorted(category["id"] for category in document["categories"])


def class_names(document: Json) -> list[str]:
    """The names of the categories, in the order of the class indices."""
    names = {category["id"]: category["name"] for category in document["categories"]}
    return [names[category_id] for category_id in category_ids(document)]


def image_boxes(document: Json) -> dict[int, list[tuple[int, list[float]]]]:
    """Class index and box (left, top, right, bottom, within the image) of each object, by image id.

    Crowds and boxes without area are left out, as detcli leaves them out.
    """
    index_of = {category_id: index for index, category_id in enumerate(category_ids(document))}
    sizes = {image["id"]: (image["width"], image["height"]) for image in document["images"]}
    boxes: dict[int, list[tuple[int, list[float]]]] = {image_id: [] for image_id in sizes}
    for entry in document["annotations"]:
        left, top, width, height = entry["bbox"]
        image_width, image_height = sizes[entry["image_id"]]
        box = [max(left, 0.0), max(top, 0.0), min(left + width, image_width), min(top + height, image_height)]
        if not entry.get("iscrowd") and box[0] < box[2] and box[1] < box[3]:
            boxes[entry["image_id"]].append((index_of[entry["category_id"]], [float(value) for value in box]))
    return boxes


def coco_result(image_id: int, category_id: int, box: list[float], score: float) -> Json:
    """A detection as COCO results have it; the box is (left, top, right, bottom) in pixels of the image."""
    left, top, right, bottom = box
    return {
        "image_id": image_id,
        "category_id": category_id,
        "bbox": [left, top, right - left, bottom - top],
        "score": score,
    }


def write_yolo(data: Path, folder: Path) -> Path:
    """Write the training and validation parts as a YOLO folder with links to the images; returns its data.yaml."""
    for part in ("train", "val"):
        document = read_part(data, part)
        images, labels = folder / "images" / part, folder / "labels" / part
        images.mkdir(parents=True)
        labels.mkdir(parents=True)
        boxes = image_boxes(document)
        for image in document["images"]:
            name = f"{image['id']}{Path(image['file_name']).suffix}"
            (images / name).symlink_to((data / "images" / image["file_name"]).resolve())
            lines = [_yolo_line(index, box, image["width"], image["height"]) for index, box in boxes[image["id"]]]
            (labels / f"{image['id']}.txt").write_text("".join(lines))
    names = [json.dumps(name) for name in class_names(read_part(data, "train"))]
    file = folder / "data.yaml"
    file.write_text(
        f"path: {json.dumps(str(folder.resolve()))}\ntrain: images/train\nval: images/val\nnames: [{', '.join(names)}]\n"
    )
    return file


def _yolo_line(index: int, box: list[float], width: int, height: int) -> str:
    left, top, right, bottom = box
    center_x, center_y = (left + right) / 2 / width, (top + bottom) / 2 / height
    return f"{index} {center_x:.6f} {center_y:.6f} {(right - left) / width:.6f} {(bottom - top) / height:.6f}\n"
