"""The comparison of two results as JSON that keeps every digit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from detcli.evaluation.analysis.bootstrap import LEVEL, SEED, Interval
from detcli.evaluation.box_matching import BoxMatches
from detcli.version import __version__

OUTCOMES = ("matched", "wrong class", "missed")


@dataclass(frozen=True, slots=True)
class ComparedSide:
    """One of the results.

    score         detections above it count for objects and images
    score_source  why it is this one; empty if it was given
    class_scores  by name, of classes that have another one
    """

    name: str
    score: float
    score_source: str = ""
    class_scores: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ComparedValue:
    """A metric of both results; None without ground truth.

    interval  of the difference; None: not computed
    """

    first: float | None
    second: float | None
    interval: Interval | None = None

    @property
    def difference(self) -> float | None:
        """Second minus first."""
        return None if self.first is None or self.second is None else self.second - self.first

    @property
    def is_clear(self) -> bool:
        """Whether 0 is outside the interval."""
        return self.interval is not None and (self.interval.low > 0 or self.interval.high < 0)

    def to_dict(self) -> dict[str, Any]:
        """The values as JSON."""
        interval = None if self.interval is None else self.interval.to_json()
        return {"first": self.first, "second": self.second, "difference": self.difference, "interval": interval}


@dataclass(frozen=True, slots=True)
class ClassComparison:
    """The AP of a class in both results."""

    name: str
    category_id: int
    ground_truth: int
    ap: ComparedValue


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Objects of a class that the two results detect with different classes; None: not detected."""

    ground_truth: str
    first: str | None
    second: str | None
    count: int


@dataclass(frozen=True, slots=True)
class ImageComparison:
    """An image in both results; `outcomes` is int64 [3, 3], by outcome in the first (row) and the second."""

    first: BoxMatches
    second: BoxMatches
    outcomes: npt.NDArray[np.int64]

    @property
    def change(self) -> int:
        """Mistakes in the second minus those in the first."""
        return self.second.mistakes - self.first.mistakes


@dataclass(frozen=True, slots=True)
class ComparisonReport:
    """Two results on the same ground truth.

    sides      the first and the second
    metrics    COCO's twelve by name; AP, AP50 and AP75 with intervals of the difference
    classes    by id
    outcomes   int64 [3, 3] number of objects by outcome (OUTCOMES) in the first (row) and in the second (column)
    disagreements  objects with another class in the second, by class and the two classes, the most frequent first
    images     all, in the order of the annotations
    file_names  by image id
    samples    of the paired bootstrap
    settings   what was compared and how: option -> value
    created    time of the comparison
    notes      sentences for the user
    """

    sides: tuple[ComparedSide, ComparedSide]
    metrics: Mapping[str, ComparedValue]
    classes: Sequence[ClassComparison]
    outcomes: npt.NDArray[np.int64]
    disagreements: Sequence[Disagreement]
    images: Sequence[ImageComparison]
    file_names: Mapping[int, str]
    samples: int
    evaluator: str
    iou_type: str
    iou: float
    settings: Mapping[str, object]
    created: str
    notes: Sequence[str] = ()

    @property
    def metrics_by_name(self) -> dict[str, float | None]:
        """The differences of COCO's twelve metrics, second minus first."""
        return {name: value.difference for name, value in self.metrics.items()}

    @property
    def failed_images(self) -> int:
        """0: stored results are compared."""
        return 0

    @property
    def better(self) -> int:
        """Number of images with fewer mistakes in the second."""
        return sum(image.change < 0 for image in self.images)

    @property
    def worse(self) -> int:
        """Number of images with more mistakes in the second."""
        return sum(image.change > 0 for image in self.images)

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON values; a metric without ground truth is None."""
        return {
            "detcli": __version__,
            "evaluator": self.evaluator,
            "iou_type": self.iou_type,
            "created": self.created,
            "settings": dict(self.settings),
            "first": self._side(0),
            "second": self._side(1),
            "bootstrap": {"level": LEVEL, "samples": self.samples, "seed": SEED},
            "metrics": [{"name": name, **value.to_dict()} for name, value in self.metrics.items()],
            "classes": [
                {
                    "name": each.name,
                    "category_id": each.category_id,
                    "ground_truth": each.ground_truth,
                    **each.ap.to_dict(),
                }
                for each in self.classes
            ],
            "outcomes": {"iou": self.iou, "names": list(OUTCOMES), "counts": self.outcomes.tolist()},
            "disagreements": [
                {"ground_truth": each.ground_truth, "first": each.first, "second": each.second, "count": each.count}
                for each in self.disagreements
            ],
            "images": {
                "better": self.better,
                "worse": self.worse,
                "unchanged": len(self.images) - self.better - self.worse,
                "changes": self._changes(),
            },
            "notes": list(self.notes),
        }

    def _side(self, index: int) -> dict[str, Any]:
        side = self.sides[index]
        mistakes = [(image.first, image.second)[index] for image in self.images]
        return {
            "results": side.name,
            "score": side.score,
            "score_source": side.score_source or "given",
            **({"class_scores": dict(side.class_scores)} if side.class_scores else {}),
            "false_positives": sum(int(each.false_positives.sum()) for each in mistakes),
            "mistakes": sum(each.mistakes for each in mistakes),
        }

    def _changes(self) -> list[dict[str, Any]]:
        """The images with another number of mistakes, the best first."""
        changed = sorted((image for image in self.images if image.change), key=lambda image: image.change)
        return [
            {
                "file": self.file_names[image.first.image_id],
                "image_id": image.first.image_id,
                "first": image.first.mistakes,
                "second": image.second.mistakes,
            }
            for image in changed
        ]
