"""Non-maximum suppression of stored results: COCO entries, image by image."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from detcli.inference.postprocessing.non_maximum_suppression import best_first, suppressed_by_none

Result = Mapping[str, Any]


def suppress_results(results: Sequence[Result], iou: float, *, across_classes: bool = False) -> list[Result]:
    """Return the results without those whose box overlaps a better one of their image by more than `iou`, in their order.

    across_classes  also where the better one has another category
    """
    of_images: dict[Any, list[int]] = {}
    for index, result in enumerate(results):
        of_images.setdefault(result["image_id"], []).append(index)
    kept: list[int] = []
    for indices in of_images.values():
        boxes = np.array([results[index]["bbox"] for index in indices], np.float64).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        scores = np.array([results[index]["score"] for index in indices], np.float32)
        categories = np.array([results[index]["category_id"] for index in indices], np.int64)
        order = best_first(boxes, scores, categories)
        order = order[suppressed_by_none(boxes[order], categories[order], iou, across_classes)]
        kept += [indices[position] for position in order.tolist()]
    return [results[index] for index in sorted(kept)]
