"""The losses of RT-DETR and RT-DETRv2: varifocal, L1 and GIoU, of every decoder layer, the encoder and denoising queries.

Predictions of each layer have their own assignment of queries to ground-truth boxes; each denoising query has the box
that it was made from.

Source: RT-DETR (Zhao et al. 2023), section 4.3, and its authors' code.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from detcli.models.losses.assignment import CostWeights, Pairs, assign, focal_costs, softmax_costs, solver
from detcli.models.losses.layerwise_criterion import Costs
from detcli.models.losses.loss_terms import box_terms, varifocal
from detcli.models.losses.target_boxes import TargetBoxes, at_least_one, shared_counts
from detcli.models.rtdetr.config import RtDetrConfig
from detcli.models.rtdetr.network import RtDetrTrainingDetails
from detcli.structures.network_io import Outputs, Targets


@dataclass(frozen=True, slots=True)
class RtDetrLossWeights:
    """The weight of each term, and the shape of the varifocal loss."""

    vfl: float = 1.0
    bbox: float = 5.0
    giou: float = 2.0
    alpha: float = 0.75
    gamma: float = 2.0


def criterion(config: RtDetrConfig) -> "RtDetrCriterion":
    """The losses of a configuration. Raises UsageError where scipy is not installed."""
    solver()
    weights = RtDetrLossWeights(
        vfl=config.weight_loss_vfl,
        bbox=config.weight_loss_bbox,
        giou=config.weight_loss_giou,
        alpha=config.focal_loss_alpha,
        gamma=config.focal_loss_gamma,
    )
    cost_weights = CostWeights(
        label=config.matcher_class_cost,
        l1=config.matcher_bbox_cost,
        giou=config.matcher_giou_cost,
        alpha=config.matcher_alpha,
        gamma=config.matcher_gamma,
    )
    return RtDetrCriterion(focal_costs if config.use_focal_loss else softmax_costs, cost_weights, weights)


class RtDetrCriterion:
    """Computes the losses of an RT-DETR's predictions.

    costs         of matching queries with boxes
    cost_weights  of the assignment
    weights       of the terms
    class_weights  as of `ClassWeighted`
    """

    def __init__(self, costs: Costs, cost_weights: CostWeights, weights: RtDetrLossWeights) -> None:
        self.costs, self.cost_weights, self.weights = costs, cost_weights, weights
        self.class_weights: Tensor | None = None

    def __call__(self, outputs: Outputs, targets: Sequence[Targets]) -> dict[str, Tensor]:
        """Every loss by its name, weighted, in float32 at least: `loss_vfl`, `loss_bbox_aux_0`, `loss_giou_dn_1` ….

        Suffixes: none for the last layer, `_aux_0` … for the layers before it, `_enc_0` for the encoder, `_dn_0` … for
        denoising queries of each layer. Together the losses depend on all predictions, even if no image has a box.

        Raises TypeError for outputs without training details, DivergedError for predictions that are not finite.
        """
        details = outputs.details
        if not isinstance(details, RtDetrTrainingDetails):
            raise TypeError("the outputs have no training details: call the network with `targets`")
        with torch.autocast(outputs.logits.device.type, enabled=False):
            return dict(self._losses(details, targets))

    def _losses(self, details: RtDetrTrainingDetails, targets: Sequence[Targets]) -> Iterator[tuple[str, Tensor]]:
        exact = torch.promote_types(details.predictions.boxes_cxcywh.dtype, torch.float32)
        target_boxes = TargetBoxes.of(targets, exact)
        logits = torch.cat((details.predictions.logits, details.encoder_logits[None])).to(exact)
        boxes = torch.cat((details.predictions.boxes_cxcywh, details.encoder_boxes[None])).to(exact)
        last = len(logits) - 2
        costs = self.costs(logits.detach(), boxes.detach(), target_boxes, self.cost_weights)
        names = [*(f"decoder layer {i}" for i in range(last + 1)), "the encoder"]
        pairs = assign(costs, target_boxes.counts, names).to(boxes.device)  # [A, P]
        count = at_least_one(shared_counts([sum(target_boxes.counts)], boxes.device)).to(exact)[0]
        endings = [*(f"_aux_{i}" for i in range(last)), "", "_enc_0"]
        yield from self._terms(logits, boxes, pairs, target_boxes, count, endings)
        if details.denoising is not None and details.layout is not None:
            made_from = details.layout.positives().to(boxes.device)
            layers = (last + 1, -1)
            pairs = Pairs(made_from.queries.expand(layers), made_from.targets.expand(layers))
            logits, boxes = details.denoising.logits.to(exact), details.denoising.boxes_cxcywh.to(exact)
            endings = [f"_dn_{i}" for i in range(last + 1)]
            yield from self._terms(logits, boxes, pairs, target_boxes, count * details.layout.groups, endings)

    def _terms(
        self,
        logits: Tensor,
        boxes: Tensor,
        pairs: Pairs,
        target_boxes: TargetBoxes,
        count: Tensor,
        endings: Sequence[str],
    ) -> Iterator[tuple[str, Tensor]]:
        """Every term of predictions [A, B, Q, K] and [A, B, Q, 4], weighted, by name.

        pairs    [A, P]
        count    what they are divided by: ground-truth boxes, once for each denoising group
        endings  of the names of the A layers
        """
        weights = self.weights
        logits, boxes = logits.flatten(1, 2), boxes.flatten(1, 2)
        layer = torch.arange(len(logits), device=boxes.device)[:, None]
        places = (layer.expand_as(pairs.queries), pairs.queries)
        l1_loss, giou_loss, quality = box_terms(boxes[places], target_boxes.boxes_cxcywh[pairs.targets])  # [A, P]
        labels = target_boxes.class_ids[pairs.targets]
        terms = {
            "vfl": weights.vfl
            * varifocal(
                logits,
                (*places, labels),
                quality,
                alpha=weights.alpha,
                gamma=weights.gamma,
                class_weights=self.class_weights,
            ),
            "bbox": weights.bbox * l1_loss.sum(1),
            "giou": weights.giou * giou_loss.sum(1),
        }
        for term, values in terms.items():
            for value, ending in zip((values / count).unbind(0), endings, strict=True):
                yield f"loss_{term}{ending}", value
