"""Weighted sums of feature maps at sampling points: the core of deformable attention.

There are two implementations with the same results. With embedding bags, each sampling point becomes its four neighbor
cells and their bilinear weights, and one embedding bag sums the features without storing sampled ones. On the CPU this is
several times faster than grid sampling, which is used for gradients, accelerators and compilers.
"""

from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from detcli.models.layers.graph_capture import is_captured, is_traced, tensor_of_sizes

Shapes = Sequence[tuple[int, int]]

# Features that grid sampling holds for one level at a time, without gradients: 128 MiB.
_MAX_SAMPLED = 2**25


def gather(values: Tensor, shapes_hw: Shapes, cells: Tensor, weights: Tensor) -> Tensor:
    """The weighted sum of features at sampling points, for each query and head.

    values     [B, S, D] of maps of these shapes, concatenated; each head has its own D / M features
    shapes_hw  of the L maps
    cells      [B, Q, 2, M, L, P] x and y of points, in cells of each map: 0 is the center of the first one. Features
               are interpolated bilinearly; outside the map they are zeros
    weights    [B, Q, M, L, P]
    returns    [B, Q, D]
    """
    if _use_bags(values, shapes_hw, cells, weights):
        return _by_bags(values, shapes_hw, cells, weights)
    return _by_grids(values, shapes_hw, cells, weights)


def split_values(tokens: Tensor, shapes_hw: Shapes, heads: int) -> list[Tensor]:
    """Tokens [B, S, D] of all levels as maps for sampling by each head: one [B * M, D / M, H, W] per level."""
    batch, count, width = tokens.shape
    by_head = tokens.transpose(-2, -1).reshape(batch * heads, width // heads, count)
    parts = torch.split(by_head, [height * width for height, width in shapes_hw], dim=-1)
    return [part.view(*part.shape[:2], *shape) for part, shape in zip(parts, shapes_hw, strict=True)]


def _use_bags(values: Tensor, shapes_hw: Shapes, cells: Tensor, weights: Tensor) -> bool:
    if is_captured():
        return False
    trained = torch.is_grad_enabled() and any(x.requires_grad for x in (values, cells, weights))
    same_type = values.dtype == cells.dtype == weights.dtype and values.dtype in (torch.float32, torch.float64)
    wide = all(min(shape) > 1 for shape in shapes_hw)  # a cell and its neighbor on each axis
    return values.device.type == "cpu" and same_type and wide and not trained


def _by_bags(values: Tensor, shapes_hw: Shapes, cells: Tensor, weights: Tensor) -> Tensor:
    batch, positions, width = values.shape
    queries, heads, points = cells.shape[1], weights.shape[2], weights[0, 0].numel()
    last, below, starts = _layout(tuple(shapes_hw), heads, weights.shape[-1])
    index = below.new_empty((queries, points, 4))
    fractions = values.new_empty(index.shape)
    sums = values.new_empty((batch, queries, width))
    for image in range(batch):
        at, weight = cells[image].flatten(2), weights[image].flatten(1)  # [Q, 2, points], [Q, points]
        # The cell above and left of a point, clamped so that its right and lower neighbors are in the map too. For a NaN
        # point the weights are NaN, and any cell will do.
        corner = torch.minimum(at.to(torch.int32).clamp_(min=0), last)
        beyond = at - corner
        near = (1 - beyond.abs()).relu_()  # a weight is 1 at the cell, 0 one cell away and farther
        far = (1 - beyond.sub_(1).abs_()).relu_()
        first = (corner[:, 1] * below).add_(corner[:, 0], alpha=heads).add_(starts)
        index[..., 0] = first
        torch.add(first, heads, out=index[..., 1])
        index[..., 2] = first.add_(below)
        torch.add(first, heads, out=index[..., 3])
        upper, lower = weight * near[:, 1], weight * far[:, 1]
        torch.mul(upper, near[:, 0], out=fractions[..., 0])
        torch.mul(upper, far[:, 0], out=fractions[..., 1])
        torch.mul(lower, near[:, 0], out=fractions[..., 2])
        torch.mul(lower, far[:, 0], out=fractions[..., 3])
        table = values[image].reshape(positions * heads, width // heads)
        bags = (queries * heads, 4 * points // heads)
        sampled = F.embedding_bag(index.view(bags), table, per_sample_weights=fractions.view(bags), mode="sum")
        sums[image] = sampled.view(queries, width)
    return sums


@lru_cache(maxsize=64)
def _layout(shapes_hw: tuple[tuple[int, int], ...], heads: int, points: int) -> tuple[Tensor, Tensor, Tensor]:
    """Constants of each of the M * L * P points of a query, not broadcast: broadcasting is slower on the CPU.

    returns the last cell with a right and a lower neighbor [2, M * L * P], and, in rows of a table of all heads of all
    cells: the distance to the cell below [M * L * P], and the start of the head's map [M * L * P]
    """
    sizes = [shape for shape in shapes_hw for _ in range(points)] * heads
    before = [*accumulate((down * across * heads for down, across in shapes_hw[:-1]), initial=0)]
    with torch.inference_mode(False):  # otherwise training could not use tensors that were cached in inference
        return (
            _integers([[across - 2 for _, across in sizes], [down - 2 for down, _ in sizes]]),
            _integers([across * heads for _, across in sizes]),
            _integers([start + head for head in range(heads) for start in before for _ in range(points)]),
        )


def _integers(numbers: list[Any]) -> Tensor:
    return torch.tensor(numbers, dtype=torch.int32, device="cpu")


def _by_grids(values: Tensor, shapes_hw: Shapes, cells: Tensor, weights: Tensor) -> Tensor:
    batch, positions, width = values.shape
    queries, _, heads, _, points = cells.shape[1:]
    by_head = values.transpose(-2, -1).reshape(batch * heads, width // heads, positions)
    maps = torch.split(by_head, [down * across for down, across in shapes_hw], dim=-1)
    at = cells.permute(0, 3, 1, 4, 5, 2).flatten(0, 1)  # [B * M, Q, L, P, 2]
    weight = weights.transpose(1, 2).flatten(0, 1)[:, None]  # [B * M, 1, Q, L, P]
    sums = []
    for some in _query_chunks(queries, batch * width * points):
        total: Tensor | None = None
        for level, (down, across) in enumerate(shapes_hw):
            # To fractions of the map from -1 to 1, as grid_sample requires.
            grid = (2 * at[:, some, level] + 1) / tensor_of_sizes((across, down), at) - 1
            level_map = maps[level].reshape(batch * heads, width // heads, down, across)
            sampled = F.grid_sample(level_map, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
            mixed = (sampled * weight[:, :, some, level]).sum(-1)  # [B * M, D / M, Q]
            total = mixed if total is None else total + mixed
        sums.append(total)
    joined = torch.cat([x for x in sums if x is not None], dim=-1)
    return joined.view(batch, width, queries).transpose(-2, -1)


def _query_chunks(queries: int, sampled: int) -> list[slice]:
    """Chunks of queries, each of which samples so many features on a level; one chunk where memory is not bounded."""
    if torch.is_grad_enabled() or is_traced():
        return [slice(None)]
    chunk = max(1, _MAX_SAMPLED // sampled)
    return [slice(first, first + chunk) for first in range(0, queries, chunk)]
