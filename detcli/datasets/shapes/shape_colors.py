"""Colors: vivid ones for shapes, calm ones for what lies behind them, and how far apart two of them look."""

import numpy as np
import numpy.typing as npt

Colors = npt.NDArray[np.float32]  # [..., 3] RGB, 0 to 255

_WEIGHTS = np.sqrt(np.array([2, 4, 3], np.float32) / 9)  # the eye minds green most; white and black are 255 apart


def vivid(rng: np.random.Generator, count: int) -> Colors:
    """Colors [count, 3] that stand out, greys among them."""
    return _from_hsv(rng.random(count), 0.35 + 0.65 * rng.random(count), 0.15 + 0.85 * rng.random(count))


def calm(rng: np.random.Generator, count: int, spread: float = 0.5) -> Colors:
    """Colors [count, 3] of one mood: hues near each other, not much saturated; `spread` of brightness from 0 to 1."""
    hue = rng.random() + 0.15 * rng.standard_normal(count)
    saturation = rng.uniform(0.0, 0.6) * rng.uniform(0.5, 1.0, count)
    value = rng.uniform(0.1, 1.0) + spread * (rng.random(count) - 0.5)
    return _from_hsv(hue % 1.0, saturation, value.clip(0.04, 1.0))


def distance(one: Colors, other: Colors) -> npt.NDArray[np.float32]:
    """How different colors look, from 0 to 255."""
    weighted = (one - other) * _WEIGHTS
    apart: npt.NDArray[np.float32] = np.sqrt((weighted * weighted).sum(axis=-1))
    return apart


def _from_hsv(
    hue: npt.NDArray[np.float64], saturation: npt.NDArray[np.float64], value: npt.NDArray[np.float64]
) -> Colors:
    """All three from 0 to 1."""
    sector = (hue[:, None] * 6 + np.array([0.0, 4.0, 2.0])) % 6
    pure = (np.abs(sector - 3) - 1).clip(0, 1)
    rgb = value[:, None] * (1 - saturation[:, None] * (1 - pure))
    return np.asarray(255 * rgb, np.float32)
