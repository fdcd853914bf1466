"""Chooses the moving shapes of a sequence: their classes, start positions, velocities and paths."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from detcli.datasets.shapes.outlines import OUTLINES, Outline
from detcli.datasets.shapes.scene_layout import CLASSES, MIN_VISIBLE, transformed

Point = npt.NDArray[np.float64]  # [2] x, y in pixels


@dataclass(frozen=True, slots=True)
class Level:
    """Difficulty of tracking; lengths are in short sides of the image.

    inside         number of shapes that stay in the image: they bounce before the border
    entering       number of shapes that enter from outside at some time, and may leave again
    classes        number of different classes: with few, many shapes look alike
    sizes          minimum and maximum longer side
    speeds         minimum and maximum, in short sides per second
    sway           maximum deviation from a straight path
    spin           maximum rotation in radians per second
    max_overlap    of two shapes, as a fraction of the smaller one, if such paths are found
    min_visible    visible fraction of a shape below which it is a crowd in the ground truth
    photographed   camera effects: blur, noise, exposure
    """

    inside: int
    entering: int
    classes: int
    sizes: tuple[float, float]
    speeds: tuple[float, float]
    sway: float
    spin: float
    max_overlap: float
    min_visible: float
    photographed: bool


LEVELS: dict[str, Level] = {
    "easy": Level(4, 2, 10, (0.2, 0.32), (0.1, 0.3), 0.03, 0.0, 0.4, MIN_VISIBLE, photographed=False),
    "hard": Level(8, 6, 3, (0.13, 0.3), (0.15, 0.7), 0.1, 0.6, 1.0, 0.4, photographed=True),
}
_TRIES = 30  # paths to choose from for a shape
_CHECKS_PER_SECOND = 5  # for the overlap of two paths


@dataclass(frozen=True, slots=True)
class Mover:
    """A shape and its path.

    outline    relative to its center, in pixels
    radius     distance from its center to its farthest point, in pixels
    start      center at time 0
    velocity   pixels per second
    low, high  the center bounces between these positions
    sway       amplitude in pixels, frequency per second and initial phase of the deviation
    spin       radians per second
    """

    class_id: int
    outline: Outline
    radius: float
    start: Point
    velocity: Point
    low: Point
    high: Point
    sway: tuple[float, float, float]
    spin: float

    def center_at(self, time_s: float) -> Point:
        """Center at a time, in pixels."""
        amplitude, frequency, phase = self.sway
        deviation = amplitude * np.sin(2 * np.pi * (frequency * time_s + phase))
        sideways = _with_length(self.velocity[::-1] * (-1, 1), deviation)
        span = self.high - self.low
        position = (self.start + self.velocity * time_s + sideways - self.low) % (2 * span)
        center: Point = self.low + np.where(position > span, 2 * span - position, position)
        return center

    def outline_at(self, time_s: float) -> Outline:
        """Outline at a time, in pixels of the image."""
        cos, sin = np.cos(self.spin * time_s), np.sin(self.spin * time_s)
        center = self.center_at(time_s)
        return tuple(polygon @ np.array([(cos, sin), (-sin, cos)]) + center for polygon in self.outline)


def choose_movers(
    level: Level, rng: np.random.Generator, size_hw: tuple[int, int], duration_s: float
) -> tuple[Mover, ...]:
    """The movers of a sequence, from bottom to top."""
    class_ids = rng.permutation(len(CLASSES))[: level.classes].tolist()
    times = np.arange(0, duration_s, 1 / _CHECKS_PER_SECOND).tolist()
    movers: list[Mover] = []
    for choose_path in [_path_inside] * level.inside + [_path_entering] * level.entering:
        class_id, unit = int(rng.choice(class_ids)), min(size_hw)
        size = unit * rng.uniform(*level.sizes)
        outline = tuple(polygon * size for polygon in transformed(OUTLINES[CLASSES[class_id]](rng), rng))
        candidates = []
        for _ in range(_TRIES):
            mover = _mover(choose_path, level, rng, size_hw, duration_s, class_id=class_id, outline=outline)
            overlap = max((_overlap(mover, other, times) for other in movers), default=0.0)
            candidates.append((overlap, mover))
            if overlap <= level.max_overlap:
                break
        movers.append(min(candidates, key=lambda candidate: candidate[0])[1])
    return tuple(movers[index] for index in rng.permutation(len(movers)).tolist())


_Path = tuple[Point, Point, Point, Point]  # start, direction, low, high
_PathChooser = Callable[[np.random.Generator, Point, float, float], _Path]


def _mover(
    choose_path: _PathChooser,
    level: Level,
    rng: np.random.Generator,
    size_hw: tuple[int, int],
    duration_s: float,
    *,
    class_id: int,
    outline: Outline,
) -> Mover:
    unit, radius = min(size_hw), float(np.hypot(*outline[0].T).max())
    speed, sway = unit * rng.uniform(*level.speeds), unit * level.sway * rng.random()
    travel = speed * duration_s
    start, direction, low, high = choose_path(rng, np.array(size_hw[::-1], np.float64), radius, travel)
    deviation = (sway, rng.uniform(0.2, 0.6), rng.random())
    return Mover(
        class_id,
        outline,
        radius,
        start,
        _with_length(direction, speed),
        low,
        high,
        deviation,
        level.spin * rng.uniform(-1, 1),
    )


def _path_inside(rng: np.random.Generator, size_wh: Point, radius: float, travel: float) -> _Path:
    """Start anywhere in the image in any direction, and bounce before the border."""
    angle = rng.uniform(0, 2 * np.pi)
    low, high = np.full(2, radius), size_wh - radius
    return rng.uniform(low, high), np.array([np.cos(angle), np.sin(angle)]), low, high


def _path_entering(rng: np.random.Generator, size_wh: Point, radius: float, travel: float) -> _Path:
    """Start outside the image, move towards its center, and cross the border at some time."""
    along, when = rng.uniform(0.15, 0.85), rng.uniform(0.05, 0.6)
    sides = ((0.0, along), (1.0, along), (along, 0.0), (along, 1.0))
    border = np.array(sides[int(rng.integers(4))]) * size_wh
    inwards = _with_length(size_wh * rng.uniform(0.3, 0.7, 2) - border, 1.0)
    outside = (travel + radius + size_wh.max()) * 2  # too far to bounce
    return border - inwards * (radius + when * travel), inwards, np.full(2, -outside), size_wh + outside


def _overlap(first: Mover, second: Mover, times: list[float]) -> float:
    """Maximum overlap over time of the squares around two shapes, as a fraction of the smaller one."""
    smaller = min(first.radius, second.radius)
    overlap = 0.0
    for time_s in times:
        distance = np.abs(first.center_at(time_s) - second.center_at(time_s))
        shared = (first.radius + second.radius - distance).clip(0, 2 * smaller) / (2 * smaller)
        overlap = max(overlap, float(shared.prod()))
    return overlap


def _with_length(vector: Point, length: float) -> Point:
    scaled: Point = vector * (length / max(1e-9, float(np.hypot(*vector))))
    return scaled
