"""Boxes as tensors: conversion between center and corners, areas, intersection over union."""

import torch
from torch import Tensor


def cxcywh_to_xyxy(boxes: Tensor) -> Tensor:
    """Convert center and size to corners; boxes [..., 4] in any unit."""
    cx, cy, w, h = boxes.unbind(-1)
    return torch.stack((cx - 0.5 * w, cy - 0.5 * h, cx + 0.5 * w, cy + 0.5 * h), dim=-1)


def xyxy_to_cxcywh(boxes: Tensor) -> Tensor:
    """Convert corners to center and size; boxes [..., 4] in any unit."""
    x0, y0, x1, y1 = boxes.unbind(-1)
    return torch.stack(((x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0), dim=-1)


def area(boxes_xyxy: Tensor) -> Tensor:
    """Areas [...] of boxes [..., 4]; 0 where the corners are swapped."""
    x0, y0, x1, y1 = boxes_xyxy.unbind(-1)
    return (x1 - x0).clamp(min=0) * (y1 - y0).clamp(min=0)


def iou(one_xyxy: Tensor, other_xyxy: Tensor) -> Tensor:
    """Intersection over union, from 0 to 1, row by row: [..., 4] and [..., 4] to [...]; 0 for two boxes without area."""
    return iou_and_giou(one_xyxy, other_xyxy)[0]


def giou(one_xyxy: Tensor, other_xyxy: Tensor) -> Tensor:
    """Generalized intersection over union, from -1 to 1, row by row: [..., 4] and [..., 4] to [...]."""
    return iou_and_giou(one_xyxy, other_xyxy)[1]


def pairwise_iou(ones_xyxy: Tensor, others_xyxy: Tensor) -> Tensor:
    """`iou` of all pairs: [..., N, 4] and [..., M, 4] to [..., N, M]."""
    return iou(ones_xyxy[..., :, None, :], others_xyxy[..., None, :, :])


def pairwise_giou(ones_xyxy: Tensor, others_xyxy: Tensor) -> Tensor:
    """`giou` of all pairs: [..., N, 4] and [..., M, 4] to [..., N, M]."""
    return giou(ones_xyxy[..., :, None, :], others_xyxy[..., None, :, :])


def iou_and_giou(one_xyxy: Tensor, other_xyxy: Tensor) -> tuple[Tensor, Tensor]:
    """`iou` and `giou` in one computation: [..., 4] and [..., 4], which are broadcast, to twice [...].

    Source: Generalized Intersection over Union (Rezatofighi et al. 2019), algorithm 1.
    """
    ax0, ay0, ax1, ay1 = one_xyxy.unbind(-1)
    bx0, by0, bx1, by1 = other_xyxy.unbind(-1)
    shared_width = (torch.minimum(ax1, bx1) - torch.maximum(ax0, bx0)).clamp(min=0)
    shared_height = (torch.minimum(ay1, by1) - torch.maximum(ay0, by0)).clamp(min=0)
    shared = shared_width * shared_height
    union = area(one_xyxy) + area(other_xyxy) - shared
    hull = (torch.maximum(ax1, bx1) - torch.minimum(ax0, bx0)) * (torch.maximum(ay1, by1) - torch.minimum(ay0, by0))
    smallest = torch.finfo(union.dtype).tiny  # no 0 / 0 for boxes without area
    union, hull = union.clamp(min=smallest), hull.clamp(min=smallest)
    ratio = shared / union
    return ratio, ratio - (hull - union) / hull
