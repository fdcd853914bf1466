"""The outline of each shape class: closed polygons around the origin with random variations.

No class becomes another one if it is rotated, mirrored or slightly stretched.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Points = npt.NDArray[np.float64]  # [n, 2] x right, y down
Outline = tuple[Points, ...]  # a point is inside if an odd number of the polygons contain it

_CURVE_POINTS = 72  # of a circle: the polygon deviates from it by a thousandth of the radius


def circle(rng: np.random.Generator) -> Outline:
    """A disc."""
    return (_arc(0, 2 * np.pi),)


def square(rng: np.random.Generator) -> Outline:
    """Four equal sides."""
    return (np.array([(-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)]),)


def triangle(rng: np.random.Generator) -> Outline:
    """Two or three equal sides."""
    height = rng.uniform(1.4, 2.0)
    return (np.array([(-1.0, 0.5 * height), (0.0, -0.5 * height), (1.0, 0.5 * height)]),)


def star(rng: np.random.Generator) -> Outline:
    """Five points of random width."""
    return (_arc(0, 2 * np.pi, 10) * np.tile([1.0, rng.uniform(0.36, 0.5)], 5)[:, None],)


def heart(rng: np.random.Generator) -> Outline:
    """Two lobes and a point."""
    t = np.arange(_CURVE_POINTS) * (2 * np.pi / _CURVE_POINTS)
    y = 13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)
    return (np.stack([16 * np.sin(t) ** 3, -y], axis=1),)


def cross(rng: np.random.Generator) -> Outline:
    """Four equal arms at right angles."""
    arm = rng.uniform(0.24, 0.4)
    quarter = np.array([(1.0, -arm), (1.0, arm), (arm, arm)])
    turn = np.array([(0.0, 1.0), (-1.0, 0.0)])
    return (np.concatenate([quarter @ np.linalg.matrix_power(turn, k) for k in range(4)]),)


def ring(rng: np.random.Generator) -> Outline:
    """A disc with a round hole."""
    disc = _arc(0, 2 * np.pi)
    return (disc, disc * rng.uniform(0.5, 0.7))


def crescent(rng: np.random.Generator) -> Outline:
    """A disc without its intersection with another disc."""
    shift, radius = rng.uniform(0.34, 0.46), rng.uniform(0.78, 0.88)
    x = (1 + shift**2 - radius**2) / (2 * shift)  # where the two circles meet
    outer, inner = np.arccos(x), np.arccos((x - shift) / radius)
    inner_arc = _arc(2 * np.pi - inner, inner)[1:] * radius + (shift, 0)
    return (np.concatenate([_arc(outer, 2 * np.pi - outer), inner_arc]),)


def arrow(rng: np.random.Generator) -> Outline:
    """A shaft and a head."""
    shaft, neck, head = rng.uniform(0.16, 0.28), rng.uniform(-0.05, 0.25), rng.uniform(0.6, 0.8)
    upper = np.array([(-1.0, -shaft), (neck, -shaft), (neck, -head), (1.0, 0.0)])
    return (np.concatenate([upper, upper[-2::-1] * (1, -1)]),)


def bolt(rng: np.random.Generator) -> Outline:
    """A lightning bolt."""
    lean = rng.uniform(0.0, 0.15)
    half = np.array([(0.05 + lean, -1.0), (-0.55, 0.12), (-0.06, 0.12)])
    return (np.concatenate([half, -half]),)


OUTLINES: dict[str, Callable[[np.random.Generator], Outline]] = {
    outline.__name__: outline for outline in (circle, square, triangle, star, heart, cross, ring, crescent, arrow, bolt)
}


def _arc(start: float, end: float, count: int = _CURVE_POINTS) -> Points:
    """Points on the unit circle, the last one before `end`."""
    angles = start + np.arange(count) * ((end - start) / count)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)
