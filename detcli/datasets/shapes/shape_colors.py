"""Random colors: vivid ones for shapes, muted ones for backgrounds, and the visual distance of two colors."""

import numpy as np
import numpy.typing as npt

Colors = npt.NDArray[np.float32]  # [..., 3] RGB, 0 to 255

_WEIGHTS = np.sqrt(
    np.array([2, 4, 3], np.float32) / 9
)  # the eye is most sensitive to green; white and black have the distance 255


def vivid(rng: np.random.Generator, count: int) -> Colors:
    """Strong colors [count, 3], including grays."""
    return _from_hsv(rng.random(count), 0.35 + 0.65 * rng.random(count), 0.15 + 0.85 * rng.random(count))


def muted(rng: np.random.Generator, count: int, spread: float = 0.5) -> Colors:
    """Colors [count, 3] with similar hues and low saturation; `spread` of the brightness from 0 to 1."""
    hue = rng.random() + 0.15 * rng.standard_normal(count)
    saturation = rng.uniform(0.0, 0.6) * rng.uniform(0.5, 1.0, count)
    value = rng.uniform(0.1, 1.0) + spread * (rng.random(count) - 0.5)
    return _from_hsv(hue % 1.0, saturation, value.clip(0.04, 1.0))


def distance(first: Colors, second: Colors) -> npt.NDArray[np.float32]:
    """Visual distance of colors, from 0 to 255."""
    weighted = (first - second) * _WEIGHTS
    distances: npt.NDArray[np.float32] = np.sqrt((weighted * weighted).sum(axis=-1))
    return distances


def _from_hsv(
    hue: npt.NDArray[np.float64], saturation: npt.NDArray[np.float64], value: npt.NDArray[np.float64]
) -> Colors:
    """Colors [n, 3] from hue, saturation and value, all from 0 to 1."""
    sector = (hue[:, None] * 6 + np.array([0.0, 4.0, 2.0])) % 6
    pure = (np.abs(sector - 3) - 1).clip(0, 1)
    rgb = value[:, None] * (1 - saturation[:, None] * (1 - pure))
    return np.asarray(255 * rgb, np.float32)
