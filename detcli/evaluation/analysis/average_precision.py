"""AP of weighted images: an image counts as often as its weight says, 0 included."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from detcli.evaluation.analysis.class_matches import ClassMatches
from detcli.evaluation.coco_metrics import RECALLS

Array = npt.NDArray[np.float64]

_MAX_CELLS = 4_000_000  # of one array


def average_precisions(matches: ClassMatches, weights: npt.NDArray[Any]) -> Iterator[tuple[int, Array]]:
    """Index of each class with ground truth, and its AP [B, 10] at the IoUs 0.50 … 0.95 for each of B weightings.

    weights  number [B, I]: how often each image counts

    NaN where the weighted images have no ground truth of the class. With equal weights it is COCO's AP.
    """
    for category, rows in matches.classes():
        truth = matches.truth_counts(category).astype(np.float64)
        height = max(1, _MAX_CELLS // max(1, rows.stop - rows.start))
        parts = [
            _of_class(matches, rows, truth, weights[start : start + height]) for start in range(0, len(weights), height)
        ]
        yield category, np.concatenate(parts)


def _of_class(matches: ClassMatches, rows: slice, truth: Array, weights: npt.NDArray[Any]) -> Array:
    """AP [B, 10] of the detections in `rows`; `truth` is the number of objects of each image."""
    with_truth = np.flatnonzero(truth)
    total = weights.take(with_truth, axis=1).astype(np.float64) @ truth[with_truth]
    weight_of = weights.take(matches.image[rows], axis=1).astype(np.float64)
    detections = weight_of.cumsum(axis=1)
    columns = []
    for level in range(matches.matched.shape[1]):
        positions = np.flatnonzero(matches.matched[rows, level])
        ignored = np.flatnonzero(matches.ignored[rows, level])
        counted = detections.take(positions, axis=1)
        if ignored.size:
            left_out = np.pad(weight_of.take(ignored, axis=1).cumsum(axis=1), ((0, 0), (1, 0)))
            counted = counted - left_out[:, np.searchsorted(ignored, positions)]
        columns.append(_interpolated(weight_of.take(positions, axis=1).cumsum(axis=1), counted, total))
    return np.stack(columns, axis=1)


def _interpolated(true: Array, counted: Array, total: Array) -> Array:
    """The mean precision [B] at the recalls 0.00 … 1.00, from the values at each true positive.

    Between two true positives precision only falls, so that the others do not matter.

    true     [B, K] weighted number of true positives up to each of K true positives
    counted  [B, K] weighted number of detections up to there
    total    [B] weighted number of objects
    """
    known = total > 0
    if not true.shape[1]:
        return np.where(known, 0.0, np.nan)
    precision = np.divide(true, counted, out=np.zeros_like(true), where=counted > 0)
    precision = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    recall = true / np.where(known, total, 1.0)[:, None]
    reached = np.searchsorted(RECALLS, recall, side="right")  # number of recalls that are reached
    steps = np.diff(reached, axis=1, prepend=0)
    return np.where(known, np.einsum("bk,bk->b", precision, steps) / len(RECALLS), np.nan)
