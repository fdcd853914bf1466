"""Attention to a few sampling points of each feature map, around a reference point or box."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from detcli.models.layers.attention import merged_linear
from detcli.models.layers.graph_capture import tensor_of_sizes
from detcli.models.layers.sampling import gather

SamplingMethod = Literal["default", "discrete"]


class BoxSampling(nn.Module):
    """Deformable attention around boxes without value and output projections, as in D-FINE.

    points        sampling points of a head on each level; levels may differ
    offset_scale  length of a unit offset in box sizes, if the level has one point
    method        bilinear interpolation ("default"), or the nearest cell ("discrete")

    Source: Deformable DETR (Zhu et al. 2020), section 4.1; D-FINE (Peng et al. 2024), appendix.
    """

    points_scale: Tensor | None

    def __init__(
        self,
        width: int,
        heads: int,
        points: Sequence[int],
        *,
        offset_scale: float = 0.5,
        method: SamplingMethod = "default",
    ) -> None:
        super().__init__()
        self.heads = heads
        self.points = tuple(points)
        self.offset_scale = offset_scale
        self.method: SamplingMethod = method
        total = heads * sum(self.points)
        self.offsets = nn.Linear(width, total * 2)
        self.weights = nn.Linear(width, total)
        self.offsets_and_weights: nn.Linear | None = None  # both layers merged, after folding
        self.register_buffer("points_scale", torch.tensor([1 / n for n in self.points for _ in range(n)]))
        _initialize_offsets(self.offsets, self.weights, heads, self.points)
        if method == "discrete":  # the nearest cell has no gradient, so the original code does not train the offsets
            self.offsets.requires_grad_(False)

    def forward(self, queries: Tensor, boxes: Tensor, values: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Compute the attention.

        queries  [B, Q, D]
        boxes    [B, Q, 4] reference boxes, center and size as fractions of the image; float32 at least
        values   one [B * M, D / M, H, W] per level, in the dtype of the boxes
        returns  [B, Q, D], and the weights [B, Q, M, P] over the points of all levels
        """
        offsets, weights = self._offsets_and_weights(queries)
        offsets = offsets.to(boxes.dtype).reshape(*boxes.shape[:2], self.heads, -1, 2)  # [B, Q, M, P, 2]
        if self.points_scale is not None:
            offsets = offsets * (self.points_scale.to(boxes.dtype)[:, None] * self.offset_scale)
        weights = weights.to(boxes.dtype).reshape(*boxes.shape[:2], self.heads, -1).softmax(-1)  # [B, Q, M, P]
        locations = boxes[:, :, None, None, :2] + offsets * boxes[:, :, None, None, 2:]  # [B, Q, M, P, 2]
        gathered = sample(values, locations, weights, self.points, self.method)
        return gathered.to(queries.dtype), weights

    def fold(self) -> None:
        """Fold the scales into the offset layer, and merge the layers of offsets and weights."""
        if self.points_scale is None:
            return
        scale = (self.points_scale.double() * self.offset_scale).repeat(self.heads).repeat_interleave(2)
        dtype = self.offsets.weight.dtype
        self.offsets.weight.data = (self.offsets.weight.double() * scale[:, None]).to(dtype)
        self.offsets.bias.data = (self.offsets.bias.double() * scale).to(dtype)
        self.offsets_and_weights = merged_linear(self.offsets, self.weights)
        self.points_scale = None
        del self.offsets, self.weights

    def _offsets_and_weights(self, queries: Tensor) -> tuple[Tensor, Tensor]:
        if self.offsets_and_weights is None:
            return self.offsets(queries), self.weights(queries)
        total = self.heads * sum(self.points)
        offsets, weights = self.offsets_and_weights(queries).split((2 * total, total), dim=-1)
        return offsets, weights


class DeformableAttention(nn.Module):
    """Multi-scale deformable attention around points or boxes, with value and output projections.

    levels  feature maps
    points  sampling points of a head on each of them

    Source: Deformable DETR (Zhu et al. 2020), section 4.1 and, for boxes, appendix A.4.
    """

    def __init__(self, width: int, heads: int, levels: int, points: int) -> None:
        super().__init__()
        self.heads, self.levels, self.points = heads, levels, points
        total = heads * levels * points
        self.offsets = nn.Linear(width, total * 2)
        self.weights = nn.Linear(width, total)
        self.value = nn.Linear(width, width)
        self.output = nn.Linear(width, width)
        self.offsets_and_weights: nn.Linear | None = None  # both layers merged, after folding
        _initialize_offsets(self.offsets, self.weights, heads, (points,) * levels)
        for projection in (self.value, self.output):
            nn.init.xavier_uniform_(projection.weight)
            nn.init.zeros_(projection.bias)

    def values(self, tokens: Tensor, padding: Tensor | None) -> Tensor:
        """Projected values of tokens [B, S, D]; tokens with padding bool [B, S] become zeros after the projection."""
        values: Tensor = self.value(tokens)
        return values if padding is None else values.masked_fill(padding[..., None], 0.0)

    def forward(
        self, queries: Tensor, cells: "ReferenceCells", values: Tensor, shapes_hw: Sequence[tuple[int, int]]
    ) -> tuple[Tensor, Tensor]:
        """Compute the attention.

        queries    [B, Q, D], positions added
        cells      reference points or boxes of the queries
        values     [B, S, D] from `values`
        shapes_hw  of the L maps
        returns    [B, Q, D], and the weights [B, Q, M, L, P]
        """
        exact = cells.origins.dtype
        shape = (*queries.shape[:2], self.heads, self.levels, self.points)
        offsets, weights = self._offsets_and_weights(queries)
        weights = weights.to(exact).reshape(*shape[:3], -1).softmax(-1).view(shape)
        offsets = offsets.to(exact)
        if cells.offset_scale is not None:
            offsets = offsets * (cells.offset_scale / self.points)
        gathered = gather(values.to(exact), shapes_hw, offsets + cells.origins, weights)
        output: Tensor = self.output(gathered.to(queries.dtype))
        return output, weights

    def fold(self) -> None:
        """Merge the layers of offsets and weights, which read the same queries, as [x offsets | y offsets | weights]."""
        if self.offsets_and_weights is None:
            for parameter in (self.offsets.weight, self.offsets.bias):
                pairs = parameter.data.reshape(-1, 2, *parameter.shape[1:])
                parameter.data = pairs.transpose(0, 1).flatten(0, 1)
            self.offsets_and_weights = merged_linear(self.offsets, self.weights)
            del self.offsets, self.weights

    def _offsets_and_weights(self, queries: Tensor) -> tuple[Tensor, Tensor]:
        """Offsets [B, Q, 2, M, L, P] in cells or in units of `offset_scale`, and weights [B, Q, M * L * P] as logits."""
        shape = (self.heads, self.levels, self.points)
        if self.offsets_and_weights is None:
            offsets = self.offsets(queries).unflatten(-1, (*shape, 2)).movedim(-1, 2)
            return offsets, self.weights(queries)
        total = math.prod(shape)
        offsets, weights = self.offsets_and_weights(queries).split((2 * total, total), dim=-1)
        return offsets.unflatten(-1, (2, *shape)), weights


@dataclass(frozen=True, slots=True)
class ReferenceCells:
    """Reference points of queries in cells of each map, and the scale of sampling offsets; x and y, float32 at least.

    origins  [B or 1, Q, 2, 1 or M, L, 1 or P] in cells of each map: 0 is the center of the first one
    offset_scale    [B or 1, Q, 2, 1, L, 1] half a box in cells, which offsets are multiplied by; None: offsets are in cells
    """

    origins: Tensor
    offset_scale: Tensor | None = None

    @classmethod
    def from_references(cls, references: Tensor, shapes_hw: Sequence[tuple[int, int]]) -> "ReferenceCells":
        """From points [B or 1, Q, L, 2] or boxes [B or 1, Q, L, 4], as fractions of each map with its padding."""
        sizes = tensor_of_sizes([side for height, width in shapes_hw for side in (width, height)], references).view(
            -1, 2
        )
        origins = _planes(references[..., :2] * sizes - 0.5)
        return cls(origins, _planes(references[..., 2:] * sizes * 0.5) if references.shape[-1] == 4 else None)

    def expanded(self, heads: int, points: int) -> "ReferenceCells":
        """The same with origins expanded to every point: faster than broadcasting if several layers use them."""
        batch, queries, _, _, levels, _ = self.origins.shape
        return ReferenceCells(
            self.origins.expand(batch, queries, 2, heads, levels, points).contiguous(), self.offset_scale
        )

    def select(self, image: slice, rows: slice) -> "ReferenceCells":
        """The cells of some queries of some images."""
        images = image if len(self.origins) > 1 else slice(None)
        return ReferenceCells(
            self.origins[images, rows], None if self.offset_scale is None else self.offset_scale[images, rows]
        )


def _planes(pairs: Tensor) -> Tensor:
    """Take [B, Q, L, 2] to [B, Q, 2, 1, L, 1]."""
    return pairs.transpose(-2, -1)[:, :, :, None, :, None]


def _initialize_offsets(offsets: nn.Linear, weights: nn.Linear, heads: int, points: Sequence[int]) -> None:
    """Initialize offsets with a direction for each head and one step more for each point, and weights with zeros."""
    # Always on the CPU: arithmetic on meta tensors would import torch's compiler.
    angles = torch.arange(heads, device="cpu") * (2 * math.pi / heads)
    directions = torch.stack((angles.cos(), angles.sin()), dim=-1)
    directions = directions / directions.abs().amax(dim=-1, keepdim=True)  # [M, 2]
    steps = torch.cat([torch.arange(1, n + 1, device="cpu") for n in points])  # [P] of all levels
    with torch.no_grad():
        offsets.bias.copy_((directions[:, None] * steps[:, None]).flatten())
    for parameter in (offsets.weight, weights.weight, weights.bias):
        nn.init.zeros_(parameter)


def sample(
    values: Sequence[Tensor],
    locations: Tensor,
    weights: Tensor,
    points: Sequence[int],
    method: SamplingMethod,
) -> Tensor:
    """Weighted sum of the values at these locations.

    values   one [B * M, D / M, H, W] per level
    locations   [B, Q, M, P, 2] x and y as fractions of the map; outside it, values are zeros ("default"), or those of
             the nearest cell ("discrete")
    weights  [B, Q, M, P]
    points   number of points of each level, in order; P together
    returns  [B, Q, D]
    """
    batch, queries, heads = locations.shape[:3]
    by_level = torch.split(locations.transpose(1, 2).flatten(0, 1), list(points), dim=2)  # [B * M, Q, points, 2] each
    sample_level = _bilinear if method == "default" else _nearest
    sampled = torch.cat([sample_level(value, at) for value, at in zip(values, by_level, strict=True)], dim=-1)
    by_head = weights.transpose(1, 2).flatten(0, 1)[:, None]  # [B * M, 1, Q, P]
    mixed = (sampled * by_head).sum(-1)  # [B * M, D / M, Q]
    return mixed.view(batch, heads * mixed.shape[1], queries).transpose(-2, -1)


def _bilinear(value: Tensor, locations: Tensor) -> Tensor:
    return F.grid_sample(value, 2 * locations - 1, mode="bilinear", padding_mode="zeros", align_corners=False)


def _nearest(value: Tensor, locations: Tensor) -> Tensor:
    height, width = value.shape[-2:]
    column = (locations[..., 0] * width + 0.5).long().clamp(0, width - 1)  # [B * M, Q, points]
    row = (locations[..., 1] * height + 0.5).long().clamp(0, height - 1)
    index = (row * width + column).flatten(1)[:, None].expand(-1, value.shape[1], -1)
    return value.flatten(2).gather(2, index).view(*value.shape[:2], *locations.shape[1:3])
