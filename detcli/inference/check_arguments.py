"""Checks of arguments that Python users pass: TypeError for a wrong type, UsageError (a ValueError) for a wrong value."""

import math
import numbers
import operator
from collections.abc import Collection, Sequence
from typing import Any, SupportsIndex

from detcli.errors import UsageError


def check_type(name: str, value: object, kinds: type | tuple[type, ...], described: str) -> None:
    """Raise TypeError if a value is of none of the types."""
    if not isinstance(value, kinds):
        raise TypeError(f"`{name}` must be {described}, not {type(value).__name__}")


def check_flag(name: str, value: object) -> None:
    """Raise TypeError if a value is not a bool."""
    check_type(name, value, bool, "True or False")


def check_choice(name: str, value: object, choices: Collection[str]) -> None:
    """Raise TypeError if a value is not a str, and UsageError if it is none of the choices."""
    check_type(name, value, str, "a str")
    if value not in choices:
        raise UsageError(f"`{name}` must be one of {', '.join(choices)}, not '{value}'")


def check_fraction(name: str, value: object) -> float:
    """Return a number from 0 to 1 as a float."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"`{name}` must be a number from 0 to 1, not {type(value).__name__}")
    number = float(value)
    if math.isnan(number) or not 0 <= number <= 1:
        raise UsageError(f"`{name}` must be a number from 0 to 1, not {number:g}")
    return number


def check_positive(name: str, value: object) -> int:
    """Return an integer from 1 on as an int."""
    if isinstance(value, bool) or not isinstance(value, SupportsIndex):
        raise TypeError(f"`{name}` must be an integer, not {type(value).__name__}")
    number = operator.index(value)
    if number < 1:
        raise UsageError(f"`{name}` must be at least 1, not {number}")
    return number


def check_image_size(value: object) -> tuple[int, int]:
    """Return height and width of an int (a square) or a pair (height, width)."""
    if isinstance(value, list | tuple):
        if len(value) != 2:
            raise UsageError(f"`image_size` must be an int or a pair (height, width), not {len(value)} values")
        height, width = (check_positive("image_size", side) for side in value)
        return height, width
    if isinstance(value, bool) or not isinstance(value, SupportsIndex):
        raise TypeError(f"`image_size` must be an int or a pair (height, width), not {type(value).__name__}")
    side = check_positive("image_size", value)
    return side, side


def check_classes(value: Any) -> list[str]:
    """Return class names, and class indices as text, as `ClassLabels.find` takes them."""
    if isinstance(value, str | bytes) or not isinstance(value, Sequence | set | frozenset):
        raise TypeError(f"`classes` must be a list of class names or indices, not {type(value).__name__}")
    for item in value:
        if isinstance(item, bool) or not isinstance(item, str | SupportsIndex):
            raise TypeError(f"`classes` must hold class names or indices, not {type(item).__name__}")
    return [item if isinstance(item, str) else str(operator.index(item)) for item in value]
