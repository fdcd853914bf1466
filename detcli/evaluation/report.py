"""The results of an evaluation as JSON that keeps every digit."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from detcli.evaluation.analysis.evaluation_details import EvaluationDetails
from detcli.evaluation.box_matching import BoxMatches
from detcli.evaluation.coco_metrics import Metrics
from detcli.evaluation.confusion_matrix import MAX_TABLE_CLASSES, ConfusionMatrix
from detcli.version import __version__


@dataclass(frozen=True, slots=True)
class EvaluationReport:
    """Metrics of boxes or masks, their mistakes, and what they were computed from.

    confusion    of detections with a score above `score`, matched from an IoU of `iou` on
    score_source  why `score` is this one, for the user; empty if it was given
    class_scores  by name, of classes that have another one
    worst        images with the most mistakes, most first
    file_names   by image id
    settings     what was evaluated and how: option -> value
    created      time of the evaluation
    failed       file and reason of images that could not be processed
    notes        sentences for the user
    details      thresholds, calibration, intervals, types of errors, metrics by size; None: not computed
    """

    metrics: Metrics
    confusion: ConfusionMatrix
    score: float
    iou: float
    worst: Sequence[BoxMatches]
    file_names: Mapping[int, str]
    settings: Mapping[str, object]
    created: str
    failed: Sequence[Mapping[str, str]] = ()
    notes: Sequence[str] = ()
    score_source: str = ""
    class_scores: Mapping[str, float] = field(default_factory=dict)
    details: EvaluationDetails | None = None

    @property
    def metrics_by_name(self) -> dict[str, float | None]:
        """The twelve COCO metrics."""
        return self.metrics.by_name

    @property
    def failed_images(self) -> int:
        """Number of images that could not be processed."""
        return len(self.failed)

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON values; a metric without ground truth is None."""
        return {
            "detcli": __version__,
            "evaluator": self.metrics.evaluator,
            "iou_type": self.metrics.iou_type,
            "created": self.created,
            "settings": dict(self.settings),
            "metrics": self.metrics.by_name,
            "counts": {
                "images": self.metrics.images,
                "failed": len(self.failed),
                "ground_truth": sum(each.ground_truth for each in self.metrics.classes),
                "detections": sum(each.detections for each in self.metrics.classes),
            },
            **({} if self.details is None else self.details.to_dict()),
            "classes": self._classes(),
            "confusion": self._confusion(),
            "worst": self._worst(),
            "failed": [dict(entry) for entry in self.failed],
            "notes": list(self.notes),
        }

    def _classes(self) -> list[dict[str, Any]]:
        return [
            {
                "name": each.name,
                "category_id": each.category_id,
                "ground_truth": each.ground_truth,
                "detections": each.detections,
                "AP": each.ap,
                "AP50": each.ap50,
                "AR": each.ar,
                **({} if self.details is None else self.details.of_class(each.category_id)),
            }
            for each in self.metrics.classes
        ]

    def _confusion(self) -> dict[str, Any]:
        confusion = self.confusion
        return {
            "score": self.score,
            "score_source": self.score_source or "given",
            **({"class_scores": dict(self.class_scores)} if self.class_scores else {}),
            "iou": self.iou,
            "true_positives": confusion.true_positives,
            "misclassified": confusion.misclassified,
            "false_negatives": confusion.false_negatives,
            "false_positives": confusion.false_positives,
            "names": list(confusion.names),
            **self._confusion_counts(),
        }

    def _confusion_counts(self) -> dict[str, Any]:
        """The complete table, or of very many classes the pairs that occur: [ground truth, prediction, count]."""
        if len(self.confusion.names) <= MAX_TABLE_CLASSES:
            return {"counts": self.confusion.counts.tolist()}
        return {"counts": None, "pairs": self.confusion.cells.tolist()}

    def _worst(self) -> list[dict[str, Any]]:
        return [
            {
                "file": self.file_names[image.image_id],
                "image_id": image.image_id,
                "false_negatives": int(image.false_negatives.sum()),
                "misclassified": int(image.misclassified.sum()),
                "false_positives": int(image.false_positives.sum()),
            }
            for image in self.worst
        ]


def to_json(document: Mapping[str, Any]) -> bytes:
    """A report as a file: strict JSON, one line per class and per row of counts, easy to read and to compare."""
    parts = [f"  {json.dumps(key)}: {_value(value)}" for key, value in document.items()]
    return ("{\n" + ",\n".join(parts) + "\n}\n").encode("utf-8", "backslashreplace")


def _value(value: Any, indent: str = "  ") -> str:
    """Objects that hold lists and lists of containers over several lines, everything else on one line."""
    inner = indent + "  "
    if isinstance(value, dict) and any(isinstance(item, list) for item in value.values()):
        rows = [f"{inner}{json.dumps(key)}: {_value(item, inner)}" for key, item in value.items()]
        return "{\n" + ",\n".join(rows) + f"\n{indent}}}"
    if isinstance(value, list) and value and isinstance(value[0], dict | list):
        return "[\n" + ",\n".join(f"{inner}{_line(item)}" for item in value) + f"\n{indent}]"
    return _line(value)


def _line(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
