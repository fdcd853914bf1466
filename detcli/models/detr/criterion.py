"""The losses of DETR, as in the original repository.

All weights come from the configuration, whose published values are the original's; the weight of the class loss is 1. The
cardinality error, which the original only logs, is omitted.

Source: DETR (Carion et al. 2020), section 3.1 and appendix, and its authors' code.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from detcli.models.detr.config import DetrConfig
from detcli.models.losses.assignment import CostWeights, softmax_costs, solver
from detcli.models.losses.layerwise_criterion import LayerwiseCriterion, SetLossWeights, TargetCounts
from detcli.models.losses.loss_terms import cross_entropy
from detcli.models.losses.target_boxes import shared_mean


def criterion(config: DetrConfig) -> LayerwiseCriterion:
    """The criterion of a configuration. Raises UsageError if scipy is not installed."""
    solver()
    weights = SetLossWeights(
        bbox=config.bbox_loss_coefficient,
        giou=config.giou_loss_coefficient,
        mask=config.mask_loss_coefficient,
        dice=config.dice_loss_coefficient,
    )
    costs = CostWeights(label=config.class_cost, l1=config.bbox_cost, giou=config.giou_cost)
    return LayerwiseCriterion(softmax_costs, MeanCrossEntropy(config.eos_coefficient), costs, weights)


@dataclass(frozen=True, slots=True)
class MeanCrossEntropy:
    """Cross-entropy, as a weighted mean over all queries of all processes; `no_object_weight` is that of queries without a box.

    It is not divided by the number of boxes: images with few boxes count as much as others. Weights of classes are those of
    the queries with a box.
    """

    no_object_weight: float

    def __call__(
        self, logits: Tensor, indices: tuple[Tensor, ...], counts: TargetCounts, class_weights: Tensor | None = None
    ) -> Tensor:
        """Losses [A] of logits [A, B * Q, K + 1] of A layers; indices of the ground-truth classes."""
        matched = counts.matched
        if class_weights is not None:
            matched = shared_mean(class_weights.to(logits)[indices[2]].sum(1))
        weight = matched + self.no_object_weight * counts.unmatched
        least = torch.finfo(weight.dtype).tiny  # avoids 0 / 0
        losses = cross_entropy(logits, indices, no_object_weight=self.no_object_weight, class_weights=class_weights)
        return losses / weight.clamp(min=least)
