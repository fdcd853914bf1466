"""Which predictions become detections, and their boxes in the pixels of an image; numpy only."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from detcli.inference.postprocessing.clipped_std import clipped_std
from detcli.inference.postprocessing.non_maximum_suppression import best_first, suppressed_by_none
from detcli.structures.class_labels import ClassValues, values_of
from detcli.structures.detections import Detections

NOT_FINITE = "the network's output contains NaN or infinity"

_ROUNDING, _LOGIT_ROUNDING = 1e-7, 1e-4  # more than float32 rounds scores and logits


class NotFiniteError(ValueError):
    """The output of a network contains NaN or infinity."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which predictions of a network are kept.

    The order is: classes, thresholds, non-maximum suppression, maximum number. So what one of the first three removes
    takes the place of nothing else.

    threshold         scores are strictly above it
    max_detections    maximum number per image; never more than the network has queries
    class_ids         only these classes; None: all
    scores            sigmoid: each class of each query has an independent score; softmax: over the classes of a query,
                      with a last column "no object", and only the best class counts
    class_thresholds  of classes that have another threshold
    nms               boxes that overlap a better one of their class by more than this intersection over union are removed;
                      None: no box is
    nms_agnostic      a better one of any class
    weak_threshold    scores above it are kept too, for a tracker; these boxes remove and replace none above the thresholds
    """

    threshold: float
    max_detections: int = 300
    class_ids: tuple[int, ...] | None = None
    scores: Literal["sigmoid", "softmax"] = "sigmoid"
    class_thresholds: ClassValues = ()
    nms: float | None = None
    nms_agnostic: bool = False
    weak_threshold: float | None = None

    @property
    def needs_spares(self) -> bool:
        """Whether some of the best predictions may be removed, so that others take their places."""
        return self.nms is not None or bool(self.class_thresholds)

    def least_logits(self, classes: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """Logits [K] for sigmoid scores: what is below that of its class is surely not above the threshold of its class."""
        least = values_of(classes, self.threshold, self.class_thresholds).astype(np.float64)
        if self.weak_threshold is not None:
            least = np.minimum(least, self.weak_threshold)
        least = np.clip(least - _ROUNDING, 0, 1)
        with np.errstate(divide="ignore"):
            logits: npt.NDArray[np.float32] = (np.log(least) - np.log1p(-least) - _LOGIT_ROUNDING).astype(np.float32)
        return logits


def to_image_detections(
    rows: npt.NDArray[Any], size_hw: tuple[int, int], selection: Selection
) -> Detections | NotFiniteError:
    """Return the detections of an image in its pixels; an error for NaN or infinity.

    rows  float [k, 6], the best first: cx cy w h as fractions, class id; before it the logit of the score or, for
          softmax, its logarithm; -inf for one that is not selected. [k, 10] with the standard deviation of the left,
          top, right and bottom edge as fractions
    """
    if selection.class_ids is not None or selection.class_thresholds:
        rows = rows[rows[:, 4] != -np.inf]
    if not np.isfinite(rows).all():
        return NotFiniteError(NOT_FINITE)
    exact = rows.astype(np.float64)
    height, width = size_hw
    limits = np.array([width, height, width, height], np.float64)
    corners = _corners(exact[:, :4]) * limits
    boxes = np.minimum(np.maximum(corners, 0), limits)
    box_std = clipped_std(corners, exact[:, 6:10] * limits, limits) if exact.shape[1] > 6 else None
    # In float64: the last bit of a vectorized float32 sigmoid depends on the position of a number in memory.
    scores = (np.exp(exact[:, 4]) if selection.scores == "softmax" else _sigmoid(exact[:, 4])).astype(np.float32)
    class_ids = exact[:, 5].astype(np.int64)
    above = scores > values_of(class_ids, selection.threshold, selection.class_thresholds)
    keep = above if selection.weak_threshold is None else above | (scores > selection.weak_threshold)
    keep = keep & (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
    std = None if box_std is None else box_std[keep]
    detections = Detections(boxes[keep], scores[keep], class_ids[keep], box_std=std)
    return limited(detections, above[keep], selection) if selection.needs_spares else detections


def limited(detections: Detections, is_above: npt.NDArray[np.bool_], selection: Selection) -> Detections:
    """Return the detections that are no duplicates, at most as many as the maximum number, in their order.

    is_above  [N] whether the score is above the threshold of its class; the others are weak
    """
    boxes, class_ids = detections.boxes_xyxy, detections.class_ids
    order = np.arange(len(detections)) if selection.nms is None else best_first(boxes, detections.scores, class_ids)
    order = order[np.argsort(~is_above[order], kind="stable")]
    if selection.nms is not None:
        order = order[suppressed_by_none(boxes[order], class_ids[order], selection.nms, selection.nms_agnostic)]
    return detections[np.sort(order[: selection.max_detections])]


def _corners(boxes_cxcywh: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    center, half = boxes_cxcywh[:, :2], 0.5 * boxes_cxcywh[:, 2:]
    corners: npt.NDArray[np.float64] = np.concatenate((center - half, center + half), axis=1)
    return corners


def _sigmoid(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    small = np.exp(-np.abs(x))  # never overflows
    result: npt.NDArray[np.float64] = np.where(x >= 0, 1 / (1 + small), small / (1 + small))
    return result
