"""Training and validation data for checks of datasets: clean by default, and with planted faults."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from detcli.structures.frame import Pixels

SIZE_HW = (96, 128)
NAMES = ("bolt", "nut", "washer")


@cache
def scene_png(seed: int) -> bytes:
    """A scene as a PNG file."""
    file = BytesIO()
    Image.fromarray(scene(seed)).save(file, "PNG")
    return file.getvalue()


def scene(seed: int) -> Pixels:
    """A photograph-like image with large and small structures: uint8 [H, W, 3]."""
    random = np.random.default_rng(seed)
    total = np.zeros((*SIZE_HW, 3))
    for cells in (4, 9, 20):
        coarse = Image.fromarray(random.integers(0, 256, (cells, cells, 3), dtype=np.uint8))
        total += np.asarray(coarse.resize(SIZE_HW[::-1], Image.Resampling.BICUBIC), float) / 3
    return total.astype(np.uint8)


@dataclass
class CocoPart:
    """COCO annotations and images of a part; `write` puts them into a folder.

    boxes   image number, category id, xywh
    images  image number -> PNG file
    """

    boxes: list[tuple[int, int, list[float]]] = field(default_factory=list)
    images: dict[int, bytes] = field(default_factory=dict)
    names: Sequence[str] = NAMES

    def change_boxes(self, change: Callable[[list[float]], list[float]]) -> None:
        """Replace all boxes."""
        self.boxes = [(image, category, change(box)) for image, category, box in self.boxes]

    def write(self, folder: Path) -> Path:
        """Write annotations.json and its images, and return the path of the annotations."""
        folder.mkdir(parents=True, exist_ok=True)
        for number, file in self.images.items():
            (folder / f"{number}.png").write_bytes(file)
        document: dict[str, Any] = {
            "images": [
                {"id": number, "file_name": f"{number}.png", "width": SIZE_HW[1], "height": SIZE_HW[0]}
                for number in self.images
            ],
            "annotations": [
                {
                    "id": row,
                    "image_id": image,
                    "category_id": category,
                    "bbox": box,
                    "area": box[2] * box[3],
                    "iscrowd": 0,
                }
                for row, (image, category, box) in enumerate(self.boxes, 1)
            ],
            "categories": [{"id": number, "name": name} for number, name in enumerate(self.names, 1)],
        }
        path = folder / "annotations.json"
        path.write_text(json.dumps(document))
        return path


def clean_part(seed: int, *, count: int = 24) -> CocoPart:
    """Images with two or three boxes each, of all classes, everywhere in the image and of many sizes."""
    random = np.random.default_rng(seed)
    height, width = SIZE_HW
    part = CocoPart()
    for number in range(1, count + 1):
        part.images[number] = scene_png(1000 * seed + number)
        for row in range(2 + number % 2):
            sides = random.uniform(14, 40, 2)
            start = random.uniform(0, (width, height) - sides)
            box = [round(float(value), 2) for value in (*start, *sides)]
            part.boxes.append((number, 1 + (number + row) % len(NAMES), box))
    return part
