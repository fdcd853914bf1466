"""One random dataset as COCO, and the same data in shards, made by tests."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tests.helpers.annotated_datasets import write_image
from tests.helpers.archive_files import tar_bytes

CLASSES = ("cat", "dog")
SIZE = (48, 64)


@dataclass(frozen=True, slots=True)
class RandomData:
    """Images in a folder, and their COCO annotations.

    images   content by name
    objects  COCO annotations of each image
    coco     path of all annotations
    """

    images: Mapping[str, bytes]
    objects: Mapping[str, Sequence[Mapping[str, Any]]]
    coco: str


def random_data(folder: Path, *, seed: int = 0, count: int = 4, masks: bool = False) -> RandomData:
    """Images with boxes of two classes in pixels, one image without any."""
    rng = np.random.default_rng(seed)
    images, objects, entries, annotations = {}, {}, [], []
    for number in range(1, count + 1):
        name = f"{number:04d}.png"
        write_image(folder / "coco" / name, SIZE, seed=seed * 100 + number)
        images[name] = (folder / "coco" / name).read_bytes()
        own = []
        for _ in range(0 if number == 2 else int(rng.integers(1, 4))):
            x, y, w, h = (int(value) for value in rng.integers(2, 24, 4))
            entry = {"category_id": int(rng.integers(1, 3)), "bbox": [x, y, w, h], "iscrowd": 0}
            own.append(entry | ({"segmentation": [[x, y, x + w, y, x, y + h]]} if masks else {}))
        objects[name] = own
        entries.append({"id": number, "file_name": name, "width": SIZE[1], "height": SIZE[0]})
        annotations += [{"id": len(annotations) + place, "image_id": number, **one} for place, one in enumerate(own, 1)]
    document = {"images": entries, "annotations": annotations, "categories": categories()}
    path = folder / "coco" / "coco.json"
    path.write_text(json.dumps(document))
    return RandomData(images, objects, str(path))


def categories() -> list[dict[str, Any]]:
    """The classes as COCO has them."""
    return [{"id": number, "name": name} for number, name in enumerate(CLASSES, 1)]


def write_tar(path: Path, members: Mapping[str, bytes | str]) -> str:
    """A tar with these members."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(
        tar_bytes({name: data if isinstance(data, bytes) else data.encode() for name, data in members.items()})
    )
    return str(path)


def record_members(data: RandomData, names: Sequence[str] | None = None) -> dict[str, bytes | str]:
    """Images and their records of COCO, as samples of WebDataset."""
    members: dict[str, bytes | str] = {}
    for name in names or data.images:
        record = {"annotations": data.objects[name], "categories": categories()}
        members |= {name: data.images[name], name.replace(".png", ".json"): json.dumps(record)}
    return members


def row_members(data: RandomData) -> dict[str, bytes | str]:
    """Images and their rows of YOLO, as samples of WebDataset."""
    members: dict[str, bytes | str] = {}
    for name, image in data.images.items():
        rows = [yolo_row(entry) for entry in data.objects[name]]
        members |= {name: image, name.replace(".png", ".txt"): "\n".join(rows)}
    return members


def yolo_row(entry: Mapping[str, Any]) -> str:
    """The box of a COCO annotation, or its polygon."""
    class_id = entry["category_id"] - 1
    if "segmentation" in entry:
        points = np.array(entry["segmentation"][0]).reshape(-1, 2) / [SIZE[1], SIZE[0]]
        return " ".join(map(repr, [class_id, *points.reshape(-1).tolist()]))
    x, y, w, h = entry["bbox"]
    numbers = [(x + w / 2) / SIZE[1], (y + h / 2) / SIZE[0], w / SIZE[1], h / SIZE[0]]
    return " ".join(map(repr, [class_id, *numbers]))
