"""The losses of D-FINE, as in the original repository.

There are predictions of every decoder layer, of the first one before refinement (`pre`), and of the encoder. The class
loss of each uses its own assignment of queries to ground-truth boxes; the losses of boxes and distributions use the
union of all assignments, so that a query has the same target in all layers.

Source: D-FINE (Peng et al. 2024), section 4.2, and its authors' code.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from detcli.models.dfine.box_distribution import edge_targets
from detcli.models.dfine.config import DFineConfig
from detcli.models.dfine.network import DFinePredictions, DFineTrainingDetails
from detcli.models.losses.assignment import Assignment, CostWeights, Pairs, assign, focal_costs, solver
from detcli.models.losses.loss_terms import box_terms, distillation, distribution_focal, varifocal
from detcli.models.losses.target_boxes import TargetBoxes, at_least_one, shared_counts
from detcli.structures.boxes import cxcywh_to_xyxy, iou
from detcli.structures.network_io import Outputs, Targets

_TEMPERATURE = 5.0  # of distillation


@dataclass(frozen=True, slots=True)
class DFineLossWeights:
    """The weight of each term: varifocal, L1, GIoU, fine-grained localization (FGL), decoupled distillation focal (DDF)."""

    vfl: float = 1.0
    bbox: float = 5.0
    giou: float = 2.0
    fgl: float = 0.15
    ddf: float = 1.5


# Weights in config.json replace the published ones.
_WEIGHT_FIELDS = {name: f"weight_loss_{name}" for name in DFineLossWeights.__dataclass_fields__}
_COST_FIELDS = {
    "label": "matcher_class_cost",
    "l1": "matcher_bbox_cost",
    "giou": "matcher_giou_cost",
    "alpha": "matcher_alpha",
    "gamma": "matcher_gamma",
}


def criterion(config: DFineConfig) -> "DFineCriterion":
    """The losses of a configuration. Raises UsageError where scipy is not installed."""
    solver()
    weights = DFineLossWeights(**_given(_WEIGHT_FIELDS, config.carried))
    return DFineCriterion(weights, CostWeights(**_given(_COST_FIELDS, config.carried)))


class DFineCriterion:
    """Computes the losses of a D-FINE's predictions.

    weights  of the terms
    costs    of the assignment
    class_weights  as of `ClassWeighted`
    """

    def __init__(self, weights: DFineLossWeights | None = None, costs: CostWeights | None = None) -> None:
        self.weights = weights or DFineLossWeights()
        self.costs = costs or CostWeights()
        self.class_weights: Tensor | None = None

    def __call__(self, outputs: Outputs, targets: Sequence[Targets]) -> dict[str, Tensor]:
        """Every loss by its name, weighted, in float32 at least: `loss_vfl`, `loss_bbox_aux_0`, `loss_ddf_dn_1` ….

        Suffixes: none for the last layer, `_aux_0` … for the layers before it, `_pre` before refinement, `_enc_0` for
        the encoder; `_dn_0` … (all layers) and `_dn_pre` for denoising queries. Together the losses depend on all
        predictions, even if no image has a box.

        Raises TypeError for outputs without training details, DivergedError for predictions that are not finite.
        """
        details = outputs.details
        if not isinstance(details, DFineTrainingDetails):
            raise TypeError("the outputs have no training details: call the network with `targets`")
        with torch.autocast(outputs.logits.device.type, enabled=False):
            return dict(self._losses(details, targets))

    def _losses(self, details: DFineTrainingDetails, targets: Sequence[Targets]) -> Iterator[tuple[str, Tensor]]:
        predictions = _PredictionSet.of(details.predictions, (details.encoder_logits, details.encoder_boxes))
        target_boxes = TargetBoxes.of(targets, predictions.boxes.dtype)
        pairs = self._assign(predictions, target_boxes)
        union_pairs = union_set(pairs)
        positives = details.layout.positives() if details.layout is not None else None
        divisors, denoising_divisors = _divisors(details, union_pairs, positives, target_boxes)
        balance, device, last = divisors.balance(), predictions.boxes.device, len(predictions.corners) - 1

        case = _LossInputs(predictions, target_boxes, pairs.to(device), union_pairs.to(device), divisors)
        terms = self._terms(case, balance, details)
        yield from _named(terms, [*(f"_aux_{i}" for i in range(last)), "", "_pre", "_enc_0"])
        if details.denoising is not None and positives is not None:
            denoising = _PredictionSet.of(details.denoising)
            case = _LossInputs(denoising, target_boxes, None, positives.to(device), denoising_divisors)
            terms = self._terms(case, balance, details)
            yield from _named(terms, [*(f"_dn_{i}" for i in range(last + 1)), "_dn_pre"])
            yield f"loss_ddf_dn_{last}", torch.zeros_like(balance)  # the last layer is the teacher itself

    def _assign(self, predictions: "_PredictionSet", target_boxes: TargetBoxes) -> Assignment:
        """The best assignment for each layer, for `pre` and for the encoder."""
        images = len(target_boxes.counts)
        shape = (len(predictions.logits), images, predictions.logits.shape[1] // images, -1)
        logits, boxes = predictions.logits.detach().view(shape), predictions.boxes.detach().view(shape)
        costs = focal_costs(logits, boxes, target_boxes, self.costs)
        layers = [f"decoder layer {i}" for i in range(len(predictions.corners))]
        return assign(costs, target_boxes.counts, [*layers, "decoder layer 0 before refinement", "the encoder"])

    def _terms(self, case: "_LossInputs", balance: Tensor, details: DFineTrainingDetails) -> dict[str, Tensor]:
        """Every term [layers that have it], weighted and divided."""
        predictions, pairs, divisors = case.predictions, case.box_pairs, case.divisors
        targets = case.target_boxes.boxes_cxcywh[pairs.targets]  # [P, 4]
        l1_loss, giou_loss, quality = box_terms(predictions.boxes.index_select(1, pairs.queries), targets)  # [A, P]
        weights = self.weights
        return {
            "vfl": weights.vfl / divisors.labels * _varifocal(case, quality, self.class_weights),
            "bbox": weights.bbox / divisors.boxes * l1_loss.sum(1),
            "giou": weights.giou / divisors.boxes * giou_loss.sum(1),
            "fgl": weights.fgl / divisors.boxes * _localization(predictions, targets, pairs, quality, details),
            "ddf": weights.ddf * _distillation(predictions, pairs, quality, divisors, balance),
        }


def union_set(pairs: Assignment) -> Assignment:
    """The union of all layers' pairs, in which each query keeps the box that most layers assigned it to.

    pairs    [A, P] of A layers
    returns  [P'] pairs, at least as many as each layer has; a box may have several queries

    Of boxes that a query was assigned to equally often, the first counts.
    Source: D-FINE (Peng et al. 2024), section 4.2: the union set of GO-LSD.
    """
    boxes = int(pairs.targets.max(initial=0)) + 1
    unique, votes = np.unique(pairs.queries * boxes + pairs.targets, return_counts=True)
    unique = unique[np.argsort(-votes, kind="stable")]
    queries, first = np.unique(unique // boxes, return_index=True)
    return Assignment(queries, unique[first] % boxes)


@dataclass(frozen=True, slots=True)
class _PredictionSet:
    """Predictions of one kind of queries, those of all images concatenated; in float32 at least.

    logits         [A, B * Q, K] of L layers, then of `pre`, then of the encoder where there is one
    boxes          [A, B * Q, 4] center and size, likewise
    corners        L times [B * Q, 4 * R]
    initial_boxes  [B * Q, 4] the boxes whose edges the distributions move
    """

    logits: Tensor
    boxes: Tensor
    corners: tuple[Tensor, ...]
    initial_boxes: Tensor

    @classmethod
    def of(cls, predictions: DFinePredictions, *more: tuple[Tensor, Tensor]) -> "_PredictionSet":
        """Stack predictions, and more logits and boxes."""
        exact = torch.promote_types(predictions.boxes_cxcywh[0].dtype, torch.float32)
        logits = [*predictions.logits[1:], predictions.logits[0], *(logits for logits, _ in more)]
        boxes = [*predictions.boxes_cxcywh[1:], predictions.boxes_cxcywh[0], *(boxes for _, boxes in more)]
        return cls(
            torch.stack(logits).to(exact).flatten(1, 2),
            torch.stack(boxes).to(exact).flatten(1, 2),
            tuple(corners.to(exact).flatten(0, 1) for corners in predictions.corners),
            predictions.initial_boxes.detach().to(exact).flatten(0, 1),
        )


@dataclass(frozen=True, slots=True)
class _LossInputs:
    """What the terms of one kind of queries are computed from.

    layer_pairs  [A, P] each layer's own, for the classes; None: `box_pairs`
    box_pairs    [P'] for boxes and distributions, the same in all layers
    """

    predictions: _PredictionSet
    target_boxes: TargetBoxes
    layer_pairs: Pairs | None
    box_pairs: Pairs
    divisors: "_Divisors"


@dataclass(frozen=True, slots=True)
class _Divisors:
    """What the terms of a set of predictions are divided by: means over all processes, scalars.

    labels     varifocal loss: ground-truth boxes, once for each denoising group
    boxes      terms of boxes: pairs
    matched    queries with a box
    unmatched  queries without one
    """

    labels: Tensor
    boxes: Tensor
    matched: Tensor
    unmatched: Tensor

    def balance(self) -> Tensor:
        """Share of the matched queries in the distillation loss: both kinds count by the roots of their numbers.

        The original also multiplies both numbers by 8 / B, which does not change the share.
        """
        matched, unmatched = self.matched.sqrt(), self.unmatched.sqrt()
        return matched / (matched + unmatched)


def _divisors(
    details: DFineTrainingDetails, union_pairs: Assignment, positives: Assignment | None, target_boxes: TargetBoxes
) -> tuple[_Divisors, _Divisors]:
    """Those of the ordinary queries, and of the denoising queries."""
    images = len(target_boxes.counts)
    groups, queries = (details.layout.groups, details.layout.queries) if details.layout is not None else (0, 0)
    matched = len(union_pairs.queries)
    ordinary = [matched, images * details.encoder_boxes.shape[1] - matched]
    positive_count = len(positives.queries) if positives is not None else 0
    counts = [sum(target_boxes.counts), *ordinary, positive_count, images * queries - positive_count]
    shared = shared_counts(counts, details.encoder_boxes.device)
    boxes, pairs, positive, negative = *at_least_one(shared[:2]), *at_least_one(shared[3:])
    return (
        _Divisors(boxes, pairs, shared[1], shared[2]),
        _Divisors(boxes * groups, boxes * groups, positive, negative),
    )


def _varifocal(case: _LossInputs, quality: Tensor, class_weights: Tensor | None) -> Tensor:
    """[A]; quality [A, P] is that of `box_pairs`."""
    predictions, target_boxes = case.predictions, case.target_boxes
    pairs = case.layer_pairs or case.box_pairs
    layers = len(predictions.logits)
    queries, targets = pairs.queries.expand(layers, -1), pairs.targets.expand(layers, -1)
    if case.layer_pairs is not None:
        boxes = predictions.boxes.detach().gather(1, queries[..., None].expand(-1, -1, 4))
        quality = iou(cxcywh_to_xyxy(boxes), cxcywh_to_xyxy(target_boxes.boxes_cxcywh[targets]))
    layer = torch.arange(layers, device=queries.device)[:, None]
    indices = (layer, queries, target_boxes.class_ids[targets])
    return varifocal(predictions.logits, indices, quality, class_weights=class_weights)


def _localization(
    predictions: _PredictionSet, targets: Tensor, pairs: Pairs, quality: Tensor, details: DFineTrainingDetails
) -> Tensor:
    """[L] distribution focal losses of the ground-truth edges' bins, weighted by the IoU of the boxes."""
    corners = torch.stack([corners.index_select(0, pairs.queries) for corners in predictions.corners])
    corners = _by_edge(corners)  # [L, P, 4, R]
    initial, bins = predictions.initial_boxes[pairs.queries], corners.shape[-1] - 1
    left, right_weight = edge_targets(initial, targets, bins=bins, reg_scale=details.reg_scale, up=details.up)
    return (distribution_focal(corners, left, right_weight).sum(-1) * quality[: len(corners)]).sum(1)


def _distillation(
    predictions: _PredictionSet, pairs: Pairs, quality: Tensor, divisors: _Divisors, balance: Tensor
) -> Tensor:
    """[L - 1] divergences of each layer's distributions from the last layer's.

    Matched queries are weighted by the IoU of their boxes, others by the last layer's best class score.
    """
    *students, teacher = (_by_edge(corners) for corners in predictions.corners)  # [B * Q, 4, R]
    if not students:
        return quality.new_zeros(0)
    scores = predictions.logits[len(students)].detach().sigmoid().amax(-1)  # [B * Q]
    weights = (scores * (1 - balance) / divisors.unmatched).repeat(len(students), 1)
    weights[:, pairs.queries] = quality[: len(students)] * balance / divisors.matched
    divergence = distillation(torch.stack(students), teacher, temperature=_TEMPERATURE).mean(-1)  # [L - 1, B * Q]
    return (divergence * weights).sum(1)


def _by_edge(corners: Tensor) -> Tensor:
    """[..., 4 * R] -> [..., 4, R]."""
    return corners.reshape(*corners.shape[:-1], 4, corners.shape[-1] // 4)


def _named(terms: Mapping[str, Tensor], endings: Sequence[str]) -> Iterator[tuple[str, Tensor]]:
    for term, values in terms.items():
        for value, ending in zip(values.unbind(0), endings, strict=False):  # some terms are of the first layers alone
            yield f"loss_{term}{ending}", value


def _given(names: Mapping[str, str], carried: Mapping[str, Any]) -> dict[str, float]:
    return {ours: carried[theirs] for ours, theirs in names.items() if theirs in carried}
