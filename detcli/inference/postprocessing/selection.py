"""Which predictions become detections, and their boxes in the pixels of an image; numpy only."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from detcli.inference.postprocessing.clipped_std import clipped_std
from detcli.structures.detections import Detections

NOT_FINITE = "the network's output contains NaN or infinity"


class NotFiniteError(ValueError):
    """The output of a network contains NaN or infinity."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which predictions of a network are kept.

    threshold       scores are strictly above it
    max_detections  maximum number per image; never more than the network has queries
    class_ids       only these classes, selected before the maximum number counts; None: all
    scores          sigmoid: each class of each query has an independent score; softmax: over the classes of a query,
                    with a last column "no object", and only the best class counts
    """

    threshold: float
    max_detections: int = 300
    class_ids: tuple[int, ...] | None = None
    scores: Literal["sigmoid", "softmax"] = "sigmoid"


def to_image_detections(
    rows: npt.NDArray[Any], size_hw: tuple[int, int], selection: Selection
) -> Detections | NotFiniteError:
    """Return the detections of an image in its pixels; an error for NaN or infinity.

    rows  float [k, 6], the best first: cx cy w h as fractions, class id; before it the logit of the score or, for
          softmax, its logarithm, -inf for a class that is not selected. [k, 10] with the standard deviation of the left,
          top, right and bottom edge as fractions
    """
    if selection.class_ids is not None:
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
    keep = (scores > selection.threshold) & (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
    class_ids = exact[keep, 5].astype(np.int64)
    return Detections(boxes[keep], scores[keep], class_ids, box_std=None if box_std is None else box_std[keep])


def _corners(boxes_cxcywh: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    center, half = boxes_cxcywh[:, :2], 0.5 * boxes_cxcywh[:, 2:]
    corners: npt.NDArray[np.float64] = np.concatenate((center - half, center + half), axis=1)
    return corners


def _sigmoid(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    small = np.exp(-np.abs(x))  # never overflows
    result: npt.NDArray[np.float64] = np.where(x >= 0, 1 / (1 + small), small / (1 + small))
    return result
