"""Boxes as tensors: center and size, or corners; their areas, and how far two of them are the same."""

import torch
from torch import Tensor


def cxcywh_to_xyxy(boxes: Tensor) -> Tensor:
    """Turn center and size into corners; boxes [..., 4] in any unit."""
    cx, cy, w, h = boxes.unbind(-1)
    return torch.stack((cx - 0.5 * w, cy - 0.5 * h, cx + 0.5 * w, cy + 0.5 * h), dim=-1)


def xyxy_to_cxcywh(boxes: Tensor) -> Tensor:
    """Turn corners into center and size; boxes [..., 4] in any unit."""
    x0, y0, x1, y1 = boxes.unbind(-1)
    return torch.stack(((x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0), dim=-1)


def area(boxes_xyxy: Tensor) -> Tensor:
    """Areas [...] of boxes [..., 4]; none where the corners have changed places."""
    x0, y0, x1, y1 = boxes_xyxy.unbind(-1)
    return (x1 - x0).clamp(min=0) * (y1 - y0).clamp(min=0)


def iou(one_xyxy: Tensor, other_xyxy: Tensor) -> Tensor:
    """Intersection over union, from 0 to 1, row by row: [..., 4] and [..., 4] to [...]; 0 of two boxes without area."""
    return iou_and_giou(one_xyxy, other_xyxy)[0]


def giou(one_xyxy: Tensor, other_xyxy: Tensor) -> Tensor:
    """Generalised intersection over union, from -1 to 1, row by row: [..., 4] and [..., 4] to [...]."""
    return iou_and_giou(one_xyxy, other_xyxy)[1]


def pairwise_iou(ones_xyxy: Tensor, others_xyxy: Tensor) -> Tensor:
    """`iou` of each with each: [..., N, 4] and [..., M, 4] to [..., N, M]."""
    return iou(ones_xyxy[..., :, None, :], others_xyxy[..., None, :, :])


def pairwise_giou(ones_xyxy: Tensor, others_xyxy: Tensor) -> Tensor:
    """`giou` of each with each: [..., N, 4] and [..., M, 4] to [..., N, M]."""
    return giou(ones_xyxy[..., :, None, :], others_xyxy[..., None, :, :])


def iou_and_giou(one_xyxy: Tensor, other_xyxy: Tensor) -> tuple[Tensor, Tensor]:
    """Both at once, for those who need both: shapes that broadcast, [..., 4] and [..., 4] to twice [...].

    Source: Generalized Intersection over Union (Rezatofighi et al. 2019), algorithm 1.
    """
    ax0, ay0, ax1, ay1 = one_xyxy.unbind(-1)
    bx0, by0, bx1, by1 = other_xyxy.unbind(-1)
    across = (torch.minimum(ax1, bx1) - torch.maximum(ax0, bx0)).clamp(min=0)
    down = (torch.minimum(ay1, by1) - torch.maximum(ay0, by0)).clamp(min=0)
    shared = across * down
    union = area(one_xyxy) + area(other_xyxy) - shared
    hull = (torch.maximum(ax1, bx1) - torch.minimum(ax0, bx0)) * (torch.maximum(ay1, by1) - torch.minimum(ay0, by0))
    least = torch.finfo(union.dtype).tiny  # boxes without area are no reason for a 0 / 0
    union, hull = union.clamp(min=least), hull.clamp(min=least)
    ratio = shared / union
    return ratio, ratio - (hull - union) / hull
