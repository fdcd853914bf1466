"""Position encodings of tokens and boxes, and the inverse of the sigmoid."""

import math
from functools import lru_cache

import torch
from torch import Tensor, nn

from detcli.errors import UnsupportedModelError
from detcli.models.layers.graph_capture import exact_dtype, has_variable_sizes


def sine_grid(
    height: int, width: int, *, channels: int, temperature: float, device: torch.device, dtype: torch.dtype
) -> Tensor:
    """Sine-cosine encoding of row and column with geometrically spaced frequencies, for the tokens of a map.

    returns [H * W, channels], rows outermost: [sin row | cos row | sin column | cos column], `channels` divisible by 4

    The original D-FINE has columns outermost, which is the same for square maps and wrong for others.
    Source: Attention Is All You Need (Vaswani et al. 2017), section 3.5, applied to each axis.
    """
    if has_variable_sizes():  # a cache would become a constant of the graph, or break it
        return _sine_grid(height, width, channels, temperature, device, dtype)
    return _cached_sine_grid(height, width, channels, temperature, device, dtype)


def _sine_grid(
    height: int, width: int, channels: int, temperature: float, device: torch.device, dtype: torch.dtype
) -> Tensor:
    count = channels // 4
    exact = exact_dtype(device)
    frequencies = temperature ** -(torch.arange(count, dtype=exact, device=device) / count)
    rows = torch.arange(height, dtype=exact, device=device)[:, None] * frequencies  # [H, channels / 4]
    columns = torch.arange(width, dtype=exact, device=device)[:, None] * frequencies  # [W, channels / 4]
    of_row = torch.cat((rows.sin(), rows.cos()), dim=1)[:, None].expand(-1, width, -1)
    of_column = torch.cat((columns.sin(), columns.cos()), dim=1)[None].expand(height, -1, -1)
    return torch.cat((of_row, of_column), dim=2).flatten(0, 1).to(dtype)  # [H * W, channels]


@lru_cache(maxsize=16)
def _cached_sine_grid(
    height: int, width: int, channels: int, temperature: float, device: torch.device, dtype: torch.dtype
) -> Tensor:
    with torch.inference_mode(False):  # otherwise training could not use a grid that was cached in inference
        return _sine_grid(height, width, channels, temperature, device, dtype)


def sine_positions(
    size_hw: tuple[int, int],
    mask: Tensor | None = None,
    *,
    channels: int,
    shift: float = 0.0,
    temperature: float = 10000.0,
    device: torch.device,
    dtype: torch.dtype,
) -> Tensor:
    """DETR's sine-cosine encoding of row and column as fractions of the image, for the tokens of a map.

    size_hw  of the map
    mask     bool [B, H, W], True where a cell is image: only those rows and columns count; None: all are image
    shift    added to the row or column number, which starts at 1: 0 in DETR, -0.5 in Deformable DETR
    returns  [B or, without a mask, 1; H * W, channels], rows outermost: [of row | of column], each with sine and
             cosine alternating, in descending frequencies; `channels` divisible by 4

    Source: DETR (Carion et al. 2020), appendix A.4, and the authors' code of both.
    """
    height, width = size_hw
    exact = exact_dtype(device)
    if mask is None:
        rows = _angles(torch.arange(1, height + 1, device=device, dtype=exact), height, shift)
        columns = _angles(torch.arange(1, width + 1, device=device, dtype=exact), width, shift)
        of_row = _sines(rows, channels // 2, temperature).to(dtype)[None, :, None].expand(1, height, width, -1)
        of_column = _sines(columns, channels // 2, temperature).to(dtype)[None, None].expand(1, height, width, -1)
    else:
        cells = mask.to(torch.promote_types(dtype, torch.float32))
        down, across = cells.cumsum(1), cells.cumsum(2)
        of_row = _sines(_angles(down, down[:, -1:], shift), channels // 2, temperature).to(dtype)
        of_column = _sines(_angles(across, across[..., -1:], shift), channels // 2, temperature).to(dtype)
    return torch.cat((of_row, of_column), dim=-1).flatten(1, 2)


def _angles(count: Tensor, total: Tensor | int, shift: float) -> Tensor:
    """Row or column numbers as angles, in radians."""
    return (count + shift) / (total + 1e-6) * (2 * math.pi)


def _sines(angles: Tensor, channels: int, temperature: float) -> Tensor:
    """Take angles [...] to [..., channels]: sine and cosine of each frequency, alternating."""
    index = torch.arange(channels // 2, device=angles.device, dtype=angles.dtype)
    scaled = angles[..., None] / temperature ** (2 * index / channels)
    return torch.stack((scaled.sin(), scaled.cos()), dim=-1).flatten(-2)


def sine_boxes(boxes: Tensor, channels: int, temperature: float = 10000.0) -> Tensor:
    """Take boxes [..., 4] as fractions of the image to [..., 4 * channels]: the sine-cosine encoding of each coordinate."""
    return _sines(boxes * (2 * math.pi), channels, temperature).flatten(-2)


class LearnedPositions(nn.Module):
    """Learned embeddings of columns and rows, each half of the position's channels, for maps up to 50 by 50.

    Source: DETR (Carion et al. 2020), the authors' code.
    """

    max_size = 50

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.rows = nn.Embedding(self.max_size, channels // 2)
        self.columns = nn.Embedding(self.max_size, channels // 2)
        for embedding in (self.rows, self.columns):
            nn.init.uniform_(embedding.weight)

    def forward(self, size_hw: tuple[int, int]) -> Tensor:
        """The positions of a map's tokens: [1, H * W, channels], [of column | of row].

        Raises UnsupportedModelError for a map with more rows or columns than learned ones.
        """
        height, width = size_hw
        if max(size_hw) > self.max_size:
            raise UnsupportedModelError(
                f"the image is too large for the model: its feature map has {height} x {width} cells, and the model has "
                f"learned positions for {self.max_size} x {self.max_size}; use a smaller `image_size`"
            )
        of_row = self.rows.weight[:height, None].expand(-1, width, -1)
        of_column = self.columns.weight[None, :width].expand(height, -1, -1)
        return torch.cat((of_column, of_row), dim=-1).flatten(0, 1)[None]


def inverse_sigmoid(fraction: Tensor, eps: float = 1e-5) -> Tensor:
    """The logit of a fraction, which is first clamped to `eps` … 1 - `eps`."""
    fraction = fraction.clamp(0, 1)
    return torch.log(fraction.clamp(min=eps) / (1 - fraction).clamp(min=eps))
