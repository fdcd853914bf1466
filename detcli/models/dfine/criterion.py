"""What D-FINE minimises in training, as the original has it.

Every decoder layer answers, and so do its first one before any refinement (`pre`) and the encoder. Classes are learned
from the assignment of queries to true boxes that is best for each of them; boxes and distributions from one that all of
them vote for, so that a query is not drawn to one box here and to another there.

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
from detcli.models.dfine.network import DFinePredictions, DFineTraining
from detcli.models.losses.assignment import Assignment, CostWeights, Pairs, assign, focal_costs, solver
from detcli.models.losses.loss_terms import box_terms, distillation, distribution_focal, varifocal
from detcli.models.losses.target_boxes import TargetBoxes, at_least_one, shared_counts
from detcli.structures.boxes import cxcywh_to_xyxy, iou
from detcli.structures.outputs import Outputs, Targets

_TEMPERATURE = 5.0  # of distillation


@dataclass(frozen=True, slots=True)
class DFineLossWeights:
    """What each term weighs: varifocal, L1, GIoU, fine-grained localisation, decoupled distillation of localisation."""

    vfl: float = 1.0
    bbox: float = 5.0
    giou: float = 2.0
    fgl: float = 0.15
    ddf: float = 1.5


# Where config.json has another weight, it goes before the published one.
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
    """Judges what a D-FINE answered in training.

    weights  of the terms
    costs    of the assignment
    """

    def __init__(self, weights: DFineLossWeights | None = None, costs: CostWeights | None = None) -> None:
        self.weights = weights or DFineLossWeights()
        self.costs = costs or CostWeights()

    def __call__(self, outputs: Outputs, targets: Sequence[Targets]) -> dict[str, Tensor]:
        """Every loss by its name, weighted, in float32 at least: `loss_vfl`, `loss_bbox_aux_0`, `loss_ddf_dn_1` ….

        The last layer's have no ending, those before it `_aux_0` …, those before any refinement `_pre`, the encoder's
        `_enc_0`; of denoising queries `_dn_0` …, the last layer's among them, and `_dn_pre`. Together they reach all
        that the network answered, even where no image has a box.

        Raises TypeError for outputs that were not made for training, DivergedError for answers that are not finite.
        """
        said = outputs.details
        if not isinstance(said, DFineTraining):
            raise TypeError("these outputs hold nothing to learn from: give the network targets, in training mode")
        with torch.autocast(outputs.logits.device.type, enabled=False):
            return dict(self._losses(said, targets))

    def _losses(self, said: DFineTraining, targets: Sequence[Targets]) -> Iterator[tuple[str, Tensor]]:
        found = _PredictionSet.of(said.answers, (said.picked_logits, said.picked_boxes))
        truths = TargetBoxes.of(targets, found.boxes.dtype)
        own = self._assign(found, truths)
        agreed = union(own)
        made = said.layout.positives() if said.layout is not None else None
        found_by, made_by = _divisors(said, agreed, made, truths)
        balance, device, last = found_by.balance(), found.boxes.device, len(found.corners) - 1

        terms = self._terms(found, truths, own.to(device), agreed.to(device), found_by, balance, said)
        yield from _named(terms, [*(f"_aux_{i}" for i in range(last)), "", "_pre", "_enc_0"])
        if said.denoising is not None and made is not None:
            noisy = _PredictionSet.of(said.denoising)
            terms = self._terms(noisy, truths, None, made.to(device), made_by, balance, said)
            yield from _named(terms, [*(f"_dn_{i}" for i in range(last + 1)), "_dn_pre"])
            yield f"loss_ddf_dn_{last}", torch.zeros_like(balance)  # the last layer is its own teacher

    def _assign(self, found: "_PredictionSet", truths: TargetBoxes) -> Assignment:
        """The best assignment for each layer, for `pre` and for the encoder."""
        shape = (len(found.logits), len(truths.counts), found.logits.shape[1] // len(truths.counts), -1)
        logits, boxes = found.logits.detach().view(shape), found.boxes.detach().view(shape)
        costs = focal_costs(logits, boxes, truths, self.costs)
        layers = [f"decoder layer {i}" for i in range(len(found.corners))]
        return assign(costs, truths.counts, [*layers, "decoder layer 0 before refinement", "the encoder"])

    def _terms(
        self,
        answers: "_PredictionSet",
        truths: TargetBoxes,
        own: Pairs | None,
        agreed: Pairs,
        by: "_Divisors",
        balance: Tensor,
        said: DFineTraining,
    ) -> dict[str, Tensor]:
        """Every term [layers that have it], weighted and divided."""
        wanted = truths.boxes_cxcywh[agreed.truths]  # [P, 4]
        distance, apart, quality = box_terms(answers.boxes.index_select(1, agreed.queries), wanted)  # [A, P]
        weights = self.weights
        return {
            "vfl": weights.vfl / by.labels * _varifocal(answers, truths, own or agreed, None if own else quality),
            "bbox": weights.bbox / by.boxes * distance.sum(1),
            "giou": weights.giou / by.boxes * apart.sum(1),
            "fgl": weights.fgl / by.boxes * _localisation(answers, wanted, agreed, quality, said),
            "ddf": weights.ddf * _distillation(answers, agreed, quality, by, balance),
        }


def union(own: Assignment) -> Assignment:
    """The pairs that most layers agree on: each query keeps the box it was assigned to most often.

    own      [A, P] of A layers
    returns  [P'] pairs, at least as many as each layer has; a box may have several queries

    Of boxes that a query was assigned to equally often, the first counts.
    Source: D-FINE (Peng et al. 2024), section 4.2: the union set of GO-LSD.
    """
    boxes = int(own.truths.max(initial=0)) + 1
    pairs, votes = np.unique(own.queries * boxes + own.truths, return_counts=True)
    pairs = pairs[np.argsort(-votes, kind="stable")]
    queries, first = np.unique(pairs // boxes, return_index=True)
    return Assignment(queries, pairs[first] % boxes)


@dataclass(frozen=True, slots=True)
class _PredictionSet:
    """Answers of one kind of queries, those of all images side by side; in float32 at least.

    logits   [A, B * Q, K] of L layers, then of `pre`, then what else there is
    boxes    [A, B * Q, 4] center and size, the same
    corners  L times [B * Q, 4 * R]
    start    [B * Q, 4] the boxes whose edges the distributions move
    """

    logits: Tensor
    boxes: Tensor
    corners: tuple[Tensor, ...]
    start: Tensor

    @classmethod
    def of(cls, answers: DFinePredictions, *more: tuple[Tensor, Tensor]) -> "_PredictionSet":
        """Stack answers, and more logits and boxes."""
        exact = torch.promote_types(answers.boxes_cxcywh[0].dtype, torch.float32)
        logits = [*answers.logits[1:], answers.logits[0], *(logits for logits, _ in more)]
        boxes = [*answers.boxes_cxcywh[1:], answers.boxes_cxcywh[0], *(boxes for _, boxes in more)]
        return cls(
            torch.stack(logits).to(exact).flatten(1, 2),
            torch.stack(boxes).to(exact).flatten(1, 2),
            tuple(corners.to(exact).flatten(0, 1) for corners in answers.corners),
            answers.start.detach().to(exact).flatten(0, 1),
        )


@dataclass(frozen=True, slots=True)
class _Divisors:
    """What the terms of a set of answers are divided by: means over all processes, scalars.

    labels     varifocal: true boxes, as often as each is asked for
    boxes      all terms of boxes: pairs
    matched    queries that answer for a box
    unmatched  those that do not
    """

    labels: Tensor
    boxes: Tensor
    matched: Tensor
    unmatched: Tensor

    def balance(self) -> Tensor:
        """How much of distillation the matched queries make up: they count by the roots of their numbers.

        The original also multiplies both numbers by 8 / B; that does not change their balance.
        """
        matched, unmatched = self.matched.sqrt(), self.unmatched.sqrt()
        return matched / (matched + unmatched)


def _divisors(
    said: DFineTraining, agreed: Assignment, made: Assignment | None, truths: TargetBoxes
) -> tuple[_Divisors, _Divisors]:
    """Of the answers found, and of those made by denoising."""
    images = len(truths.counts)
    groups, queries = (said.layout.groups, said.layout.queries) if said.layout is not None else (0, 0)
    found = [len(agreed.queries), images * said.picked_boxes.shape[1] - len(agreed.queries)]
    positives = len(made.queries) if made is not None else 0
    counts = [sum(truths.counts), *found, positives, images * queries - positives]
    shared = shared_counts(counts, said.picked_boxes.device)
    boxes, pairs, positive, negative = *at_least_one(shared[:2]), *at_least_one(shared[3:])
    return (
        _Divisors(boxes, pairs, shared[1], shared[2]),
        _Divisors(boxes * groups, boxes * groups, positive, negative),
    )


def _varifocal(answers: _PredictionSet, truths: TargetBoxes, pairs: Pairs, quality: Tensor | None) -> Tensor:
    """[A]; the quality [A, P] of the pairs' boxes is worked out where it is not known."""
    layers = len(answers.logits)
    queries, wanted = pairs.queries.expand(layers, -1), pairs.truths.expand(layers, -1)
    if quality is None:
        boxes = answers.boxes.detach().gather(1, queries[..., None].expand(-1, -1, 4))
        quality = iou(cxcywh_to_xyxy(boxes), cxcywh_to_xyxy(truths.boxes_cxcywh[wanted]))
    layer = torch.arange(layers, device=queries.device)[:, None]
    return varifocal(answers.logits, (layer, queries, truths.class_ids[wanted]), quality)


def _localisation(
    answers: _PredictionSet, wanted: Tensor, pairs: Pairs, quality: Tensor, said: DFineTraining
) -> Tensor:
    """[L]: how far distributions are from the bins around the true edges, surer boxes first."""
    corners = torch.stack([corners.index_select(0, pairs.queries) for corners in answers.corners])
    corners = _by_edge(corners)  # [L, P, 4, R]
    start, bins = answers.start[pairs.queries], corners.shape[-1] - 1
    left, share = edge_targets(start, wanted, bins=bins, reg_scale=said.reg_scale, up=said.up)
    return (distribution_focal(corners, left, share).sum(-1) * quality[: len(corners)]).sum(1)


def _distillation(answers: _PredictionSet, pairs: Pairs, quality: Tensor, by: _Divisors, balance: Tensor) -> Tensor:
    """[L - 1]: how far distributions are from those of the last layer, by how sure that one is of the query.

    Matched queries weigh as much as their boxes are right, others as much as the last layer is sure of a class.
    """
    *students, teacher = (_by_edge(corners) for corners in answers.corners)  # [B * Q, 4, R]
    if not students:
        return quality.new_zeros(0)
    sure = answers.logits[len(students)].detach().sigmoid().amax(-1)  # [B * Q]
    weights = (sure * (1 - balance) / by.unmatched).repeat(len(students), 1)
    weights[:, pairs.queries] = quality[: len(students)] * balance / by.matched
    apart = distillation(torch.stack(students), teacher, temperature=_TEMPERATURE).mean(-1)  # [L - 1, B * Q]
    return (apart * weights).sum(1)


def _by_edge(corners: Tensor) -> Tensor:
    """[..., 4 * R] -> [..., 4, R]."""
    return corners.reshape(*corners.shape[:-1], 4, corners.shape[-1] // 4)


def _named(terms: Mapping[str, Tensor], endings: Sequence[str]) -> Iterator[tuple[str, Tensor]]:
    for term, values in terms.items():
        for value, ending in zip(values.unbind(0), endings, strict=False):  # some terms are of the first layers alone
            yield f"loss_{term}{ending}", value


def _given(names: Mapping[str, str], carried: Mapping[str, Any]) -> dict[str, float]:
    return {ours: carried[theirs] for ours, theirs in names.items() if theirs in carried}
