"""Everything an evaluation came to, as JSON that keeps every digit."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from detcli.evaluation.box_matching import BoxMatches
from detcli.evaluation.coco_metrics import Metrics
from detcli.evaluation.confusion_matrix import ConfusionMatrix
from detcli.version import __version__


@dataclass(frozen=True, slots=True)
class EvaluationReport:
    """What a report is made of.

    metrics      of the evaluate
    confusion    above `score`, from an IoU of `iou`
    worst        images with the most mistakes, the worst first
    file_names   by image id
    settings     what was evaluated and how: option -> value
    unreadable   file and reason of images that could not be looked at
    notes        sentences for the user
    """

    metrics: Metrics
    confusion: ConfusionMatrix
    score: float
    iou: float
    worst: Sequence[BoxMatches]
    file_names: Mapping[int, str]
    settings: Mapping[str, object]
    created: str
    unreadable: Sequence[Mapping[str, str]] = ()
    notes: Sequence[str] = ()


def report(judged: EvaluationReport) -> dict[str, Any]:
    """The report as JSON takes it; a figure without ground truth is null."""
    metrics, confusion = judged.metrics, judged.confusion
    return {
        "detcli": __version__,
        "evaluator": metrics.evaluator,
        "iou_type": metrics.iou_type,
        "created": judged.created,
        "settings": dict(judged.settings),
        "metrics": metrics.by_name,
        "counts": {
            "images": metrics.images,
            "failed": len(judged.unreadable),
            "ground_truth": sum(one.ground_truth for one in metrics.classes),
            "detections": sum(one.detections for one in metrics.classes),
        },
        "classes": [
            {
                "name": one.name,
                "category_id": one.category_id,
                "ground_truth": one.ground_truth,
                "detections": one.detections,
                "AP": one.ap,
                "AP50": one.ap50,
                "AR": one.ar,
            }
            for one in metrics.classes
        ],
        "confusion": {
            "score": judged.score,
            "iou": judged.iou,
            "true_positives": confusion.true_positives,
            "misclassified": confusion.misclassified,
            "false_negatives": confusion.false_negatives,
            "false_positives": confusion.false_positives,
            "names": list(confusion.names),
            "counts": confusion.counts.tolist(),
        },
        "worst": [
            {
                "file": judged.file_names[image.image_id],
                "image_id": image.image_id,
                "false_negatives": int(image.false_negatives.sum()),
                "misclassified": int(image.misclassified.sum()),
                "false_positives": int(image.false_positives.sum()),
            }
            for image in judged.worst
        ],
        "failed": [dict(entry) for entry in judged.unreadable],
        "notes": list(judged.notes),
    }


def to_json(document: Mapping[str, Any]) -> bytes:
    """A report as a file: strict JSON, one class and one row of counts a line so that it can be read and compared."""
    parts = [f"  {json.dumps(key)}: {_value(value)}" for key, value in document.items()]
    return ("{\n" + ",\n".join(parts) + "\n}\n").encode("utf-8", "backslashreplace")


def _value(value: Any, indent: str = "  ") -> str:
    """Objects of objects and lists of containers over several lines, everything else in one."""
    inner = indent + "  "
    if isinstance(value, dict) and any(isinstance(each, list) for each in value.values()):
        rows = [f"{inner}{json.dumps(key)}: {_value(each, inner)}" for key, each in value.items()]
        return "{\n" + ",\n".join(rows) + f"\n{indent}}}"
    if isinstance(value, list) and value and isinstance(value[0], dict | list):
        return "[\n" + ",\n".join(f"{inner}{_line(each)}" for each in value) + f"\n{indent}]"
    return _line(value)


def _line(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
