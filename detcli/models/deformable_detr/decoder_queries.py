"""The decoder's input: learned queries with learned reference points, or the encoder's best proposals."""

import math
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from detcli.models.deformable_detr.config import DeformableDetrConfig
from detcli.models.deformable_detr.encoder import Shapes
from detcli.models.layers.graph_capture import lower_size
from detcli.models.layers.heads import Mlp
from detcli.models.layers.position import sine_boxes

# A proposal of level l is 0.05 * 2**l of the image wide and high; proposals this close to the border or to
# the image size are invalid. Prior probability of each class. Source: the authors' code.
_PROPOSAL_SIZE = 0.05
_PROPOSAL_MARGIN = 0.01
_PRIOR_PROBABILITY = 0.01


@dataclass(frozen=True, slots=True)
class DecoderQueries:
    """The decoder's input.

    queries     [B, Q, D]
    positions   [B, Q, D]
    references  [B, Q, 2] points or [B, Q, 4] boxes as fractions of the image; at least float32
    all_logits  [B, S, K] of every token's proposal; None with learned queries, or if not requested
    all_boxes   [B, S, 4] logits of every token's proposed box; None likewise
    """

    queries: Tensor
    positions: Tensor
    references: Tensor
    all_logits: Tensor | None = None
    all_boxes: Tensor | None = None


class LearnedQueries(nn.Module):
    """The same queries for every image (Zhu et al. 2020, section 4.2)."""

    def __init__(self, config: DeformableDetrConfig) -> None:
        super().__init__()
        self.embeddings = nn.Embedding(config.num_queries, 2 * config.d_model)  # [positions | queries]
        self.references = nn.Linear(config.d_model, 2)
        nn.init.xavier_uniform_(self.references.weight)
        nn.init.zeros_(self.references.bias)

    @property
    def count(self) -> int:
        """Number of queries."""
        return self.embeddings.num_embeddings

    def forward(self, tokens: Tensor) -> DecoderQueries:
        """The queries, repeated for each image of tokens [B, S, D]."""
        positions, queries = (half.expand(tokens.shape[0], -1, -1) for half in self.embeddings.weight.chunk(2, dim=1))
        exact = torch.promote_types(tokens.dtype, torch.float32)
        return DecoderQueries(queries, positions, self.references(positions).to(exact).sigmoid())


class EncoderProposals(nn.Module):
    """Predicts a proposal for every token, and selects those with the highest objectness (two-stage).

    Objectness is the logit of the first class, whatever that class is: in training, all boxes have that class here. Source: Deformable DETR (Zhu et al. 2020), appendix A.4, and the authors' code.
    """

    def __init__(self, config: DeformableDetrConfig) -> None:
        super().__init__()
        width = config.d_model
        self.count = config.two_stage_num_proposals
        self.projection = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)
        self.class_head = make_class_head(width, len(config.labels))
        self.box_head = make_box_head(width, size=0.0)
        self.positions = nn.Linear(2 * width, 2 * width)  # of encoded boxes: [positions | queries]
        self.positions_norm = nn.LayerNorm(2 * width)
        for linear in (self.projection, self.positions):
            nn.init.xavier_uniform_(linear.weight)

    def forward(
        self, tokens: Tensor, ratios: Tensor | None, shapes_hw: Shapes, *, padding: Tensor | None, all_proposals: bool
    ) -> DecoderQueries:
        """Take tokens [B, S, D] of maps of these shapes to queries; Q is S if S is lower.

        ratios      [B, L, 2] fraction of each map's width and height that is image; None: all
        padding     bool [B, S], True where a token is padding; None: no padding
        all_proposals  also return the proposals of all tokens, with all classes
        """
        exact = torch.promote_types(tokens.dtype, torch.float32)
        boxes, invalid = proposal_grid(shapes_hw, ratios, padding, device=tokens.device, dtype=exact)
        memory: Tensor = self.norm(self.projection(tokens.masked_fill(invalid[..., None], 0.0)))
        all_logits = self.class_head(memory) if all_proposals else None
        first = all_logits[..., 0] if all_logits is not None else self._first_class(memory)
        best = first.topk(lower_size(self.count, tokens.shape[1]), dim=1).indices[..., None]  # [B, Q, 1]
        boxes = boxes.expand(tokens.shape[0], -1, -1)
        logits = boxes.gather(1, best.expand(-1, -1, 4))
        if all_proposals:
            all_boxes: Tensor | None = self.box_head(memory).to(exact) + boxes
            logits = cast("Tensor", all_boxes).gather(1, best.expand(-1, -1, 4))
        else:
            all_boxes = None
            logits = logits + self.box_head(memory.gather(1, best.expand(-1, -1, memory.shape[-1]))).to(exact)
        references = logits.detach().sigmoid()
        encoded_boxes = sine_boxes(references, tokens.shape[-1] // 2).to(tokens.dtype)
        positions, queries = self.positions_norm(self.positions(encoded_boxes)).chunk(2, dim=-1)
        return DecoderQueries(queries, positions, references, all_logits, all_boxes)

    def _first_class(self, memory: Tensor) -> Tensor:
        return nn.functional.linear(memory, self.class_head.weight[:1], self.class_head.bias[:1])[..., 0]


def proposal_grid(
    shapes_hw: Shapes, ratios: Tensor | None, padding: Tensor | None, *, device: torch.device, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """A box around every token, as fractions of the image without its padding.

    returns logits of boxes [B or 1, S, 4], infinite for invalid boxes; and which are invalid [B or 1, S]
    """
    levels = []
    for level, (height, width) in enumerate(shapes_hw):
        y = (torch.arange(height, device=device, dtype=dtype) + 0.5) / height
        x = (torch.arange(width, device=device, dtype=dtype) + 0.5) / width
        side = torch.full((height, width), _PROPOSAL_SIZE * 2.0**level, device=device, dtype=dtype)
        box = torch.stack((x.expand(height, -1), y[:, None].expand(-1, width), side, side), dim=-1)
        box = box.flatten(0, 1)[None]  # [1, H * W, 4]
        if ratios is not None:
            box = torch.cat((box[..., :2] / ratios[:, level, None], box[..., 2:].expand(len(ratios), -1, -1)), dim=-1)
        levels.append(box)
    boxes = torch.cat(levels, dim=1)
    invalid = ~((boxes > _PROPOSAL_MARGIN) & (boxes < 1 - _PROPOSAL_MARGIN)).all(-1)
    if padding is not None:
        invalid = invalid | padding
    return torch.log(boxes / (1 - boxes)).masked_fill(invalid[..., None], math.inf), invalid


def make_class_head(width: int, classes: int) -> nn.Linear:
    """A head that is initialized to predict each class with a low prior probability."""
    head = nn.Linear(width, classes)
    nn.init.constant_(head.bias, -math.log((1 - _PRIOR_PROBABILITY) / _PRIOR_PROBABILITY))
    return head


def make_box_head(width: int, *, size: float) -> Mlp:
    """A head that is initialized to keep the reference, and to add `size` to the logits of width and height."""
    head = Mlp(width, width, 4, 3)
    last = head.linears[-1]
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    with torch.no_grad():
        last.bias[2:].fill_(size)
    return head
