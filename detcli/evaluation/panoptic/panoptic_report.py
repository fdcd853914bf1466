"""The report of panoptic quality as JSON."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from detcli.evaluation.panoptic.panoptic_metrics import PanopticMetrics
from detcli.evaluation.panoptic.panoptic_quality import SegmentCounts
from detcli.version import __version__


@dataclass(frozen=True, slots=True)
class PanopticReport:
    """Panoptic metrics and what they were computed from.

    settings  option -> value
    created   time of the evaluation
    """

    metrics: PanopticMetrics
    settings: Mapping[str, str]
    created: str

    @property
    def metrics_by_name(self) -> dict[str, float | None]:
        """PQ, SQ and RQ, of all classes, things and stuff."""
        return self.metrics.by_name

    @property
    def failed_images(self) -> int:
        """Number of images that could not be processed."""
        return len(self.metrics.failed)

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON values."""
        metrics = self.metrics
        return {
            "detcli": __version__,
            "iou_type": "panoptic",
            "created": self.created,
            "settings": dict(self.settings),
            "metrics": metrics.by_name,
            "counts": {"images": metrics.accumulator.images, "failed": len(metrics.failed)},
            "classes": [
                {"name": category.name, "category_id": category.category_id, "isthing": int(category.is_thing)}
                | _class_row(metrics.accumulator.counts.get(category.category_id, SegmentCounts()))
                for category in metrics.categories
            ],
            "failed": [
                {"file": failed.origin.file, "code": failed.code, "message": failed.message}
                for failed in metrics.failed
            ],
            "notes": list(metrics.notes),
        }


def _class_row(counts: SegmentCounts) -> dict[str, Any]:
    quality = counts.quality
    values = (None, None, None) if quality is None else (quality.pq, quality.sq, quality.rq)
    return {
        **dict(zip(("PQ", "SQ", "RQ"), values, strict=True)),
        "true_positives": counts.true_positives,
        "false_positives": counts.false_positives,
        "false_negatives": counts.false_negatives,
    }
