"""Which detections of stored results are kept, and which images."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from detcli.engine.results.results_request import ResultsFilter
from detcli.inference.postprocessing.selection import Selection, limited
from detcli.sinks.selected_images import selected_indices
from detcli.structures.class_labels import ClassLabels, values_of
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame
from detcli.structures.json_records import Result

_EVERY_SCORE = -np.inf


def filtered(results: Iterable[Result], keep: ResultsFilter, labels: ClassLabels) -> Iterator[Result]:
    """The results that are kept.

    results  are read once, or twice to select images

    Raises UnknownClassError for a class that the results do not have.
    """
    detection_filter = DetectionFilter(keep, labels)
    if keep.select is None:
        return detection_filter(iter(results))
    selected = selected_indices(keep.select, detection_filter(iter(results)))
    return (result for result in detection_filter(iter(results)) if result[0].origin.index in selected)


class DetectionFilter:
    """Applies a filter to results.

    keep    what is kept
    labels  of the results

    Raises UnknownClassError for a class that the results do not have.
    """

    def __init__(self, keep: ResultsFilter, labels: ClassLabels) -> None:
        self._keep = keep
        self._class_ids = None if keep.classes is None else np.array(labels.find(keep.classes), np.int64)
        self._selection = Selection(
            _EVERY_SCORE if keep.threshold is None else keep.threshold,
            np.iinfo(np.int64).max if keep.max_detections is None else keep.max_detections,
            class_thresholds=labels.find_values("threshold", keep.class_thresholds),
            nms=keep.nms,
            nms_agnostic=keep.nms_agnostic,
        )

    def __call__(self, results: Iterator[Result]) -> Iterator[Result]:
        """The results that are kept; failed images are, unless only images with or without detections are."""
        only = self._keep.only
        for frame, detections in results:
            if isinstance(frame, FailedFrame) or isinstance(detections, FailedFrame):
                if only is None:
                    yield frame, detections  # type: ignore[misc]  # both are the same failure
                continue
            kept = self.kept(detections)
            if only is None or bool(len(kept)) == (only == "with"):
                yield frame, kept

    def kept(self, detections: Detections) -> Detections:
        """The detections that are kept, in their order."""
        keep, selection = self._keep, self._selection
        boxes, class_ids = detections.boxes_xyxy, detections.class_ids
        usual = values_of(class_ids, selection.threshold, selection.class_thresholds)
        good = detections.scores > usual
        if self._class_ids is not None:
            good &= np.isin(class_ids, self._class_ids)
        areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
        if keep.min_area is not None:
            good &= areas >= keep.min_area
        if keep.max_area is not None:
            good &= areas <= keep.max_area
        if keep.region is not None:
            left, top, right, bottom = keep.region
            x, y = (boxes[:, 0] + boxes[:, 2]) / 2, (boxes[:, 1] + boxes[:, 3]) / 2
            good &= (left <= x) & (x <= right) & (top <= y) & (y <= bottom)
        chosen = detections[good]
        if selection.nms is not None:
            return limited(chosen, np.ones(len(chosen), np.bool_), selection)
        best = np.argsort(-chosen.scores, kind="stable")[: selection.max_detections]
        return chosen[np.sort(best)]


def filtered_info(info: Mapping[str, Any], keep: ResultsFilter) -> dict[str, Any]:
    """The provenance of filtered results: with the filter, and with the threshold that holds for them now."""
    if not info:
        return {}
    arguments = dict(info.get("arguments") or {})
    before = arguments.get("threshold")
    if keep.threshold is not None:
        arguments["threshold"] = max(keep.threshold, before) if isinstance(before, int | float) else keep.threshold
    arguments["filtered"] = [*arguments.get("filtered", []), keep.as_json()]
    return {**info, "arguments": arguments}
