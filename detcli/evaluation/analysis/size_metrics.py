"""AP by size: of objects, as COCO divides them, and of images, in three groups of about as many images."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from detcli.evaluation.analysis.average_precision import average_precisions
from detcli.evaluation.analysis.bootstrap import METRIC_COLUMNS, MetricMeans
from detcli.evaluation.analysis.class_matches import ClassMatches
from detcli.evaluation.coco_metrics import Metrics

Json = Mapping[str, Any]

_GROUPS = 3
_OBJECT_SIZES = {"small": (0.0, 32.0**2), "medium": (32.0**2, 96.0**2), "large": (96.0**2, 1e10)}  # as in COCO


@dataclass(frozen=True, slots=True)
class SizeGroup:
    """The metrics of a group of objects or images.

    name          small, medium or large
    low, high     area in pixels from and to
    images        number of images; None: objects of all images
    ground_truth  number of objects, without crowds
    metrics       by name; None without ground truth
    """

    name: str
    low: float
    high: float
    images: int | None
    ground_truth: int
    metrics: Mapping[str, float | None]

    def to_dict(self) -> dict[str, Any]:
        """The group as JSON values."""
        images = {} if self.images is None else {"images": self.images}
        limits = {"pixels": [self.low, self.high]}
        return {"name": self.name, **limits, **images, "ground_truth": self.ground_truth, **self.metrics}


def object_sizes(annotations: Json, metrics: Metrics) -> tuple[SizeGroup, ...]:
    """AP and AR of small, medium and large objects."""
    areas = np.array(
        [
            float(entry.get("area", entry["bbox"][2] * entry["bbox"][3]))
            for entry in annotations["annotations"]
            if not entry.get("iscrowd", 0)
        ]
    )
    groups = []
    for name, (low, high) in _OBJECT_SIZES.items():
        values = {metric: metrics.by_name[f"{metric}{name[0]}"] for metric in ("AP", "AR")}
        inside = (areas >= low) & (areas < high) if name == "small" else (areas >= low) & (areas <= high)
        groups.append(SizeGroup(name, low, high, None, int(inside.sum()), values))
    return tuple(groups)


def image_sizes(annotations: Json, matches: ClassMatches) -> tuple[SizeGroup, ...]:
    """AP of small, medium and large images; fewer groups if few sizes occur, none without sizes."""
    area_of = {
        image["id"]: float(image["height"]) * float(image["width"])
        for image in annotations["images"]
        if isinstance(image.get("height"), int) and isinstance(image.get("width"), int)
    }
    if len(area_of) < len(matches.image_ids) or not area_of:
        return ()
    areas = np.array([area_of[image_id] for image_id in matches.image_ids.tolist()])
    group_of = _groups(areas)
    count = int(group_of.max()) + 1
    weights = (group_of == np.arange(count)[:, None]).astype(np.float64)
    means = MetricMeans(count)
    for _, values in average_precisions(matches, weights):
        means.add(values)
    found = dict(means.values())
    truth = np.bincount(group_of[matches.truth_image], minlength=count)
    names = {1: ("all",), 2: ("small", "large"), 3: ("small", "medium", "large")}[count]
    return tuple(
        SizeGroup(
            name,
            float(areas[group_of == index].min()),
            float(areas[group_of == index].max()),
            int((group_of == index).sum()),
            int(truth[index]),
            {
                metric: float(found[metric][index]) if np.isfinite(found[metric][index]) else None
                for metric in METRIC_COLUMNS
            },
        )
        for index, name in enumerate(names)
    )


def _groups(areas: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """The group of each area: thirds of the images, without dividing images of one size; numbered without gaps."""
    limits = np.quantile(areas, np.arange(1, _GROUPS) / _GROUPS, method="lower")
    group = np.searchsorted(np.unique(limits), areas, side="left")
    numbered: npt.NDArray[np.int64] = np.unique(group, return_inverse=True)[1].reshape(-1).astype(np.int64)
    return numbered
