"""What Deformable DETR minimises in training, as the original has it.

Classes weigh 2, in the assignment and as a loss. transformers weighs them 1 in both and leaves out the losses of the
encoder's proposals; its configurations, the published ones among them, therefore say `class_cost` 1, although no
published checkpoint was trained so. Here that 1 means what the original has; any other value is taken as it stands.
All other weights are the configuration's, whose published values are the original's.

Source: Deformable DETR (Zhu et al. 2020), section 4 and appendix, and its authors' code.
"""

from dataclasses import dataclass

from torch import Tensor

from detcli.models.deformable_detr.config import DeformableDetrConfig
from detcli.models.losses.assignment import CostWeights, focal_costs, solver
from detcli.models.losses.layerwise_criterion import LayerwiseCriterion, SetLossWeights, TargetCounts
from detcli.models.losses.loss_terms import focal

_CLASSES = 2.0  # --cls_loss_coef and --set_cost_class of the original
_UNTRAINED_CLASS_COST = 1.0  # what transformers writes


def criterion(config: DeformableDetrConfig) -> LayerwiseCriterion:
    """The losses of a configuration. Raises UsageError where scipy is not installed."""
    solver()
    weights = SetLossWeights(
        ce=_CLASSES,
        bbox=config.bbox_loss_coefficient,
        giou=config.giou_loss_coefficient,
        mask=config.mask_loss_coefficient,
        dice=config.dice_loss_coefficient,
    )
    class_cost = _CLASSES if config.class_cost == _UNTRAINED_CLASS_COST else config.class_cost
    # The costs' alpha is the original's whatever focal_alpha says, as in transformers.
    costs = CostWeights(label=class_cost, l1=config.bbox_cost, giou=config.giou_cost)
    return LayerwiseCriterion(focal_costs, FocalTerm(config.focal_alpha), costs, weights)


@dataclass(frozen=True, slots=True)
class FocalTerm:
    """The focal term of every query and class, summed, by the number of boxes."""

    alpha: float = 0.25

    def __call__(self, logits: Tensor, indices: tuple[Tensor, ...], counts: TargetCounts) -> Tensor:
        """Judge logits [A, B * Q, K] of A layers, given the indices of true classes in them: [A]."""
        return focal(logits, indices, alpha=self.alpha) / counts.boxes
