"""The terms losses are made of. None of them divides by a count, or knows which query answers for which box."""

import torch
from torch import Tensor
from torch.nn import functional as F

from detcli.values.boxes import cxcywh_to_xyxy, iou_and_giou


def varifocal(
    logits: Tensor, places: tuple[Tensor, ...], quality: Tensor, *, alpha: float = 0.75, gamma: float = 2.0
) -> Tensor:
    """How far classes are from the quality of the box that comes with them.

    logits   [A, Q, K] before sigmoid
    places   indices into logits, one tensor a dimension: the true class of each query that answers for a box
    quality  of the box at each of the places, from 0 to 1; everywhere else the answer should be 0
    returns  [A], summed over queries and classes

    Source: VarifocalNet (Zhang et al. 2021), equation 2.
    """
    quality = quality.to(logits.dtype)
    weights = (logits.detach().sigmoid() ** gamma).mul_(alpha)
    weights[places] = quality
    aims = torch.zeros_like(logits)
    aims[places] = quality
    return F.binary_cross_entropy_with_logits(logits, aims, weights, reduction="none").sum((1, 2))


def box_terms(boxes_cxcywh: Tensor, truths_cxcywh: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """How far boxes are from the truth, row by row: [..., 4] and [..., 4], which may broadcast, to three times [...].

    returns the sum of distances of centre and size, 1 - GIoU, and the IoU (without gradient)
    """
    overlap, generalised = iou_and_giou(cxcywh_to_xyxy(boxes_cxcywh), cxcywh_to_xyxy(truths_cxcywh))
    return (boxes_cxcywh - truths_cxcywh).abs().sum(-1), 1 - generalised, overlap.detach()


def distribution_focal(logits: Tensor, left: Tensor, right_share: Tensor) -> Tensor:
    """Cross-entropy with a target that lies between two neighbouring bins: [...].

    logits       [..., R] over bins
    left         int64 [...], which broadcasts: the left one of the two bins
    right_share  [...], as left: how much of the target is the right one's, from 0 to 1

    Source: Generalized Focal Loss (Li et al. 2020), equation 6; D-FINE (Peng et al. 2024), equation 6, without weights.
    """
    chances = logits.log_softmax(-1)
    left = left.expand(logits.shape[:-1])[..., None]
    shares = torch.stack((1 - right_share, right_share), dim=-1)
    return -(chances.gather(-1, torch.cat((left, left + 1), dim=-1)) * shares).sum(-1)


def distillation(student: Tensor, teacher: Tensor, *, temperature: float) -> Tensor:
    """Kullback-Leibler divergence of distributions [..., R] from a teacher's, softened, times the temperature squared.

    No gradient reaches the teacher, whose shape may broadcast. returns [...]
    Source: Hinton et al. 2015; D-FINE (Peng et al. 2024), equation 7.
    """
    wanted = (teacher.detach() / temperature).log_softmax(-1)
    said = (student / temperature).log_softmax(-1)
    return F.kl_div(said, wanted.expand_as(said), reduction="none", log_target=True).sum(-1) * temperature**2
