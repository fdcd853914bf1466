"""Outputs in, detections in each image's own pixels out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from detcli.structures.boxes import cxcywh_to_xyxy
from detcli.structures.detections import Detections
from detcli.structures.outputs import Outputs


class NotFiniteError(ValueError):
    """A network's answer holds NaN or infinity."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which of a network's answers are kept.

    threshold       scores strictly above it
    max_detections  so many of the best, never more than the network has queries
    class_ids       only these classes; None: all
    scores          sigmoid: each class of each query has a score of its own; softmax: the classes of a query share
                    one, with a last column that means nothing, and only its best class counts
    """

    threshold: float
    max_detections: int = 300
    class_ids: tuple[int, ...] | None = None
    scores: Literal["sigmoid", "softmax"] = "sigmoid"


def top_k(outputs: Outputs, selection: Selection) -> Tensor:
    """The best answers of each image, over queries and classes together.

    returns float [B, k, 6]: cx cy w h as fractions, logit of the score, class id; the best score first

    Source: Deformable DETR (Zhu et al. 2021) and D-FINE's evaluation: sigmoid, then top k of Q x K.
    """
    _, queries, classes = outputs.logits.shape
    logits = outputs.logits.float().flatten(1)  # [B, Q K]
    # Sigmoid is monotonic: the logits' order is the scores', without the ties that rounding to 1.0 makes.
    best, places = logits.topk(min(selection.max_detections, queries), dim=1)  # [B, k]
    return _rows(outputs.boxes_cxcywh, places // classes, best, places % classes)


def best_classes(outputs: Outputs, selection: Selection) -> Tensor:
    """The best class of each query, of the queries that are surest of theirs.

    returns float [B, k, 6]: cx cy w h as fractions, logarithm of the score, class id; the best score first

    Source: DETR (Carion et al. 2020) and its evaluation: softmax, without the last column, the maximum of each query.
    """
    # In float64 where the device has it: as for the sigmoid below, a score is not to depend on its place in memory.
    exact = torch.float32 if outputs.logits.device.type == "mps" else torch.float64
    scores, class_ids = outputs.logits.to(exact).log_softmax(-1)[..., :-1].max(-1)  # [B, Q]
    best, query = scores.topk(min(selection.max_detections, scores.shape[1]), dim=1)  # [B, k]
    return _rows(outputs.boxes_cxcywh, query, best, class_ids.gather(1, query))


def _rows(boxes_cxcywh: Tensor, query: Tensor, best: Tensor, class_ids: Tensor) -> Tensor:
    boxes = boxes_cxcywh.to(best.dtype).gather(1, query.unsqueeze(-1).expand(-1, -1, 4))
    return torch.cat((boxes, best.unsqueeze(-1), class_ids.unsqueeze(-1).to(best.dtype)), dim=-1)


def to_detections(outputs: Outputs, sizes_hw: Tensor, selection: Selection) -> list[Detections | NotFiniteError]:
    """Detections of each image, in its own pixels; an error in place of an image whose answer is not finite.

    sizes_hw  int64 [B, 2] on the CPU
    """
    answers = best_classes if selection.scores == "softmax" else top_k
    best = answers(outputs, selection).cpu()  # the one transfer from the device
    return [_detections(rows, size, selection) for rows, size in zip(best, sizes_hw.tolist(), strict=True)]


def _detections(rows: Tensor, size_hw: Sequence[int], selection: Selection) -> Detections | NotFiniteError:
    if not bool(rows.isfinite().all()):
        return NotFiniteError("the network's answer holds numbers that are not finite")
    height, width = size_hw
    limits = torch.tensor([width, height, width, height], dtype=torch.float64)
    boxes = (cxcywh_to_xyxy(rows[:, :4].double()) * limits).clamp_(min=0).minimum(limits)
    # In float64, since the last bit of a vectorised float32 sigmoid depends on a number's place in memory.
    exact = rows[:, 4].double()
    scores, class_ids = (exact.exp() if selection.scores == "softmax" else exact.sigmoid()).float(), rows[:, 5].long()
    keep = (scores > selection.threshold) & (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
    if selection.class_ids is not None:
        keep &= torch.isin(class_ids, torch.tensor(selection.class_ids, dtype=torch.int64))
    return Detections(boxes[keep].numpy(), scores[keep].numpy(), class_ids[keep].numpy())
