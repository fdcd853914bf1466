"""How much boxes have in common."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def pairwise_iou(ones_xyxy: Floats, others_xyxy: Floats, margins: Floats | None = None) -> Floats:
    """Intersection over union of each of [N, 4] with each of [M, 4]: [N, M]; 0 where neither box has an area.

    margins  [N] pixels by which the first box of a pair, and the second too, are grown on every side
    """
    ones, others = ones_xyxy[:, None], others_xyxy[None]
    grown = np.zeros((len(ones), 1, 1)) if margins is None else 2 * margins[:, None, None]
    sides = np.minimum(ones[..., 2:], others[..., 2:]) - np.maximum(ones[..., :2], others[..., :2]) + grown
    both: Floats = sides.clip(0).prod(axis=-1)
    either = _areas(ones, grown) + _areas(others, grown) - both
    return np.divide(both, either, out=np.zeros_like(both), where=either > 0)


def _areas(boxes_xyxy: Floats, grown: Floats) -> Floats:
    areas: Floats = (boxes_xyxy[..., 2:] - boxes_xyxy[..., :2] + grown).prod(axis=-1)
    return areas
