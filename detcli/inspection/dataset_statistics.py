"""Statistics of a dataset: how many images and boxes, of which classes, and of which sizes."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from detcli.inspection.box_table import Boxes, BoxTable, InputSizing, read_boxes
from detcli.inspection.findings import DataPart

SMALL, LARGE = 32.0, 96.0  # sides in pixels of a square between COCO's small, medium and large boxes
_QUANTILES = {"min": 0.0, "p5": 0.05, "p25": 0.25, "median": 0.5, "p75": 0.75, "p95": 0.95, "max": 1.0}
_SIZES_LISTED = 10

Summary = dict[str, float | None]


@dataclass(frozen=True, slots=True)
class ClassStatistics:
    """A class of a part: its boxes without crowds, and the images that have some of them."""

    name: str
    boxes: int
    images: int


@dataclass(frozen=True, slots=True)
class SizeClasses:
    """Boxes by COCO's classes of their area: below 32², below 96², and larger."""

    small: int
    medium: int
    large: int

    @classmethod
    def of(cls, sides_wh: Boxes) -> "SizeClasses":
        """Count boxes by width and height [N, 2]."""
        areas = sides_wh.prod(axis=1)
        small, large = int((areas < SMALL**2).sum()), int((areas >= LARGE**2).sum())
        return cls(small, len(areas) - small - large, large)

    def to_dict(self) -> dict[str, int]:
        """JSON values."""
        return {"small": self.small, "medium": self.medium, "large": self.large}


@dataclass(frozen=True, slots=True)
class PartStatistics:
    """Statistics of a part of the data.

    part         its name, and that of the dataset
    images       number of images
    empty        number of images without boxes
    crowd        number of crowd boxes, which nothing else counts
    classes      in the order of the labels
    table        the boxes
    sizing       how images are resized for a network
    """

    part: str
    name: str
    images: int
    empty: int
    crowd: int
    classes: tuple[ClassStatistics, ...]
    table: BoxTable
    sizing: InputSizing

    @property
    def boxes(self) -> int:
        """Number of boxes without crowds."""
        return len(self.table)

    @property
    def boxes_per_image(self) -> npt.NDArray[np.int64]:
        """Int64 [images]."""
        return np.bincount(self.table.images, minlength=self.images)

    @property
    def aspect_ratios(self) -> npt.NDArray[np.float64]:
        """Width divided by height of each box, float64 [boxes]."""
        sides = self.table.sides_wh
        return np.asarray(sides[:, 0] / sides[:, 1])

    @property
    def image_sizes(self) -> list[tuple[tuple[int, int], int]]:
        """Width and height of the images, and how many have them, the most frequent first."""
        known = self.table.sizes_wh[np.isfinite(self.table.sizes_wh).all(axis=1)].astype(int)
        return Counter((width, height) for width, height in known.tolist()).most_common()

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        limits, resized = self.sizing.image_size, self.table.sized_wh(self.sizing)
        sizes = self.image_sizes
        return {
            "part": self.part,
            "name": self.name,
            "images": self.images,
            "empty": self.empty,
            "boxes": self.boxes,
            "crowd": self.crowd,
            "classes": [{"name": each.name, "boxes": each.boxes, "images": each.images} for each in self.classes],
            "boxes_per_image": quantiles(self.boxes_per_image),
            "box_sizes": _sizes(self.table.sides_wh),
            "box_sizes_at_input": {"image_size": limits and list(limits), **_sizes(resized)},
            "aspect_ratios": quantiles(self.aspect_ratios),
            "image_widths": quantiles(_known(self.table.sizes_wh[:, 0])),
            "image_heights": quantiles(_known(self.table.sizes_wh[:, 1])),
            "image_sizes": [
                {"width": width, "height": height, "images": count} for (width, height), count in sizes[:_SIZES_LISTED]
            ],
            "different_image_sizes": len(sizes),
        }


@dataclass(frozen=True, slots=True)
class DataStatistics:
    """Statistics of the parts of the data."""

    parts: tuple[PartStatistics, ...]

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {"parts": [part.to_dict() for part in self.parts]}

    def to_json(self) -> str:
        """The statistics as a JSON document."""
        return json.dumps(self.to_dict(), indent=2) + "\n"

    def __repr__(self) -> str:
        shown = "; ".join(f"{part.part}: {part.images} images, {part.boxes} boxes" for part in self.parts)
        return f"DataStatistics({shown})"


def part_statistics(part: DataPart, sizing: InputSizing) -> PartStatistics:
    """Compute the statistics of a part.

    sizing  how images are resized for a network
    """
    dataset, table = part.dataset, read_boxes(part.dataset)
    names = dataset.labels.names
    boxes = np.bincount(table.class_ids, minlength=len(names))
    pairs = np.unique(np.column_stack((table.images, table.class_ids)), axis=0)
    images = np.bincount(pairs[:, 1], minlength=len(names))
    classes = zip(names, boxes.tolist(), images.tolist(), strict=True)
    return PartStatistics(
        part=part.name,
        name=dataset.report.name,
        images=len(dataset),
        empty=len(dataset) - len(np.unique(table.images)),
        crowd=dataset.report.crowd,
        classes=tuple(ClassStatistics(*each) for each in classes),
        table=table,
        sizing=sizing,
    )


def quantiles(values: npt.NDArray[Any]) -> Summary:
    """Minimum, quantiles, maximum and mean by name; None without values."""
    if not len(values):
        return dict.fromkeys((*_QUANTILES, "mean"))
    found = np.quantile(values, list(_QUANTILES.values())).tolist()
    shown = dict(zip(_QUANTILES, found, strict=True)) | {"mean": float(np.mean(values))}
    return {name: round(value, 4) for name, value in shown.items()}


def _sizes(sides_wh: Boxes) -> Mapping[str, Any]:
    """Classes of area, and quantiles of the side of a square of the same area."""
    return {**SizeClasses.of(sides_wh).to_dict(), "side": quantiles(np.sqrt(sides_wh.prod(axis=1)))}


def _known(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return values[np.isfinite(values)]
