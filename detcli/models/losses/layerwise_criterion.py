"""The criterion of DETR and Deformable DETR: the losses of every decoder layer, each with its own assignment.

It does not depend on a configuration: the family supplies the matching costs and the class loss.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from detcli.models.losses.assignment import CostWeights, Pairs, assign
from detcli.models.losses.loss_terms import box_terms
from detcli.models.losses.matched_masks import mask_sums
from detcli.models.losses.target_boxes import TargetBoxes, at_least_one, shared_counts
from detcli.models.losses.training_details import SetTrainingDetails
from detcli.structures.network_io import Outputs, Targets

# The cost of matching each query with each ground-truth box: `softmax_costs` or `focal_costs`.
Costs = Callable[[Tensor, Tensor, TargetBoxes, CostWeights], Tensor]


@dataclass(frozen=True, slots=True)
class SetLossWeights:
    """The weight of each loss: classes, L1 and GIoU of boxes, focal and Dice losses of masks."""

    ce: float = 1.0
    bbox: float = 5.0
    giou: float = 2.0
    mask: float = 1.0
    dice: float = 1.0


@dataclass(frozen=True, slots=True)
class TargetCounts:
    """What losses are divided by: means over all processes, scalars.

    boxes      ground-truth boxes, at least one in all processes together
    matched    queries of a layer that are assigned to a box
    unmatched  queries that are not
    """

    boxes: Tensor
    matched: Tensor
    unmatched: Tensor


class ClassTerm(Protocol):
    """The class loss."""

    def __call__(
        self, logits: Tensor, indices: tuple[Tensor, ...], counts: TargetCounts, class_weights: Tensor | None, /
    ) -> Tensor:
        """Losses [A] of logits [A, B * Q, K] of A layers, divided by counts; indices of the ground-truth classes.

        class_weights  [number of classes] of queries with a box; None: 1
        """


class LayerwiseCriterion:
    """Computes the losses of a DETR or Deformable DETR.

    costs         of matching queries with boxes
    class_term    the class loss
    cost_weights  of the assignment
    weights       of the losses
    class_weights  as of `ClassWeighted`
    """

    def __init__(self, costs: Costs, class_term: ClassTerm, cost_weights: CostWeights, weights: SetLossWeights) -> None:
        self.costs, self.class_term = costs, class_term
        self.cost_weights, self.weights = cost_weights, weights
        self.class_weights: Tensor | None = None

    def __call__(self, outputs: Outputs, targets: Sequence[Targets]) -> dict[str, Tensor]:
        """Every loss by its name, weighted, in float32 at least: `loss_ce`, `loss_bbox_aux_0`, `loss_giou_enc` ….

        Suffixes: none for the last layer, `_aux_0` … for the layers before it, `_enc` for the encoder's proposals, whose
        losses use a single class, the first. `loss_mask` and `loss_dice` are of the last layer only; they exist if the
        network computes masks, and are 0 if no image has any. Together the losses depend on all predictions, even if no
        image has a box.

        Raises TypeError for outputs without training details, DivergedError for predictions that are not finite.
        """
        details = outputs.details
        if not isinstance(details, SetTrainingDetails):
            raise TypeError("the outputs have no training details: call the network with `targets`")
        with torch.autocast(outputs.logits.device.type, enabled=False):
            return dict(self._losses(details, targets))

    def _losses(self, details: SetTrainingDetails, targets: Sequence[Targets]) -> Iterator[tuple[str, Tensor]]:
        exact = torch.promote_types(details.boxes_cxcywh.dtype, torch.float32)
        target_boxes = TargetBoxes.of(targets, exact)
        layers = len(details.logits)
        decoder = self._layer_terms(
            details.logits.to(exact),
            details.boxes_cxcywh.to(exact),
            target_boxes,
            [f"decoder layer {i}" for i in range(layers)],
            self.class_weights,
        )
        yield from _named(decoder.terms, [*(f"_aux_{i}" for i in range(layers - 1)), ""])
        if details.encoder_logits is not None and details.encoder_boxes_cxcywh is not None:
            one_class = replace(target_boxes, class_ids=torch.zeros_like(target_boxes.class_ids))
            logits, boxes = details.encoder_logits[None].to(exact), details.encoder_boxes_cxcywh[None].to(exact)
            yield from _named(self._layer_terms(logits, boxes, one_class, ["the encoder"], None).terms, ["_enc"])
        if details.masks is not None:
            size_hw = details.mask.shape[-2:] if details.mask is not None else None
            last = Pairs(decoder.pairs.queries[-1], decoder.pairs.targets[-1])
            focal, dice = mask_sums(details.masks, targets, last, size_hw=size_hw)
            yield "loss_mask", self.weights.mask / decoder.counts.boxes * focal
            yield "loss_dice", self.weights.dice / decoder.counts.boxes * dice

    def _layer_terms(
        self,
        logits: Tensor,
        boxes: Tensor,
        target_boxes: TargetBoxes,
        names: Sequence[str],
        class_weights: Tensor | None,
    ) -> "_LayerLosses":
        """Losses of the predictions [A, B, Q, K] and [A, B, Q, 4] of the named layers."""
        costs = self.costs(logits.detach(), boxes.detach(), target_boxes, self.cost_weights)
        pairs = assign(costs, target_boxes.counts, names).to(boxes.device)  # [A, P]
        counts = _counts(target_boxes, pairs, logits)

        logits, boxes = logits.flatten(1, 2), boxes.flatten(1, 2)  # [A, B * Q, …]
        layer = torch.arange(len(logits), device=boxes.device)[:, None]
        indices = (layer.expand_as(pairs.queries), pairs.queries, target_boxes.class_ids[pairs.targets])
        l1_loss, giou_loss, _ = box_terms(boxes[indices[:2]], target_boxes.boxes_cxcywh[pairs.targets])  # [A, P]
        terms = {
            "ce": self.weights.ce * self.class_term(logits, indices, counts, class_weights),
            "bbox": self.weights.bbox / counts.boxes * l1_loss.sum(1),
            "giou": self.weights.giou / counts.boxes * giou_loss.sum(1),
        }
        return _LayerLosses(terms, pairs, counts)


@dataclass(frozen=True, slots=True)
class _LayerLosses:
    """Losses of some layers: terms [A], weighted and divided, by name; the pairs [A, P]; the counts."""

    terms: dict[str, Tensor]
    pairs: Pairs
    counts: TargetCounts


def _counts(target_boxes: TargetBoxes, pairs: Pairs, logits: Tensor) -> TargetCounts:
    """The counts of each layer with logits [A, B, Q, K]: all layers have the same number of pairs."""
    matched, queries = pairs.queries.shape[1], logits.shape[1] * logits.shape[2]
    boxes, *rest = shared_counts([sum(target_boxes.counts), matched, queries - matched], logits.device).to(logits.dtype)
    return TargetCounts(at_least_one(boxes), *rest)


def _named(terms: Mapping[str, Tensor], endings: Sequence[str]) -> Iterator[tuple[str, Tensor]]:
    for term, values in terms.items():
        for value, ending in zip(values.unbind(0), endings, strict=True):
            yield f"loss_{term}{ending}", value
