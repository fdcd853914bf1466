"""Checks of the arguments of public functions: a wrong type is a TypeError, a wrong value a UsageError (a ValueError).

Messages name the argument in backquotes.
"""

import math
import numbers
import operator
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, SupportsIndex, TypeVar

from detcli.errors import UsageError

StrPath = str | os.PathLike[str]
# A minimum score for every class, or one for some classes, by name or index, and with the key "*" for all others.
Thresholds = float | Mapping[str | int, float]
OTHER_CLASSES = "*"
Nms = float | Literal["off"]


T = TypeVar("T")


def check_type(name: str, value: object, kinds: type | tuple[type, ...], described: str) -> None:
    """Raise TypeError if a value is of none of the types."""
    if not isinstance(value, kinds):
        raise _wrong_type(name, value, described)


def check_flag(name: str, value: object) -> None:
    """Raise TypeError if a value is not a bool."""
    check_type(name, value, bool, "True or False")


def check_choice(name: str, value: object, choices: Collection[str]) -> None:
    """Raise TypeError if a value is not a str, and UsageError if it is none of the choices."""
    check_type(name, value, str, "a str")
    if value not in choices:
        raise UsageError(f"`{name}` must be one of {', '.join(choices)}, not '{value}'")


def check_int(name: str, value: object, *, at_least: int | None = None, at_most: int | None = None) -> int:
    """Return an integer within the bounds as an int."""
    if isinstance(value, bool) or not isinstance(value, SupportsIndex):
        raise _wrong_type(name, value, "an integer")
    number = operator.index(value)
    if at_least is not None and number < at_least:
        raise UsageError(f"`{name}` must be at least {at_least}, not {number}")
    if at_most is not None and number > at_most:
        raise UsageError(f"`{name}` must be at most {at_most}, not {number}")
    return number


def check_positive(name: str, value: object) -> int:
    """Return an integer from 1 on as an int."""
    return check_int(name, value, at_least=1)


def check_number(name: str, value: object, *, at_least: float | None = None, above: float | None = None) -> float:
    """Return a finite number within the bounds as a float."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise _wrong_type(name, value, "a number")
    number = _float(value)
    if not math.isfinite(number):
        raise UsageError(f"`{name}` must be a finite number, not {number:g}")
    if at_least is not None and number < at_least:
        raise UsageError(f"`{name}` must be at least {at_least:g}, not {number:g}")
    if above is not None and number <= above:
        raise UsageError(f"`{name}` must be greater than {above:g}, not {number:g}")
    return number


def check_fraction(name: str, value: object) -> float:
    """Return a number from 0 to 1 as a float."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise _wrong_type(name, value, "a number from 0 to 1")
    number = _float(value)
    if math.isnan(number) or not 0 <= number <= 1:
        raise UsageError(f"`{name}` must be a number from 0 to 1, not {number:g}")
    return number


def check_thresholds(name: str, value: object) -> tuple[float | None, tuple[tuple[str, float], ...]]:
    """Return the minimum score of all classes without one of their own, None if it is not given, and those of classes."""
    if not isinstance(value, Mapping):
        return (None if value is None else check_fraction(name, value)), ()
    usual, of_classes = None, []
    for key, score in value.items():
        if isinstance(key, bool) or not isinstance(key, str | SupportsIndex):
            raise TypeError(f"`{name}` must have class names or indices as keys, not {type(key).__name__}")
        class_name = key if isinstance(key, str) else str(operator.index(key))
        if isinstance(score, bool) or not isinstance(score, numbers.Real) or not 0 <= _float(score) <= 1:
            kind = TypeError if isinstance(score, bool) or not isinstance(score, numbers.Real) else UsageError
            given = type(score).__name__ if kind is TypeError else f"{score:g}"
            raise kind(f"`{name}` of '{class_name}' must be a number from 0 to 1, not {given}")
        if class_name == OTHER_CLASSES:
            usual = _float(score)
        else:
            of_classes.append((class_name, _float(score)))
    return usual, tuple(of_classes)


def check_nms(name: str, value: object) -> Nms | None:
    """Return an intersection over union between 0 and 1, "off", or None."""
    if value is None or (isinstance(value, str) and value == "off"):
        return value  # type: ignore[return-value]
    expected = "a number between 0 and 1, or 'off'"
    if isinstance(value, str):
        raise UsageError(f"`{name}` must be {expected}, not '{value[:40]}'")
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise _wrong_type(name, value, expected)
    iou = _float(value)
    if not 0 < iou < 1:  # also NaN
        raise UsageError(f"`{name}` must be {expected}, not {iou:g}: boxes with a larger overlap are duplicates")
    return iou


def check_size(name: str, value: object) -> tuple[int, int]:
    """Return height and width of an int (a square) or a pair (height, width)."""
    if isinstance(value, list | tuple):
        if len(value) != 2:
            raise UsageError(f"`{name}` must be an int or a pair (height, width), not {len(value)} values")
        height, width = (check_positive(name, side) for side in value)
        return height, width
    if isinstance(value, bool) or not isinstance(value, SupportsIndex):
        raise _wrong_type(name, value, "an int or a pair (height, width)")
    side = check_positive(name, value)
    return side, side


def check_classes(value: Any) -> list[str]:
    """Return class names, and class indices as text, as `ClassLabels.find` takes them."""
    if isinstance(value, str | bytes) or not isinstance(value, Sequence | set | frozenset):
        raise _wrong_type("classes", value, "a list of class names or indices")
    for item in value:
        if isinstance(item, bool) or not isinstance(item, str | SupportsIndex):
            raise TypeError(f"`classes` must hold class names or indices, not {type(item).__name__}")
    return [item if isinstance(item, str) else str(operator.index(item)) for item in value]


def check_path(name: str, value: object) -> Path:
    """Return a path, from a str or a path."""
    check_type(name, value, (str, os.PathLike), "a path")
    text = os.fspath(value)  # type: ignore[call-overload]  # checked above
    if not isinstance(text, str):
        raise _wrong_type(name, value, "a path")
    if not text:
        raise UsageError(f"`{name}` is empty")
    check_path_text(name, text)
    return Path(text)


def check_path_text(name: str, text: str) -> None:
    """Raise UsageError for a text that no file system can hold as a path."""
    try:
        is_valid = b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:
        is_valid = False
    if not is_valid:
        raise UsageError(f"`{name}` is not a valid path: {text!r}")


def check_texts(name: str, value: object, *, described: str = "a str or a path") -> tuple[str, ...]:
    """Return one str or path, or several of them, as a tuple of strings."""
    values = [value] if isinstance(value, str | os.PathLike) else value
    if isinstance(values, bytes | bytearray | dict) or not isinstance(values, Iterable):
        raise _wrong_type(name, value, f"{described}, or a list of them")
    texts = tuple(values)
    for text in texts:
        if not isinstance(text, str | os.PathLike) or not isinstance(os.fspath(text), str):
            raise TypeError(f"each item of `{name}` must be {described}, not {type(text).__name__}")
    return tuple(os.fspath(text) for text in texts)


def _float(value: Any) -> float:
    """The number as a float; infinity for one that no float can hold."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _wrong_type(name: str, value: object, described: str) -> TypeError:
    return TypeError(f"`{name}` must be {described}, not {type(value).__name__}")


def check_instance(name: str, value: object, kind: type[T]) -> T:
    """Return the value. Raises TypeError for what is not an instance of this public class."""
    if not isinstance(value, kind):
        raise _wrong_type(name, value, f"an instance of detcli.{kind.__name__}")
    return value
