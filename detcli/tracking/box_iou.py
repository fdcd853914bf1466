"""How much boxes have in common."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def pairwise_iou(ones_xyxy: Floats, others_xyxy: Floats, margins: Floats | None = None) -> Floats:
    """Intersection over union of each of [N, 4] with each of [M, 4]: [N, M]; 0 where neither box has an area.

    margins  [N] pixels by which the first box of a pair, and the second too, are grown on every side
    """
    grown = np.zeros((len(ones_xyxy), 1)) if margins is None else 2 * margins[:, None]
    one_wide, one_high = _sides(ones_xyxy[:, None])
    other_wide, other_high = _sides(others_xyxy[None])
    both = _shared(ones_xyxy, others_xyxy, 0, grown)
    both *= _shared(ones_xyxy, others_xyxy, 1, grown)
    either = (one_wide + grown) * (one_high + grown) + (other_wide + grown) * (other_high + grown)
    either -= both
    return np.divide(both, either, out=np.zeros_like(both), where=either > 0)


def _shared(ones_xyxy: Floats, others_xyxy: Floats, axis: int, grown: Floats) -> Floats:
    """The length [N, M] that two boxes share in one direction; axis by axis is thrice as fast as both at once."""
    shared: Floats = np.minimum(ones_xyxy[:, None, axis + 2], others_xyxy[None, :, axis + 2])
    shared -= np.maximum(ones_xyxy[:, None, axis], others_xyxy[None, :, axis])
    shared += grown
    return shared.clip(0, out=shared)


def _sides(boxes_xyxy: Floats) -> tuple[Floats, Floats]:
    return boxes_xyxy[..., 2] - boxes_xyxy[..., 0], boxes_xyxy[..., 3] - boxes_xyxy[..., 1]
