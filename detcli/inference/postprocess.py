"""Outputs in, detections in each picture's own pixels out."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from detcli.values.boxes import cxcywh_to_xyxy
from detcli.values.detections import Detections
from detcli.values.outputs import Outputs


class NotFiniteError(ValueError):
    """A network's answer holds NaN or infinity."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which of a network's answers are kept.

    threshold       scores strictly above it
    max_detections  so many of the best, never more than the network has queries
    class_ids       only these classes; None: all
    """

    threshold: float
    max_detections: int = 300
    class_ids: tuple[int, ...] | None = None


def top_k(outputs: Outputs, selection: Selection) -> Tensor:
    """The best answers of each picture, over queries and classes together.

    returns float [B, k, 6]: cx cy w h as fractions, logit of the score, class id; the best score first

    Source: Deformable DETR (Zhu et al. 2021) and D-FINE's evaluation: sigmoid, then top k of Q x K.
    """
    _, queries, classes = outputs.logits.shape
    logits = outputs.logits.float().flatten(1)  # [B, Q K]
    # Sigmoid is monotonic: the logits' order is the scores', without the ties that rounding to 1.0 makes.
    best, places = logits.topk(min(selection.max_detections, queries), dim=1)  # [B, k]
    query = (places // classes).unsqueeze(-1).expand(-1, -1, 4)
    boxes = outputs.boxes_cxcywh.float().gather(1, query)
    class_ids = (places % classes).to(boxes.dtype)
    return torch.cat((boxes, best.unsqueeze(-1), class_ids.unsqueeze(-1)), dim=-1)


def to_detections(outputs: Outputs, sizes_hw: Tensor, selection: Selection) -> list[Detections | NotFiniteError]:
    """Detections of each picture, in its own pixels; an error in place of a picture whose answer is not finite.

    sizes_hw  int64 [B, 2] on the CPU
    """
    best = top_k(outputs, selection).cpu()  # the one transfer from the device
    return [_detections(rows, size, selection) for rows, size in zip(best, sizes_hw.tolist(), strict=True)]


def _detections(rows: Tensor, size_hw: Sequence[int], selection: Selection) -> Detections | NotFiniteError:
    if not bool(rows.isfinite().all()):
        return NotFiniteError("the network's answer holds numbers that are not finite")
    height, width = size_hw
    limits = torch.tensor([width, height, width, height], dtype=torch.float64)
    boxes = (cxcywh_to_xyxy(rows[:, :4].double()) * limits).clamp_(min=0).minimum(limits)
    # In float64, since the last bit of a vectorised float32 sigmoid depends on a number's place in memory.
    scores, class_ids = rows[:, 4].double().sigmoid().float(), rows[:, 5].long()
    keep = (scores > selection.threshold) & (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
    if selection.class_ids is not None:
        keep &= torch.isin(class_ids, torch.tensor(selection.class_ids, dtype=torch.int64))
    return Detections(boxes[keep].numpy(), scores[keep].numpy(), class_ids[keep].numpy())
