"""Query selection: anchors on every map, and the encoder's tokens that become the decoder's queries."""

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor, nn

from detcli.models.layers.graph_capture import has_variable_sizes, is_captured, lower_size
from detcli.models.layers.heads import Mlp

Shapes = tuple[tuple[int, int], ...]

# An anchor of level l is 0.05 * 2**l of the image wide and high; anchors this close to the border or to the
# image size are not used. Source: the code of RT-DETR and D-FINE.
_ANCHOR_SIZE = 0.05
_ANCHOR_MARGIN = 0.01
# Scores of every token and class that are computed at once; with thousands of classes, a part of the tokens at a time.
_MAX_SCORES = 64_000_000


@dataclass(frozen=True, slots=True)
class SelectedQueries:
    """The queries that the decoder starts from; Q is `num_queries`, or the number of tokens if that is lower.

    queries      [B, Q, D]
    references   [B, Q, 4] logits of boxes, at least float32
    logits       [B, Q, K] of the tokens that they were selected from
    all_logits   [B, S, K] of every token; None unless details are requested
    all_boxes    [B, S, 4] logits of boxes of every token; None likewise
    indices      int64 [B, Q] of those tokens
    guided       queries and references, as above, that start from the tokens of another network's queries; None without it
    """

    queries: Tensor
    references: Tensor
    logits: Tensor
    all_logits: Tensor | None
    all_boxes: Tensor | None
    indices: Tensor
    guided: tuple[Tensor, Tensor] | None = None


class QuerySelection(nn.Module):
    """Predicts a class and a box for every token, and selects the tokens with the highest class scores.

    count    number of queries
    eps      of the norm
    prior    probability of each class before training; None: 1 / (classes + 1)
    learned  the queries are learned; the tokens give only their boxes
    activation  of the box head

    Source: RT-DETR (Zhao et al. 2023), section 4.3, which D-FINE has too.
    """

    def __init__(
        self,
        width: int,
        classes: int,
        count: int,
        *,
        eps: float,
        prior: float | None,
        learned: bool = False,
        activation: str = "relu",
    ) -> None:
        super().__init__()
        self.count = count
        self.projection = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width, eps)
        self.class_head = nn.Linear(width, classes)
        self.box_head = Mlp(width, width, 4, 3, activation)
        self.learned = nn.Embedding(count, width) if learned else None
        nn.init.xavier_uniform_(self.projection.weight)
        initialize_class_head(self.class_head, prior)
        nn.init.zeros_(self.box_head.linears[-1].weight)
        nn.init.zeros_(self.box_head.linears[-1].bias)
        if self.learned is not None:
            nn.init.xavier_uniform_(self.learned.weight)

    def forward(
        self, tokens: Tensor, shapes_hw: Shapes, *, details: bool = False, guide: Tensor | None = None
    ) -> SelectedQueries:
        """Select queries from tokens [B, S, D] of maps of these shapes, finest first.

        guide  int64 [B, G]: tokens that further queries start from, at most `count` of each image
        """
        exact = torch.promote_types(tokens.dtype, torch.float32)
        anchors, valid = anchor_grid(shapes_hw, device=tokens.device, dtype=exact)
        memory: Tensor = self.norm(self.projection(tokens * valid.to(tokens.dtype)))
        count = lower_size(self.count, tokens.shape[1])
        every = details or guide is not None
        all_logits = self.class_head(memory) if every or self._fits(memory) else None
        best = self._best_logits(memory) if all_logits is None else all_logits.amax(-1)
        top = best.topk(count, dim=1).indices  # [B, Q]
        queries = _rows(memory, top)
        logits = self.class_head(queries) if all_logits is None else _rows(all_logits, top)
        all_boxes = self.box_head(memory).to(exact) + anchors if every else None
        if details and all_boxes is not None:
            references = _rows(all_boxes, top)
        else:  # also with a guide, so that the other queries are the same to the bit as without
            references = self.box_head(queries).to(exact) + anchors[top]
        if not every:
            all_logits = None
        guided = None
        if guide is not None:
            rows = _rows(memory, guide[:, :count])
            guided = self._contents(rows), self.box_head(rows).to(exact) + anchors[guide[:, :count]]
        return SelectedQueries(self._contents(queries), references, logits, all_logits, all_boxes, top, guided)

    def _contents(self, rows: Tensor) -> Tensor:
        """The queries of selected tokens [B, Q, D], best first."""
        if self.learned is not None:
            return self.learned.weight[: rows.shape[1]].expand(rows.shape[0], -1, -1)
        return rows.detach()  # no gradients from the decoder to the encoder through the queries

    def _fits(self, memory: Tensor) -> bool:
        """Whether the class scores of all tokens fit in memory at once; a captured graph has no other form."""
        return is_captured() or memory.shape[0] * memory.shape[1] * self.class_head.out_features <= _MAX_SCORES

    @torch.no_grad()  # it only selects tokens
    def _best_logits(self, memory: Tensor) -> Tensor:
        """The highest class logit of each token [B, S], with little memory."""
        rows = memory.flatten(0, 1)  # parts of it are contiguous, so that the head rounds as it does for all tokens
        at_once = max(1, _MAX_SCORES // self.class_head.out_features)
        # Autocast would keep its copy of a parameter, here one without gradients, for the rest of the step.
        weight, bias = self.class_head.weight.detach(), self.class_head.bias.detach()
        best = [nn.functional.linear(part, weight, bias).amax(-1) for part in torch.split(rows, at_once)]
        return torch.cat(best).view(memory.shape[:2])


def initialize_class_head(head: nn.Linear, prior: float | None) -> None:
    """Let a head say each class with a probability before it has learned anything; None: 1 / (classes + 1)."""
    probability = prior or 1 / (head.out_features + 1)
    nn.init.xavier_uniform_(head.weight)
    nn.init.constant_(head.bias, -math.log((1 - probability) / probability))


def anchor_grid(shapes_hw: Shapes, *, device: torch.device, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """An anchor box at every cell of every map.

    returns logits of boxes [S, 4], the dtype's maximum for invalid anchors; and which are valid [S, 1]
    """
    if has_variable_sizes():  # a cache would become a constant of the graph, or break it
        return _anchor_grid(shapes_hw, device, dtype)
    return _cached_anchor_grid(shapes_hw, device, dtype)


def _anchor_grid(shapes_hw: Shapes, device: torch.device, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    levels = []
    for level, (height, width) in enumerate(shapes_hw):
        y = (torch.arange(height, device=device, dtype=dtype) + 0.5) / height
        x = (torch.arange(width, device=device, dtype=dtype) + 0.5) / width
        side = torch.full((height, width), _ANCHOR_SIZE * 2.0**level, device=device, dtype=dtype)
        center = (x[None].expand(height, -1), y[:, None].expand(-1, width))
        levels.append(torch.stack((*center, side, side), dim=-1).flatten(0, 1))  # [H * W, 4]
    boxes = torch.cat(levels)
    valid = ((boxes > _ANCHOR_MARGIN) & (boxes < 1 - _ANCHOR_MARGIN)).all(-1, keepdim=True)
    logits = torch.log(boxes / (1 - boxes))
    return torch.where(valid, logits, torch.finfo(dtype).max), valid


@lru_cache(maxsize=16)
def _cached_anchor_grid(shapes_hw: Shapes, device: torch.device, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    with torch.inference_mode(False):  # otherwise training could not use a grid that was cached in inference
        return _anchor_grid(shapes_hw, device, dtype)


def _rows(x: Tensor, index: Tensor) -> Tensor:
    """Take x [B, S, C], index [B, Q] to [B, Q, C]."""
    return x.gather(1, index[..., None].expand(-1, -1, x.shape[-1]))
