"""Random ground truth with results of a detector, and the same boxes written in another format."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from detcli.datasets.boxes.box_formats import COCO, BoxFormat

Json = dict[str, Any]
KINDS = ("small", "large", "any", "integers", "full", "centered")


@dataclass(frozen=True, slots=True)
class Scene:
    """COCO annotations, and COCO results for them."""

    images: list[Json]
    annotations: list[Json]
    results: list[Json]

    @property
    def document(self) -> Json:
        """The annotations as a document."""
        ids = sorted({entry["category_id"] for entry in self.annotations})
        categories = [{"id": number, "name": f"class {number}"} for number in ids]
        return {"images": self.images, "annotations": self.annotations, "categories": categories}

    def sides_wh(self, entries: Sequence[Mapping[str, Any]]) -> npt.NDArray[np.float64]:
        """Width and height of the image of each entry, [N, 2]."""
        sizes = {image["id"]: (image["width"], image["height"]) for image in self.images}
        return np.array([sizes[entry["image_id"]] for entry in entries], np.float64).reshape(-1, 2)

    def written(self, entries: Sequence[Json], written: BoxFormat) -> list[Json]:
        """Entries whose boxes are written in another format."""
        boxes, sides = np.array([entry["bbox"] for entry in entries], np.float64), self.sides_wh(entries)
        numbers = written.from_xyxy(COCO.to_xyxy(boxes, sides), sides)
        return [{**entry, "bbox": row.tolist()} for entry, row in zip(entries, numbers, strict=True)]


def scene(
    seed: int,
    *,
    images: int = 40,
    boxes: int = 6,
    size_wh: tuple[int, int] | None = (640, 480),
    kind: str = "any",
    noise: float | None = 0.05,
    others: int = 5,
) -> Scene:
    """A scene of images with 1 to `boxes` boxes each; of 3 categories.

    size_wh  None: every image has another size
    kind     one of KINDS
    noise    standard deviation of the edges of results, of the size of the box; None: nothing is found
    others   further results per image, anywhere
    """
    rng = np.random.default_rng(seed)
    made = Scene([], [], [])
    for number in range(images):
        width, height = size_wh or rng.integers(32, 1500, 2).tolist()
        name = f"{rng.integers(10**9)}.jpg"
        made.images.append({"id": 7 * number + 3, "file_name": name, "width": width, "height": height})
        sides = np.array([width, height], np.float64)
        for _ in range(rng.integers(1, boxes + 1)):
            box, category_id = _box(rng, kind, sides), int(rng.integers(1, 4))
            made.annotations.append(_entry(made, category_id, box) | {"id": len(made.annotations) + 1, "iscrowd": 0})
            if noise is not None and rng.random() < 0.9:
                moved = box + rng.normal(0, noise, 4) * np.tile(box[2:], 2)
                moved[2:] = moved[2:].clip(0.1)
                made.results.append(_entry(made, category_id, moved) | {"score": float(rng.uniform(0.3, 1))})
        for _ in range(others):
            entry = _entry(made, int(rng.integers(1, 4)), _box(rng, "any", sides))
            made.results.append(entry | {"score": float(rng.uniform(0, 0.3 if noise is not None else 1))})
    return made


def _entry(made: Scene, category_id: int, box: npt.NDArray[np.float64]) -> Json:
    return {"image_id": made.images[-1]["id"], "category_id": category_id, "bbox": box.tolist()}


def _box(rng: np.random.Generator, kind: str, sides: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """A box xywh inside the image."""
    limits = {"small": (0.01, 0.06), "large": (0.5, 1.0), "full": (1.0, 1.0), "centered": (0.5, 0.5)}
    size = rng.uniform(*limits.get(kind, (0.05, 0.9)), 2) * sides
    start = (sides - size) / 2 if kind == "centered" else rng.uniform(0, 1, 2) * (sides - size)
    box = np.concatenate((start, size))
    return box.round().clip([0, 0, 1, 1]) if kind == "integers" else box
