"""How sure an edge is after it was clipped to the image."""

import math
from typing import Final

import numpy as np
import numpy.typing as npt

_FAR: Final = 8.0  # deviations from a border: it changes nothing in float64

Edges = npt.NDArray[np.float64]


def clipped_std(edges: Edges, std: Edges, limits: Edges) -> Edges:
    """Standard deviation of edges that are clipped to 0 … limit, in the same unit.

    edges   [N, 4] before clipping
    std     [N, 4] of a normal distribution around each of them
    limits  [4]

    An edge far outside is certainly at the border: 0. Source: mean and variance of a normal distribution that is censored
    on both sides.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        low, high = -edges / std, (limits - edges) / std  # of the borders, in deviations
    result: Edges = std.copy()
    for row, column in np.argwhere((std > 0) & ((low > -_FAR) | (high < _FAR))).tolist():
        result[row, column] = std[row, column] * _censored_std(float(low[row, column]), float(high[row, column]))
    return result


def _censored_std(low: float, high: float) -> float:
    """Standard deviation of a standard normal variable that is clipped to low … high."""
    below, above = _cumulative(low), _cumulative(-high)
    inside = max(1.0 - below - above, 0.0)
    low, high = max(low, -40.0), min(high, 40.0)  # beyond, density and probability are 0
    mean = low * below + high * above + _density(low) - _density(high)
    square = low * low * below + high * high * above + inside + low * _density(low) - high * _density(high)
    return math.sqrt(max(square - mean * mean, 0.0))


def _density(x: float) -> float:
    return math.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)


def _cumulative(x: float) -> float:
    return 0.5 * math.erfc(-x / math.sqrt(2))
