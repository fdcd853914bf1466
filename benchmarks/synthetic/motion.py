"""Who moves how in a sequence of moving shapes: which shapes there are, where they set out, and at what speed."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from detcli.datasets.shapes.outlines import OUTLINES, Outline
from detcli.datasets.shapes.scene_layout import CLASSES, LEAST_VISIBLE, turned

Point = npt.NDArray[np.float64]  # [2] x, y in pixels


@dataclass(frozen=True, slots=True)
class Level:
    """How hard it is to tell who is who; lengths are in short sides of the image.

    staying        shapes that are there all the time, and turn back before the border
    coming         shapes that come in from outside, at some time, and may go out again
    kinds          classes that are among them: few make many alike
    sizes          least and largest longer side
    speeds         least and largest, in short sides a second
    sway           most that a shape strays to the side of its straight way
    spin           most radians a second that it turns
    most_overlap   of two shapes' boxes, in the smaller one, where ways can be found that have no more
    least_visible  share of a whole shape that must be seen for it to be evaluated
    photographed   blur, noise and light of a camera
    """

    staying: int
    coming: int
    kinds: int
    sizes: tuple[float, float]
    speeds: tuple[float, float]
    sway: float
    spin: float
    most_overlap: float
    least_visible: float
    photographed: bool


LEVELS: dict[str, Level] = {
    "easy": Level(4, 2, 10, (0.2, 0.32), (0.1, 0.3), 0.03, 0.0, 0.4, LEAST_VISIBLE, photographed=False),
    "hard": Level(8, 6, 3, (0.13, 0.3), (0.15, 0.7), 0.1, 0.6, 1.0, 0.4, photographed=True),
}
_TRIES = 30  # ways that are tried for a shape
_LOOKS_A_SECOND = 5  # at which two ways are compared


@dataclass(frozen=True, slots=True)
class Mover:
    """A shape and its way.

    outline    around its own middle, in pixels
    reach      from its middle to its farthest point, in pixels
    start      where its middle is at the time 0
    speed      pixels a second
    low, high  between which its middle is thrown back
    sway       pixels to the side, how often a second, and where in the swing it begins
    spin       radians a second
    """

    class_id: int
    outline: Outline
    reach: float
    start: Point
    speed: Point
    low: Point
    high: Point
    sway: tuple[float, float, float]
    spin: float

    def middle_at(self, time_s: float) -> Point:
        """Where its middle is."""
        far, often, phase = self.sway
        aside = _towards(self.speed[::-1] * (-1, 1), far * np.sin(2 * np.pi * (often * time_s + phase)))
        room = self.high - self.low
        along = (self.start + self.speed * time_s + aside - self.low) % (2 * room)
        middle: Point = self.low + np.where(along > room, 2 * room - along, along)
        return middle

    def outline_at(self, time_s: float) -> Outline:
        """Its outline in the image."""
        cos, sin = np.cos(self.spin * time_s), np.sin(self.spin * time_s)
        middle = self.middle_at(time_s)
        return tuple(polygon @ np.array([(cos, sin), (-sin, cos)]) + middle for polygon in self.outline)


def set_out(level: Level, rng: np.random.Generator, size_hw: tuple[int, int], duration_s: float) -> tuple[Mover, ...]:
    """The movers of a sequence, the lowest first."""
    kinds = rng.permutation(len(CLASSES))[: level.kinds].tolist()
    times = np.arange(0, duration_s, 1 / _LOOKS_A_SECOND).tolist()
    movers: list[Mover] = []
    for way in [_staying] * level.staying + [_coming] * level.coming:
        class_id, unit = int(rng.choice(kinds)), min(size_hw)
        size = unit * rng.uniform(*level.sizes)
        outline = tuple(polygon * size for polygon in turned(OUTLINES[CLASSES[class_id]](rng), rng))
        tried = []
        for _ in range(_TRIES):
            mover = _mover(way, level, rng, size_hw, duration_s, class_id=class_id, outline=outline)
            worst = max((_overlap(mover, other, times) for other in movers), default=0.0)
            tried.append((worst, mover))
            if worst <= level.most_overlap:
                break
        movers.append(min(tried, key=lambda one: one[0])[1])
    return tuple(movers[place] for place in rng.permutation(len(movers)).tolist())


_Way = tuple[Point, Point, Point, Point]  # start, direction, low, high
_Chooser = Callable[[np.random.Generator, Point, float, float], _Way]


def _mover(
    way: _Chooser,
    level: Level,
    rng: np.random.Generator,
    size_hw: tuple[int, int],
    duration_s: float,
    *,
    class_id: int,
    outline: Outline,
) -> Mover:
    unit, reach = min(size_hw), float(np.hypot(*outline[0].T).max())
    speed, sway = unit * rng.uniform(*level.speeds), unit * level.sway * rng.random()
    travel = speed * duration_s
    start, direction, low, high = way(rng, np.array(size_hw[::-1], np.float64), reach, travel)
    swing = (sway, rng.uniform(0.2, 0.6), rng.random())
    return Mover(
        class_id, outline, reach, start, _towards(direction, speed), low, high, swing, level.spin * rng.uniform(-1, 1)
    )


def _staying(rng: np.random.Generator, size_wh: Point, reach: float, travel: float) -> _Way:
    """Anywhere in the image, in any direction, thrown back before the border cuts it."""
    angle = rng.uniform(0, 2 * np.pi)
    low, high = np.full(2, reach), size_wh - reach
    return rng.uniform(low, high), np.array([np.cos(angle), np.sin(angle)]), low, high


def _coming(rng: np.random.Generator, size_wh: Point, reach: float, travel: float) -> _Way:
    """From outside of a side, to be at the border at some time, towards the middle of the image."""
    along, when = rng.uniform(0.15, 0.85), rng.uniform(0.05, 0.6)
    sides = ((0.0, along), (1.0, along), (along, 0.0), (along, 1.0))
    border = np.array(sides[int(rng.integers(4))]) * size_wh
    inwards = _towards(size_wh * rng.uniform(0.3, 0.7, 2) - border, 1.0)
    outside = (travel + reach + size_wh.max()) * 2  # so far that nothing is thrown back
    return border - inwards * (reach + when * travel), inwards, np.full(2, -outside), size_wh + outside


def _overlap(mover: Mover, other: Mover, times: list[float]) -> float:
    """Most that the squares around two shapes ever share, in the smaller one."""
    smaller = min(mover.reach, other.reach)
    worst = 0.0
    for time_s in times:
        apart = np.abs(mover.middle_at(time_s) - other.middle_at(time_s))
        shared = (mover.reach + other.reach - apart).clip(0, 2 * smaller) / (2 * smaller)
        worst = max(worst, float(shared.prod()))
    return worst


def _towards(way: Point, length: float) -> Point:
    towards: Point = way * (length / max(1e-9, float(np.hypot(*way))))
    return towards
