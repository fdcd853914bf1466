"""Loss functions, as sums that are not yet divided by a count. They do not depend on the assignment."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from detcli.structures.boxes import cxcywh_to_xyxy, iou_and_giou

# Class scores whose loss is computed at once, which needs several copies; published training has fewer.
_MAX_SCORES = 64_000_000


def varifocal(
    logits: Tensor,
    indices: tuple[Tensor, ...],
    quality: Tensor,
    *,
    alpha: float = 0.75,
    gamma: float = 2.0,
    class_weights: Tensor | None = None,
) -> Tensor:
    """Varifocal loss of classes, whose target is the quality (IoU) of the predicted box.

    logits   [A, Q, K] before sigmoid
    indices  indices into logits, one tensor per dimension: the ground-truth class of each query that has a box
    quality  of the box at each of the indices, from 0 to 1; the target is 0 everywhere else
    class_weights  [K] factor of the loss at the indices, by class; None: 1
    returns  [A], summed over queries and classes

    Source: VarifocalNet (Zhang et al. 2021), equation 2.
    """

    def loss(logits: Tensor, indices: tuple[Tensor, ...], quality: Tensor) -> Tensor:
        weights = (logits.detach().sigmoid() ** gamma).mul_(alpha)
        weights[indices] = quality if class_weights is None else quality * class_weights.to(quality)[indices[2]]
        targets = torch.zeros_like(logits)
        targets[indices] = quality
        return F.binary_cross_entropy_with_logits(logits, targets, weights, reduction="none").sum((1, 2))

    return _in_parts(loss, logits, indices, quality.to(logits.dtype))


def focal(
    logits: Tensor,
    indices: tuple[Tensor, ...],
    *,
    alpha: float = 0.25,
    gamma: float = 2.0,
    class_weights: Tensor | None = None,
) -> Tensor:
    """Focal loss of classes, whose target is 1 at the indices and 0 everywhere else.

    logits   [A, Q, K] before sigmoid
    indices  indices into logits, one tensor per dimension: the ground-truth class of each query that has a box
    class_weights  [K] factor of the loss at the indices, by class; None: 1
    returns  [A], summed over queries and classes

    Source: RetinaNet (Lin et al. 2017), equation 5.
    """

    def loss(logits: Tensor, indices: tuple[Tensor, ...], target: Tensor) -> Tensor:
        targets = torch.zeros_like(logits)
        targets[indices] = target
        losses = _focal(logits, targets, alpha=alpha, gamma=gamma)
        if class_weights is not None:
            factors = torch.ones_like(losses)
            factors[indices] = class_weights.to(losses)[indices[2]]
            losses = losses * factors
        return losses.sum((1, 2))

    return _in_parts(loss, logits, indices, logits.new_ones(()))


def _in_parts(
    loss: Callable[[Tensor, tuple[Tensor, ...], Tensor], Tensor],
    logits: Tensor,
    indices: tuple[Tensor, ...],
    values: Tensor,
) -> Tensor:
    """The loss [A] of logits [A, Q, K], of so many queries at a time that its copies of very many logits stay small.

    indices, values  of the ground truth, which broadcast; each part gets its own
    """
    at_once = max(1, _MAX_SCORES // max(1, logits.shape[0] * logits.shape[2]))
    if logits.shape[1] <= at_once:
        return loss(logits, indices, values)
    shape = np.broadcast_shapes(*(tuple(one.shape) for one in (*indices, values)))
    layers, queries, labels, values = (one.expand(shape) for one in (*indices, values))
    total = logits.new_zeros(len(logits))
    for number, part in enumerate(torch.split(logits, at_once, dim=1)):
        own = queries // at_once == number
        places = (layers[own], queries[own] - number * at_once, labels[own])
        total = total + checkpoint(loss, part, places, values[own], use_reentrant=False, preserve_rng_state=False)
    return total


def cross_entropy(
    logits: Tensor, indices: tuple[Tensor, ...], *, no_object_weight: float, class_weights: Tensor | None = None
) -> Tensor:
    """Cross-entropy with the ground-truth class at the indices, and with "no object" everywhere else.

    logits   [A, Q, K + 1] before softmax, the last one of "no object"
    indices  indices into logits, one tensor per dimension: the ground-truth class of each query that has a box
    no_object_weight  the weight of queries without a box
    class_weights     [K] the weight of queries with a box, by its class; None: 1
    returns  [A], summed over queries

    Source: DETR (Carion et al. 2020), section 3.1.
    """
    layers, queries, labels = indices
    targets = torch.full(logits.shape[:2], logits.shape[-1] - 1, dtype=torch.int64, device=logits.device)
    targets[layers, queries] = labels
    weights = logits.new_ones(logits.shape[-1])
    if class_weights is not None:
        weights[:-1] = class_weights
    weights[-1] = no_object_weight
    return F.cross_entropy(logits.mT, targets, weights, reduction="none").sum(1)


def box_terms(boxes_cxcywh: Tensor, targets_cxcywh: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """L1 loss, GIoU loss and IoU of boxes and targets, row by row: [..., 4] and [..., 4], which may broadcast, to [...].

    returns the L1 distance of center and size, 1 - GIoU, and the IoU (without gradient)
    """
    overlap, generalized = iou_and_giou(cxcywh_to_xyxy(boxes_cxcywh), cxcywh_to_xyxy(targets_cxcywh))
    return (boxes_cxcywh - targets_cxcywh).abs().sum(-1), 1 - generalized, overlap.detach()


def mask_terms(logits: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
    """Focal and Dice losses of masks, one by one: [P, h, w] and [P, H, W] to twice [P].

    logits   before sigmoid; they are resized to the ground truth
    masks    float, 0 or 1
    returns  the focal loss, mean over pixels (alpha 0.25, gamma 2), and the Dice loss, from 0 to 1

    Source: DETR (Carion et al. 2020), appendix; Dice: V-Net (Milletari et al. 2016), with 1 added to both counts.
    """
    logits = F.interpolate(logits[:, None], size=masks.shape[-2:], mode="bilinear", align_corners=False)[:, 0]
    logits, masks = logits.flatten(1), masks.flatten(1)
    probabilities = logits.sigmoid()
    overlap = (probabilities * masks).sum(1)
    dice = 1 - (2 * overlap + 1) / (probabilities.sum(1) + masks.sum(1) + 1)
    return _focal(logits, masks, alpha=0.25, gamma=2.0).mean(1), dice


def distribution_focal(logits: Tensor, left: Tensor, right_weight: Tensor) -> Tensor:
    """Cross-entropy with a target between two neighboring bins: [...].

    logits        [..., R] over bins
    left          int64 [...], which broadcasts: the left one of the two bins
    right_weight  [...], as left: weight of the right bin in the target, from 0 to 1

    Source: Generalized Focal Loss (Li et al. 2020), equation 6; D-FINE (Peng et al. 2024), equation 6, without weights.
    """
    probabilities = logits.log_softmax(-1)
    left = left.expand(logits.shape[:-1])[..., None]
    weights = torch.stack((1 - right_weight, right_weight), dim=-1)
    return -(probabilities.gather(-1, torch.cat((left, left + 1), dim=-1)) * weights).sum(-1)


def distillation(student: Tensor, teacher: Tensor, *, temperature: float) -> Tensor:
    """Kullback-Leibler divergence from a teacher's distributions [..., R], both softened, times the temperature squared.

    The teacher gets no gradient; its shape may broadcast. returns [...]
    Source: Hinton et al. 2015; D-FINE (Peng et al. 2024), equation 7.
    """
    teacher_log = (teacher.detach() / temperature).log_softmax(-1)
    student_log = (student / temperature).log_softmax(-1)
    return (
        F.kl_div(student_log, teacher_log.expand_as(student_log), reduction="none", log_target=True).sum(-1)
        * temperature**2
    )


def _focal(logits: Tensor, targets: Tensor, *, alpha: float, gamma: float) -> Tensor:
    """Focal loss of each logit, for targets of 0 or 1 in the same shape."""
    probabilities = logits.sigmoid()
    error = probabilities + targets - 2 * probabilities * targets  # probability of the wrong class
    weights = (1 - alpha) + (2 * alpha - 1) * targets
    return weights * error**gamma * F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
