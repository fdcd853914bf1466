"""Assignment of queries to ground-truth boxes: the cheapest one-to-one matching, for each image and layer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from detcli.errors import DivergedError
from detcli.extras import install_command
from detcli.libraries import optional_library
from detcli.models.losses.target_boxes import TargetBoxes
from detcli.structures.boxes import cxcywh_to_xyxy, pairwise_giou

Indices = npt.NDArray[np.int64]
Solver = Callable[[npt.NDArray[Any]], tuple[Indices, Indices]]


@dataclass(frozen=True, slots=True)
class CostWeights:
    """Weights of the matching costs; the defaults are those of Deformable DETR and D-FINE.

    label         of the class cost
    l1            of the L1 distance of centers and sizes
    giou          of the generalized IoU, which lowers the cost
    alpha, gamma  of focal costs; softmax costs do not use them
    """

    label: float = 2.0
    l1: float = 5.0
    giou: float = 2.0
    alpha: float = 0.25
    gamma: float = 2.0


@dataclass(frozen=True, slots=True)
class Assignment:
    """Pairs of a query and a ground-truth box, with indices over the complete batch.

    queries  int64 [A, P] or [P]  index among all B * Q queries
    targets  int64 [A, P] or [P]  index among all ground-truth boxes, in the order of the images
    """

    queries: Indices
    targets: Indices

    def to(self, device: torch.device) -> "Pairs":
        """The pairs as tensors, in one transfer."""
        both = torch.from_numpy(np.stack((self.queries, self.targets)))
        return Pairs(*both.to(device, non_blocking=True).unbind(0))


@dataclass(frozen=True, slots=True)
class Pairs:
    """An Assignment as tensors."""

    queries: Tensor
    targets: Tensor


def focal_costs(logits: Tensor, boxes_cxcywh: Tensor, target_boxes: TargetBoxes, weights: CostWeights) -> Tensor:
    """The cost of matching each query with each ground-truth box of its image.

    logits        [A, B, Q, K] before sigmoid, of A layers
    boxes_cxcywh  [A, B, Q, 4] as fractions of the image
    returns       [A, B, Q, N] for the N boxes of the image with most; columns beyond an image's own boxes are meaningless

    Source: Deformable DETR (Zhu et al. 2020), and the authors' code, which has the focal cost and the 1e-8.
    """
    labels, boxes = target_boxes.padded()  # [B, N], [B, N, 4]
    probabilities = _of_target_classes(logits, labels).sigmoid()  # [A, B, Q, N]
    present = weights.alpha * (1 - probabilities) ** weights.gamma * -(probabilities + 1e-8).log()
    absent = (1 - weights.alpha) * probabilities**weights.gamma * -(1 - probabilities + 1e-8).log()
    return weights.label * (present - absent) + _box_costs(boxes_cxcywh, boxes, weights)


def softmax_costs(logits: Tensor, boxes_cxcywh: Tensor, target_boxes: TargetBoxes, weights: CostWeights) -> Tensor:
    """The matching cost for softmax scores: the probability of the ground-truth class lowers it.

    logits   [A, B, Q, K + 1] before softmax
    returns  [A, B, Q, N] as in `focal_costs`

    Source: DETR (Carion et al. 2020), section 3.1.
    """
    labels, boxes = target_boxes.padded()
    probabilities = _of_target_classes(logits.softmax(-1), labels)
    return _box_costs(boxes_cxcywh, boxes, weights) - weights.label * probabilities


def match(cost: npt.NDArray[np.floating[Any]]) -> tuple[Indices, Indices]:
    """Match queries with ground-truth boxes one to one, with the lowest total cost.

    cost     [Q, N]  any finite numbers; N may be 0
    returns  query indices [min(Q, N)], box indices [min(Q, N)], ordered by query

    Raises ValueError if a cost is not finite, UsageError where scipy is not installed.
    Source: Kuhn 1955; DETR (Carion et al. 2020), section 3.1.
    """
    return _matched(cost, solver())


def assign(costs: Tensor, counts: Sequence[int], names: Sequence[str]) -> Assignment:
    """The cheapest assignment of every layer, with one transfer of all costs to the CPU.

    costs    [A, B, Q, N]  as from `focal_costs`
    counts   number of ground-truth boxes of each image
    names    of the A layers, for the message
    returns  the pairs of each layer [A, P], in the order of the images; P = sum of min(Q, count)

    Raises DivergedError naming the first layer with a cost that is not finite.
    """
    solve = solver()
    table = costs.detach().cpu().numpy()
    queries, targets = [], []
    for layer, name in enumerate(names):
        first = 0
        for image, count in enumerate(counts):
            try:
                query, target = _matched(table[layer, image, :, :count], solve)
            except ValueError as error:
                raise DivergedError(
                    f"training diverged: predictions of {name} are not finite (image {image + 1} of the batch); "
                    "a smaller learning rate may help, or float32 in place of half precision"
                ) from error
            queries.append(query + image * table.shape[2])
            targets.append(target + first)
            first += count
    return Assignment(_joined(queries).reshape(len(names), -1), _joined(targets).reshape(len(names), -1))


def solver() -> Solver:
    """The assignment solver of scipy. Raises LibraryError (a UsageError) if scipy is not installed or cannot be loaded."""
    scipy = optional_library("scipy.optimize", need="training needs", install=install_command("train"))
    solve: Solver = scipy.linear_sum_assignment
    return solve


def _of_target_classes(values: Tensor, labels: Tensor) -> Tensor:
    """Columns [A, B, Q, N] of values [A, B, Q, K]: one for each of the labels [B, N] of an image."""
    return values.gather(-1, labels[:, None].expand(*values.shape[:3], -1))


def _box_costs(boxes_cxcywh: Tensor, targets_cxcywh: Tensor, weights: CostWeights) -> Tensor:
    """Box costs [A, B, Q, N] of boxes [A, B, Q, 4] for ground-truth boxes [B, N, 4]."""
    targets_cxcywh = targets_cxcywh.to(boxes_cxcywh.dtype)
    distance = (boxes_cxcywh[..., None, :] - targets_cxcywh[:, None]).abs().sum(-1)
    overlap = pairwise_giou(cxcywh_to_xyxy(boxes_cxcywh), cxcywh_to_xyxy(targets_cxcywh))
    return weights.l1 * distance - weights.giou * overlap


def _matched(cost: npt.NDArray[np.floating[Any]], solve: Solver) -> tuple[Indices, Indices]:
    if not np.isfinite(cost).all():
        raise ValueError(f"{np.count_nonzero(~np.isfinite(cost))} of {cost.size} costs are not finite")
    return solve(cost)


def _joined(parts: list[Indices]) -> Indices:
    return np.concatenate(parts) if parts else np.zeros(0, np.int64)
