"""Renders the images of `detcli demo` and their ground truth: they are bundled, because rendering needs OpenCV.

`python -m benchmarks.synthetic.demo_images` writes them into the package.
"""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image

from detcli.datasets.shapes import CLASSES, draw
from detcli.engine.model_files.bundled_images import BUNDLED_IMAGES, GROUND_TRUTH
from detcli.io.coco.coco_writer import coco_categories, coco_image, ground_truth_annotations
from detcli.structures.class_labels import ClassLabels
from detcli.structures.frame import Pixels
from detcli.structures.ground_truth import GroundTruth

SEED = 102  # not the seed of the training set
# Together they contain every class. In the first four, each shape is detected exactly once; the others have mistakes.
INDICES = (381, 104, 243, 121, 4, 5)
SIZE_HW = (480, 640)
_ENCODER = {"quality": 90, "optimize": True, "progressive": True}  # 350 kB; as PNG, they have 2.2 MB


def rendered() -> Iterator[tuple[Pixels, GroundTruth]]:
    """The images in their order, without compression."""
    for index in INDICES:
        yield draw(SEED, index, size_hw=SIZE_HW)


def annotations() -> dict[str, Any]:
    """The ground truth as COCO annotations; the images are 1.jpg, 2.jpg, ...."""
    labels = ClassLabels.from_names(CLASSES)
    document: dict[str, Any] = {"images": [], "annotations": [], "categories": coco_categories(labels)}
    for number, (_, ground_truth) in enumerate(rendered(), 1):
        document["images"].append(coco_image(number, f"{number}.jpg", size_hw=SIZE_HW))
        first_id = len(document["annotations"]) + 1
        document["annotations"] += ground_truth_annotations(ground_truth, labels, image_id=number, first_id=first_id)
    return document


def write(folder: Path) -> None:
    """Write images and ground truth into a folder."""
    folder.mkdir(exist_ok=True)
    for number, (pixels, _) in enumerate(rendered(), 1):
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "JPEG", **_ENCODER)
        (folder / f"{number}.jpg").write_bytes(file.getvalue())
    (folder / GROUND_TRUTH).write_text(json.dumps(annotations(), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write(BUNDLED_IMAGES)
