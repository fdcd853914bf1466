"""Lines and zones: their names and points, in pixels or percent of the frame, checked as far as that needs no frame."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

from detcli.counting.geometry import Polygon, is_in_box, meets_box, polygon_fault
from detcli.errors import UsageError

MAX_POINTS = 500  # of a zone
MAX_REGIONS = 100
_MAX_NAME = 60  # characters
_MAX_VALUE = 1e7
_NUMBER = re.compile(r"[+-]?(?:\d{1,7}(?:\.\d*)?|\.\d+)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Coordinate:
    """One number of a point: pixels, or percent of the width or height."""

    value: float
    percent: bool = False

    def at(self, length: float) -> float:
        """The pixels, for a width or height."""
        return self.value * length / 100 if self.percent else self.value

    def __str__(self) -> str:
        return f"{self.value:.10g}{'%' if self.percent else ''}"


@dataclass(frozen=True, slots=True)
class Region:
    """A line (two points) or a zone (three or more), as the user gave it.

    points  x and y of each
    """

    name: str
    points: tuple[tuple[Coordinate, Coordinate], ...]

    @property
    def is_line(self) -> bool:
        """Whether it is a line."""
        return len(self.points) == 2

    @property
    def kind(self) -> str:
        """In words."""
        return "line" if self.is_line else "zone"

    @property
    def text(self) -> str:
        """As the command line takes it."""
        return f"{self.name}={','.join(str(number) for point in self.points for number in point)}"

    def at(self, size_hw: tuple[int, int]) -> Polygon:
        """The points in pixels of a frame.

        A point of a zone within the last pixel of a row or column is on the border of the frame. Raises UsageError for a shape
        that only a frame size shows to be invalid.
        """
        height, width = size_hw
        points = tuple((x.at(width), y.at(height)) for x, y in self.points)
        if not self.is_line:
            points = tuple((_snapped(x, width), _snapped(y, height)) for x, y in points)
        if self._mixes_units:
            self._check(points)
        return points

    def check(self) -> None:
        """Raise UsageError for a line without length, and for a zone without area or that crosses itself."""
        if not self._mixes_units:
            self._check(tuple((x.value, y.value) for x, y in self.points))

    def is_outside(self, size_hw: tuple[int, int]) -> bool:
        """Whether no part of it is in the frame."""
        return not meets_box(self.at(size_hw), size_hw[1], size_hw[0])

    def is_partly_outside(self, size_hw: tuple[int, int]) -> bool:
        """Whether a point of it is not in the frame."""
        return not is_in_box(self.at(size_hw), size_hw[1], size_hw[0])

    def is_on_border(self, size_hw: tuple[int, int]) -> bool:
        """Whether it is a line along the border of the frame."""
        height, width = size_hw
        (x1, y1), (x2, y2) = self.at(size_hw)[:2]
        return self.is_line and (x1 == x2 in (0, width) or y1 == y2 in (0, height))

    @property
    def _mixes_units(self) -> bool:
        """Whether an axis has pixels and percent: the shape then depends on the frame size."""
        used = [{point[axis].percent for point in self.points if point[axis].value} for axis in (0, 1)]
        return any(len(units) > 1 for units in used)

    def _check(self, points: Polygon) -> None:
        if self.is_line and points[0] == points[1]:
            raise UsageError(f"the line '{self.name}' has no length: both points are {_shown(self.points[0])}")
        numbers = [number for point in self.points for number in point]
        if all(0 <= number.value <= 1 and not number.percent for number in numbers):
            in_percent = ",".join(f"{100 * number.value:g}%" for number in numbers)
            raise UsageError(
                f"the {self.kind} '{self.name}' is within one pixel: coordinates are in pixels; for shares of the frame, use "
                f"percent: {self.name}={in_percent}"
            )
        if self.is_line:
            return
        points = tuple(point for point, before in zip(points, (points[-1], *points), strict=False) if point != before)
        fault = polygon_fault(points) if len(points) > 2 else "has no area"
        if fault is not None:
            order = ": name its points in their order along the border" if "itself" in fault else ""
            raise UsageError(f"the zone '{self.name}' {fault}{order}")


def parse_regions(argument: str, value: Any) -> tuple[Region, ...]:
    """Lines (argument `lines`) or zones (`zones`) in any form that users give them in.

    value  NAME=NUMBERS or several; or a mapping of names to numbers, to points (x, y), or to text; or regions

    Raises TypeError for another type, UsageError for what is no line or zone.
    """
    if value is None:
        return ()
    if isinstance(value, Mapping):
        return tuple(_region(argument, name, numbers) for name, numbers in value.items())
    items = [value] if isinstance(value, str) else value
    if isinstance(items, bytes) or not isinstance(items, Iterable):
        raise TypeError(f"`{argument}` must be a mapping of names to points, not {type(value).__name__}")
    return tuple(item if isinstance(item, Region) else _of_text(argument, item) for item in items)


def check_names(regions: Sequence[Region]) -> None:
    """Raise UsageError where two lines or zones have one name, or there are too many."""
    if len(regions) > MAX_REGIONS:
        raise UsageError(f"there are {len(regions)} lines and zones; at most {MAX_REGIONS} are counted")
    seen: dict[str, Region] = {}
    for region in regions:
        if region.name in seen:
            both = f"two {region.kind}s" if seen[region.name].kind == region.kind else "a line and a zone"
            raise UsageError(f"{both} have the name '{region.name}': each needs its own")
        seen[region.name] = region


def _of_text(argument: str, item: Any) -> Region:
    if not isinstance(item, str):
        raise TypeError(f"`{argument}` must hold texts such as '{_EXAMPLES[argument]}', not {type(item).__name__}")
    name, sign, numbers = item.partition("=")
    if not sign:
        raise UsageError(f"`{argument}` '{_cut(item)}' must be a name and its points, such as {_EXAMPLES[argument]}")
    return _region(argument, name, numbers)


_EXAMPLES = {"lines": "gate=100,400,1180,400", "zones": "yard=10%,50%,90%,50%,90%,100%,10%,100%"}


def _region(argument: str, name: Any, value: Any) -> Region:
    kind = argument.removesuffix("s")
    if not isinstance(name, str):
        raise TypeError(f"`{argument}` must have names as keys, not {type(name).__name__}")
    name = name.strip()
    if not name or len(name) > _MAX_NAME or not name.isprintable():
        raise UsageError(f"the name of a {kind} must have 1 to {_MAX_NAME} printable characters, not '{_cut(name)}'")
    numbers = [_coordinate(kind, name, number) for number in _flat(kind, name, value)]
    points = tuple(zip(numbers[::2], numbers[1::2], strict=False))
    if kind == "line" and len(numbers) != 4:
        raise UsageError(f"the line '{name}' needs two points, x1,y1,x2,y2, and has {_counted(len(numbers))}")
    if kind == "zone":
        if len(numbers) % 2:
            raise UsageError(f"the zone '{name}' has {_counted(len(numbers))}: each point is x,y")
        points = _without_repeats(points)
        if len(points) < 3:
            raise UsageError(f"the zone '{name}' needs three points or more, and has {len(points)}")
        if len(points) > MAX_POINTS:
            raise UsageError(f"the zone '{name}' has {len(points)} points; at most {MAX_POINTS} are possible")
    region = Region(name, points)
    region.check()
    return region


def _flat(kind: str, name: str, value: Any) -> list[Any]:
    """The numbers of a text, of a list of numbers, or of a list of points."""
    if isinstance(value, str):
        return [part for part in re.split(r"[,;\s]+", value.strip()) if part]
    if isinstance(value, bytes | Mapping) or not isinstance(value, Iterable):
        raise TypeError(f"the points of the {kind} '{name}' must be numbers or text, not {type(value).__name__}")
    numbers: list[Any] = []
    for item in value:
        is_point = isinstance(item, Iterable) and not isinstance(item, str | bytes)
        numbers += list(item) if is_point else [item]
    return numbers


def _coordinate(kind: str, name: str, value: Any) -> Coordinate:
    if isinstance(value, Real) and not isinstance(value, bool) and abs(float(value)) < _MAX_VALUE:  # not NaN
        return Coordinate(float(value))
    text = str(value).strip()
    number = text.removesuffix("%").strip()
    if not isinstance(value, str) or _NUMBER.fullmatch(number) is None:
        raise UsageError(
            f"'{_cut(text)}' of the {kind} '{name}' is not a coordinate: use pixels, such as 320, or percent of the frame, such "
            "as 50%"
        )
    return Coordinate(float(number), percent=text.endswith("%") and float(number) != 0)


def _without_repeats(points: tuple[tuple[Coordinate, Coordinate], ...]) -> tuple[tuple[Coordinate, Coordinate], ...]:
    """The points without those that repeat the one before, as a last point that closes the zone does."""
    kept = [point for number, point in enumerate(points) if number == 0 or point != points[number - 1]]
    return tuple(kept[:-1] if len(kept) > 1 and kept[0] == kept[-1] else kept)


def _snapped(value: float, length: int) -> float:
    return float(length) if length - 1 <= value < length else value


def _shown(point: tuple[Coordinate, Coordinate]) -> str:
    return f"{point[0]},{point[1]}"


def _counted(numbers: int) -> str:
    return f"{numbers} {'number' if numbers == 1 else 'numbers'}"


def _cut(text: str) -> str:
    return text if len(text) <= 40 else text[:39] + "…"
