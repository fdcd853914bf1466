"""What DETR minimises in training, as the original has it.

Every weight is the configuration's, whose published values are the original's; that of classes is 1. The error of
cardinality, which the original only logs, is left out.

Source: DETR (Carion et al. 2020), section 3.1 and appendix, and its authors' code.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from detcli.models.detr.config import DetrConfig
from detcli.models.losses.assignment import CostWeights, softmax_costs, solver
from detcli.models.losses.layerwise_criterion import LayerwiseCriterion, SetLossWeights, TargetCounts
from detcli.models.losses.loss_terms import cross_entropy


def criterion(config: DetrConfig) -> LayerwiseCriterion:
    """The losses of a configuration. Raises UsageError where scipy is not installed."""
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
    """Cross-entropy over all queries of all processes, a weighted mean: those without a box weigh `nothing`.

    Not divided by the number of boxes: images that hold few are learned from as much as others.
    """

    no_object_weight: float

    def __call__(self, logits: Tensor, indices: tuple[Tensor, ...], counts: TargetCounts) -> Tensor:
        """Judge logits [A, B * Q, K + 1] of A layers, given the indices of true classes in them: [A]."""
        weight = counts.matched + self.no_object_weight * counts.unmatched
        least = torch.finfo(weight.dtype).tiny  # nothing to learn from is no reason for a 0 / 0
        return cross_entropy(logits, indices, no_object_weight=self.no_object_weight) / weight.clamp(min=least)
