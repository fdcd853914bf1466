"""The losses of Deformable DETR, as in the original repository.

The class weight is 2, in the assignment and in the loss. transformers has 1 for both and no losses of the encoder's
proposals; its configurations, also published ones, therefore have `class_cost` 1, although no published checkpoint was
trained with it. Here 1 means the original's 2; any other value is used unchanged. All other weights come from the
configuration, whose published values are the original's.

Source: Deformable DETR (Zhu et al. 2020), section 4 and appendix, and its authors' code.
"""

from dataclasses import dataclass

from torch import Tensor

from detcli.models.deformable_detr.config import DeformableDetrConfig
from detcli.models.losses.assignment import CostWeights, focal_costs, solver
from detcli.models.losses.layerwise_criterion import LayerwiseCriterion, SetLossWeights, TargetCounts
from detcli.models.losses.loss_terms import focal

_CLASS_WEIGHT = 2.0  # --cls_loss_coef and --set_cost_class of the original
_UNTRAINED_CLASS_COST = 1.0  # what transformers writes


def criterion(config: DeformableDetrConfig) -> LayerwiseCriterion:
    """The criterion of a configuration. Raises UsageError if scipy is not installed."""
    solver()
    weights = SetLossWeights(
        ce=_CLASS_WEIGHT,
        bbox=config.bbox_loss_coefficient,
        giou=config.giou_loss_coefficient,
        mask=config.mask_loss_coefficient,
        dice=config.dice_loss_coefficient,
    )
    class_cost = _CLASS_WEIGHT if config.class_cost == _UNTRAINED_CLASS_COST else config.class_cost
    # The costs always have the original's alpha, as in transformers; focal_alpha is for the loss.
    costs = CostWeights(label=class_cost, l1=config.bbox_cost, giou=config.giou_cost)
    return LayerwiseCriterion(focal_costs, FocalTerm(config.focal_alpha), costs, weights)


@dataclass(frozen=True, slots=True)
class FocalTerm:
    """Focal loss, summed over queries and classes, divided by the number of boxes."""

    alpha: float = 0.25

    def __call__(
        self, logits: Tensor, indices: tuple[Tensor, ...], counts: TargetCounts, class_weights: Tensor | None = None
    ) -> Tensor:
        """Losses [A] of logits [A, B * Q, K] of A layers; indices of the ground-truth classes."""
        return focal(logits, indices, alpha=self.alpha, class_weights=class_weights) / counts.boxes
