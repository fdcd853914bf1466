"""Datasets in folders to divide, convert and look at."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from detcli.datasets.dataset import Dataset
from tests.helpers.annotated_datasets import annotation, image, write_coco, write_image

CATEGORIES = [
    {"id": 1, "name": "dog", "supercategory": "animal"},
    {"id": 4, "name": "cat"},
    {"id": 7, "name": "traffic light"},
]
SIZE_HW = (48, 64)


def write_scenes(folder: Path, count: int = 24, *, scenes: int = 6) -> Path:
    """COCO annotations of images in subfolders, with frames of scenes, fields of other tools, and images without boxes.

    Frame i is of the scene i // (count // scenes) and has i % 4 boxes; only the first image with boxes has a traffic light.
    """
    random = np.random.default_rng(0)
    images, annotations = [], []
    for number in range(count):
        scene = number // (count // scenes)
        name = f"cam {number % 2}/scene{scene}_{number:02}.png"
        write_image(folder / name, SIZE_HW, seed=number)
        images.append({**image(100 + number, name, SIZE_HW), "video_id": scene, "license": 3})
        for box in range(number % 4):
            left, top = random.integers(0, 40), random.integers(0, 20)
            category = 7 if number == 1 else int(random.choice([1, 4]))
            entry = annotation(
                len(annotations) + 1, 100 + number, category, [float(left) + 0.25, float(top), 12.5, 20.0 + box],
                area=250.0, iscrowd=0, attributes={"occluded": bool(box)},
            )  # fmt: skip
            annotations.append(entry)
    return Path(write_coco(folder, images=images, annotations=annotations, categories=CATEGORIES, image_files=None))


def write_panoptic(folder: Path, count: int = 4) -> Path:
    """COCO panoptic annotations: in each image a rug on the left, and a dog on it."""
    images, annotations = [], []
    for number in range(count):
        name = f"{number}.jpg"
        write_image(folder / "train2017" / name, SIZE_HW, seed=number)
        images.append(image(number, name, SIZE_HW))
        ids = np.zeros(SIZE_HW, np.uint8)
        ids[:, :20] = 5
        ids[10:30, 5 : 25 + number] = 9
        png = folder / f"annotations/panoptic_train2017/{number}.png"
        png.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.dstack((ids, ids * 0, ids * 0))).save(png)
        boxes = {5: [0, 0, 20, 48], 9: [5, 10, 20 + number, 20]}
        segments = [
            {"id": key, "category_id": key, "bbox": box, "area": int((ids == key).sum()), "iscrowd": 0}
            for key, box in boxes.items()
        ]
        annotations.append({"image_id": number, "file_name": png.name, "segments_info": segments})
    categories = [{"id": 5, "name": "rug", "isthing": 0}, {"id": 9, "name": "dog", "isthing": 1}]
    path = folder / "annotations/panoptic_train2017.json"
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    return path


def read_json(path: Path | str) -> Any:
    """A JSON document."""
    return json.loads(Path(path).read_text(encoding="utf-8"))


def objects_by_name(dataset: Dataset) -> dict[str, list[tuple[str, list[float], bool]]]:
    """Class name, rounded box and crowd of each object, sorted, by the base name of its image."""
    found = {}
    for index in range(len(dataset)):
        truth = dataset.ground_truth(index)
        names = [dataset.labels.names[class_id] for class_id in truth.class_ids.tolist()]
        boxes = np.round(truth.boxes_xyxy, 2).tolist()
        rows = zip(names, boxes, truth.crowd.tolist(), strict=True)
        found[dataset.origin(index).relative.rpartition("/")[2]] = sorted(rows)
    return found
