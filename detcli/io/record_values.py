"""Checked values from files of users: a wrong value is a RecordError with file, position and value."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from detcli.errors import InputError

if TYPE_CHECKING:
    from detcli.structures.masks import Rle

LARGEST_COORDINATE = 2.0**31
_LARGEST_SCORE = 1e9  # scores may be logits; sums of such numbers do not overflow

Box = tuple[float, float, float, float]  # left, top, width, height


class RecordError(InputError):
    """A value of a file is invalid.

    path    of the file
    where   position of the record in the file: "line 3"
    reason  what is wrong with the record
    """

    def __init__(self, path: Path, where: str, reason: str) -> None:
        super().__init__(f"'{path}', {where}: {reason}")
        self.path, self.where, self.reason = path, where, reason


class RecordPosition:
    """The position of a record in a file, and checks of its values; each raises RecordError."""

    def __init__(self, path: Path, where: str) -> None:
        self.path, self.where = path, where

    def refuse(self, reason: str) -> NoReturn:
        """Raise RecordError: `'r.csv', line 3: …`."""
        raise RecordError(self.path, self.where, reason)

    def mapping(self, value: Any) -> Mapping[str, Any]:
        """Check a JSON object."""
        if not isinstance(value, dict):
            self.refuse(f"{shown(value)} is not a JSON object")
        return value

    def number(self, value: Any, name: str) -> float:
        """Check a finite number; a string is not a number."""
        if type(value) is float and -LARGEST_COORDINATE <= value <= LARGEST_COORDINATE:
            return value  # nearly always
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.refuse(f"{name} is {shown(value)}, not a number")
        return self._finite(value, name)

    def parsed(self, text: str | None, name: str) -> float:
        """Read a finite number from a text."""
        try:
            return self._finite(float(text or ""), name)
        except ValueError:
            self.refuse(f"{name} is {shown(text)}, not a number")

    def score(self, value: Any) -> float:
        """Check a score: a finite number, also one that is not a probability."""
        score = self.number(value, "score")
        if abs(score) > _LARGEST_SCORE:
            self.refuse(f"score is {score:g}; scores are from 0 to 1")
        return score

    def integer(self, value: Any, name: str) -> int:
        """Check an integer; 3.0 is valid, "3" is not."""
        if type(value) is int:
            return value
        if isinstance(value, str):
            self.refuse(
                f"{name} is the text {shown(value)}; it must be an integer without quotes, as in COCO's annotations"
            )
        if isinstance(value, bool) or not isinstance(value, int | float) or value != value or value % 1:
            self.refuse(f"{name} is {shown(value)}, not an integer")
        return int(value)

    def integer_or_none(self, value: Any, name: str) -> int | None:
        """Check an integer; None if it is null or missing."""
        return None if value is None else self.integer(value, name)

    def numbers(self, value: Any, name: str) -> Box | None:
        """Check four finite numbers that are not negative, one for each edge of a box; None if they are null or missing."""
        if value is None:
            return None
        if not isinstance(value, list | tuple) or len(value) != 4:
            self.refuse(f"{name} is {shown(value)}, not a list of four numbers: left, top, right, bottom")
        left, top, right, bottom = (self.coordinate(number, name) for number in value)
        if min(left, top, right, bottom) < 0:
            self.refuse(f"{name} is {shown(value)}; no number may be negative")
        return left, top, right, bottom

    def text(self, value: Any, name: str) -> str:
        """Check a text that is not empty."""
        if not isinstance(value, str):
            self.refuse(f"{name} is {shown(value)}, not a text in quotes")
        if not value:
            self.refuse(f"{name} is an empty text")
        return value

    def box(self, value: Any) -> Box:
        """Check a box: left, top, width, height."""
        if not isinstance(value, list | tuple) or len(value) != 4:
            self.refuse(f"bbox is {shown(value)}, not a list of four numbers: left, top, width, height")
        left, top, width, height = value
        if type(left) is type(top) is type(width) is type(height) is float and _is_box(left, top, width, height):
            return left, top, width, height  # nearly always
        left, top, width, height = (self.coordinate(number, "bbox") for number in value)
        return self.sides(left, top, width, height)

    def coordinate(self, value: Any, name: str) -> float:
        """Check a coordinate or a side in pixels: a finite number that float32 can calculate with."""
        return self._bounded(self.number(value, name), name)

    def mask(self, value: Any, size_hw: tuple[int, int] | None) -> "Rle | None":
        """Check a mask `{"size": [height, width], "counts": text}` of the size of the image; None for polygons or no mask."""
        if not isinstance(value, dict) or not isinstance(value.get("counts"), str):
            return None
        size = value.get("size")
        if not isinstance(size, list) or len(size) != 2:
            self.refuse(f"the size of its segmentation is {shown(size)}, not a list of two integers: height, width")
        from detcli.structures.masks import Rle
        from detcli.structures.rle import check

        mask = Rle((self.integer(size[0], "height"), self.integer(size[1], "width")), value["counts"])
        if min(mask.size_hw) < 0:
            self.refuse(f"the size of its segmentation is {shown(size)}")
        if size_hw is not None and mask.size_hw != size_hw:
            self.refuse(f"its segmentation is for {shown(size)}, and the image's height and width are {list(size_hw)}")
        try:
            check(mask)
        except ValueError as error:
            self.refuse(f"its segmentation is damaged: {error}")
        return mask

    def sides(self, left: float, top: float, width: float, height: float) -> Box:
        """Check that width and height of a box are not negative, and that no number is larger than any image."""
        if _is_box(left, top, width, height):
            return left, top, width, height
        for number in (left, top, width, height):
            self._bounded(number, "a side of the box")
        if width < 0 or height < 0:
            self.refuse(f"the box at {left:g}, {top:g} has the width {width:g} and the height {height:g}")
        return left, top, width, height

    def _bounded(self, number: float, name: str) -> float:
        if abs(number) > LARGEST_COORDINATE:
            self.refuse(f"{name} is {number:g}, which is larger than any image")
        return number

    def _finite(self, value: float, name: str) -> float:
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            self.refuse(f"{name} is {shown(value)}, not a finite number")
        return number


def _is_box(left: float, top: float, width: float, height: float) -> bool:
    """Whether the sides are valid; False for NaN."""
    largest = LARGEST_COORDINATE
    return (
        -largest <= left <= largest and -largest <= top <= largest and 0 <= width <= largest and 0 <= height <= largest
    )


def shown(value: object) -> str:
    """A value as text for a message."""
    try:
        text = repr(value)
    except ValueError:  # an integer with thousands of digits
        text = "a number with thousands of digits"
    return "missing" if value is None else text if len(text) <= 60 else text[:59] + "…"
