"""Intersection over union of boxes as NumPy arrays."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def pairwise_iou(first_xyxy: Floats, second_xyxy: Floats, margins: Floats | None = None) -> Floats:
    """Intersection over union of all pairs of [N, 4] and [M, 4]: [N, M]; 0 where neither box has an area.

    margins  [N] pixels by which both boxes of a pair are enlarged on each side
    """
    grown = np.zeros((len(first_xyxy), 1)) if margins is None else 2 * margins[:, None]
    first_width, first_height = _sides(first_xyxy[:, None])
    second_width, second_height = _sides(second_xyxy[None])
    shared_area = _shared(first_xyxy, second_xyxy, 0, grown)
    shared_area *= _shared(first_xyxy, second_xyxy, 1, grown)
    union = (first_width + grown) * (first_height + grown) + (second_width + grown) * (second_height + grown)
    union -= shared_area
    return np.divide(shared_area, union, out=np.zeros_like(shared_area), where=union > 0)


def _shared(first_xyxy: Floats, second_xyxy: Floats, axis: int, grown: Floats) -> Floats:
    """The shared length [N, M] of two boxes along an axis; three times as fast as both axes in one operation."""
    shared: Floats = np.minimum(first_xyxy[:, None, axis + 2], second_xyxy[None, :, axis + 2])
    shared -= np.maximum(first_xyxy[:, None, axis], second_xyxy[None, :, axis])
    shared += grown
    return shared.clip(0, out=shared)


def _sides(boxes_xyxy: Floats) -> tuple[Floats, Floats]:
    return boxes_xyxy[..., 2] - boxes_xyxy[..., 0], boxes_xyxy[..., 3] - boxes_xyxy[..., 1]
