"""Adds the images of a report to its gallery, and counts them."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from detcli.engine.results.report.report_evaluation import MISSED, ImageOutcomes, ReportEvaluation
from detcli.engine.results.report.report_images import ThumbnailFrame
from detcli.pipeline.statistics import RunStats
from detcli.sinks.gallery.gallery_image import GalleryImage
from detcli.sinks.gallery.gallery_writer import GalleryWriter
from detcli.sinks.sink import BaseSink
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame
from detcli.text import counted

_MAX_NAMED = 3  # images that the remark names; the report names all


class ReportSink(BaseSink):
    """Adds images to a gallery in their order.

    stats  gets the counts: images that cannot be shown are failed
    """

    ordered = True
    needs_pixels = False

    def __init__(self, writer: GalleryWriter, evaluation: ReportEvaluation | None, stats: RunStats) -> None:
        self._writer, self._evaluation, self._stats = writer, evaluation, stats
        self._named: list[str] = []

    def write(self, frame: Frame | FailedFrame, detections: Detections | FailedFrame) -> None:
        """Add one image."""
        image, kept = _without_boxes(frame, detections), None if isinstance(detections, FailedFrame) else detections
        if self._evaluation is not None:
            image = _with_outcomes(image, kept, self._evaluation.of_image(frame.origin.index))
        elif kept is not None:
            image = self.with_boxes(image, kept)
        self._writer.add(image)
        self._count(frame)

    def with_boxes(self, image: GalleryImage, detections: Detections) -> GalleryImage:
        """With all detections, best first."""
        best = detections[np.argsort(-detections.scores, kind="stable")]
        return replace(
            image, boxes_xyxy=best.boxes_xyxy, class_ids=best.class_ids, scores=best.scores, track_ids=best.track_ids
        )

    def _count(self, frame: Frame | FailedFrame) -> None:
        missing = frame.missing if isinstance(frame, ThumbnailFrame) else None
        self._stats.images += missing is None
        self._stats.failed += missing is not None
        self._stats.boxes = self._writer.boxes
        if missing is not None and len(self._named) < _MAX_NAMED:
            self._named.append(f"'{missing.origin.file}' ({missing.message})")

    @property
    def remarks(self) -> Sequence[str]:
        """Which images cannot be shown."""
        if not self._named:
            return ()
        failed = self._stats.failed
        cannot = counted(failed, "image cannot be shown, only its", "images cannot be shown, only their")
        more = f" and {failed - len(self._named):,} more" if failed > len(self._named) else ""
        return (f"{cannot} boxes: {', '.join(self._named)}{more}",)


def _without_boxes(frame: Frame | FailedFrame, detections: Detections | FailedFrame) -> GalleryImage:
    name = frame.origin.file if frame.origin.frame is None else f"{frame.origin.file}, frame {frame.origin.frame}"
    if isinstance(detections, FailedFrame):
        return GalleryImage(name, None, problem=("failed", f"{detections.code}: {detections.message}"))
    if not isinstance(frame, ThumbnailFrame):
        raise TypeError("the frame is not one of a report")
    return GalleryImage(
        name,
        None if 0 in frame.size_hw else frame.size_hw,
        thumbnail=frame.thumbnail,
        masks=frame.masks,
        problem=None if frame.missing is None else ("missing", frame.missing.message),
    )


def _with_outcomes(image: GalleryImage, detections: Detections | None, outcomes: ImageOutcomes) -> GalleryImage:
    """With the detections that were evaluated, best first, then the ground truth that was missed."""
    kept = (Detections.empty() if detections is None else detections)[np.array(outcomes.rows, np.int64)]
    order = np.argsort(-kept.scores, kind="stable")
    count = len(outcomes.missed_classes)
    best, missed = kept[order], np.full(count, -1, np.int64)
    return replace(
        image,
        size_hw=image.size_hw or outcomes.size_hw,
        boxes_xyxy=np.concatenate([best.boxes_xyxy, outcomes.missed_boxes]),
        class_ids=np.concatenate([best.class_ids, np.array(outcomes.missed_classes, np.int64)]),
        scores=np.concatenate([best.scores, np.full(count, np.nan)]),
        outcomes=np.concatenate([np.array(outcomes.outcomes, np.int64)[order], np.full(count, MISSED)]),
        expected=np.concatenate([np.array(outcomes.expected, np.int64)[order], missed]),
    )
