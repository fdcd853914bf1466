"""Where things are: sine grids for tokens of a map, and the way back from a fraction to its logit."""

from functools import lru_cache

import torch
from torch import Tensor


def sine_grid(
    height: int, width: int, *, channels: int, temperature: float, device: torch.device, dtype: torch.dtype
) -> Tensor:
    """Sine and cosine of row and column in geometrically spaced frequencies, for the tokens of a map.

    returns [H * W, channels], rows outermost: [sin row | cos row | sin column | cos column], `channels` divisible by 4

    The original D-FINE lays the grid out columns outermost, which equals this one on square maps and scrambles others.
    Source: Attention Is All You Need (Vaswani et al. 2017), section 3.5, once for each axis.
    """
    if torch.compiler.is_compiling():  # a cache would be baked into the graph, or break it
        return _sine_grid(height, width, channels, temperature, device, dtype)
    return _cached_sine_grid(height, width, channels, temperature, device, dtype)


def _sine_grid(
    height: int, width: int, channels: int, temperature: float, device: torch.device, dtype: torch.dtype
) -> Tensor:
    count = channels // 4
    exact = torch.float32 if device.type == "mps" else torch.float64  # Apple GPUs have no float64
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
    with torch.inference_mode(False):  # or training could not use a grid that a prediction has made
        return _sine_grid(height, width, channels, temperature, device, dtype)


def inverse_sigmoid(fraction: Tensor, eps: float = 1e-5) -> Tensor:
    """The logit of a fraction; what lies closer than `eps` to 0 or 1 counts as `eps` away."""
    fraction = fraction.clamp(0, 1)
    return torch.log(fraction.clamp(min=eps) / (1 - fraction).clamp(min=eps))
