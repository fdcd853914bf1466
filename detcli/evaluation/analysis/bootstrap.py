"""Confidence intervals of AP by the bootstrap: images are drawn again and again, with replacement.

The images of a dataset are a sample, too. Other images of the same kind would give another AP, and the spread of AP over
drawn images shows by how much. Source: Efron and Tibshirani 1993, percentile intervals.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from detcli.evaluation.analysis.average_precision import average_precisions
from detcli.evaluation.analysis.class_matches import ClassMatches
from detcli.evaluation.coco_metrics import IOUS

Array = npt.NDArray[np.float64]

LEVEL = 0.95  # share of the drawn samples inside an interval
SEED = 0
MIN_IMAGES = 2  # drawn samples of one image are all the same, which would look like certainty
# Column of the mean over IoUs that each metric is; None: all.
METRIC_COLUMNS: Mapping[str, int | None] = {"AP": None, "AP50": 0, "AP75": 5}
_COLUMNS = {name: range(len(IOUS)) if column is None else [column] for name, column in METRIC_COLUMNS.items()}


@dataclass(frozen=True, slots=True)
class Interval:
    """The limits of a confidence interval."""

    low: float
    high: float

    @classmethod
    def of(cls, values: Array) -> "Interval | None":
        """The interval with LEVEL of the values in the middle; None if none of them is a number."""
        valid = values[np.isfinite(values)]
        if not valid.size:
            return None
        low, high = np.quantile(valid, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        return cls(float(low), float(high))

    def to_json(self) -> list[float]:
        """The limits as JSON."""
        return [self.low, self.high]


@dataclass(frozen=True, slots=True)
class BootstrapIntervals:
    """Intervals of AP.

    samples  number of samples of images
    metrics  by name: AP, AP50 and AP75
    classes  of the AP of each class, by category id
    """

    samples: int
    metrics: Mapping[str, Interval | None]
    classes: Mapping[int, Interval | None]

    def to_dict(self) -> dict[str, Any]:
        """The intervals as JSON values; those of classes are with the classes."""
        return {
            "level": LEVEL,
            "samples": self.samples,
            "seed": SEED,
            **{name: None if each is None else each.to_json() for name, each in self.metrics.items()},
        }


def image_weights(images: int, samples: int) -> npt.NDArray[np.uint16]:
    """How often each image is in each sample of as many images, [samples, images]; the same at each call."""
    generator = np.random.default_rng(SEED)
    weights = np.empty((samples, images), np.uint16)
    for row in weights:
        row[:] = np.bincount(generator.integers(0, images, images), minlength=images)
    return weights


def bootstrap_intervals(matches: ClassMatches, samples: int) -> BootstrapIntervals | None:
    """The intervals of matched results; None for fewer than MIN_IMAGES."""
    if len(matches.image_ids) < MIN_IMAGES:
        return None
    weights = image_weights(len(matches.image_ids), samples)
    means, classes = MetricMeans(samples), {}
    for category, values in average_precisions(matches, weights):
        means.add(values)
        classes[int(matches.category_ids[category])] = Interval.of(mean_over_ious(values))
    return BootstrapIntervals(samples, {name: Interval.of(values) for name, values in means.values()}, classes)


def mean_over_ious(values: Array) -> Array:
    """AP [B] of a class, from its AP [B, 10] at each IoU; NaN without ground truth."""
    mean: Array = values.mean(axis=1)
    return mean


class MetricMeans:
    """AP, AP50 and AP75 of each sample, to which classes are added one after the other."""

    def __init__(self, samples: int) -> None:
        self._sums = {name: np.zeros(samples) for name in _COLUMNS}
        self._classes = np.zeros(samples)

    def add(self, values: Array) -> None:
        """Add the AP [B, 10] of a class; samples without ground truth of the class leave it out."""
        known = np.isfinite(values[:, 0])
        self._classes += known
        for name, columns in _COLUMNS.items():
            self._sums[name] += np.where(known, values[:, columns].mean(axis=1), 0.0)

    def values(self) -> Iterator[tuple[str, Array]]:
        """Each metric by name, [B]; NaN where no class has ground truth."""
        for name, sums in self._sums.items():
            yield name, np.divide(sums, self._classes, out=np.full_like(sums, np.nan), where=self._classes > 0)
