"""Checks of the arguments of public functions: a wrong type is a TypeError, a wrong value a UsageError (a ValueError).

Messages name the argument in backquotes. NumPy's scalars and 0-d tensors are not accepted as numbers.
"""

import math
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from detcli.errors import UsageError

StrPath = str | os.PathLike[str]


def check_bool(name: str, value: object) -> bool:
    """The value, where it is True or False."""
    if not isinstance(value, bool):
        raise TypeError(f"`{name}` must be True or False, not {described(value)}")
    return value


def check_int(name: str, value: object, *, at_least: int | None = None, at_most: int | None = None) -> int:
    """The value, where it is an integer within the bounds."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"`{name}` must be an integer, not {described(value)}")
    if (at_least is not None and value < at_least) or (at_most is not None and value > at_most):
        raise UsageError(f"`{name}` must be {_range(at_least, at_most)}, not {value}")
    return value


def check_number(
    name: str, value: object, *, at_least: float | None = None, at_most: float | None = None, above: float | None = None
) -> float:
    """The value as a float, where it is a finite number within the bounds."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise TypeError(f"`{name}` must be a number, not {described(value)}")
    if not math.isfinite(value):
        raise UsageError(f"`{name}` must be a finite number, not {value}")
    if above is not None and value <= above:
        raise UsageError(f"`{name}` must be greater than {above:g}, not {value}")
    if (at_least is not None and value < at_least) or (at_most is not None and value > at_most):
        raise UsageError(f"`{name}` must be {_range(at_least, at_most)}, not {value}")
    return float(value)


def check_str(name: str, value: object) -> str:
    """The value, where it is a string with at least one character."""
    if not isinstance(value, str):
        raise TypeError(f"`{name}` must be a string, not {described(value)}")
    if not value:
        raise UsageError(f"`{name}` is empty")
    return value


def check_choice(name: str, value: object, choices: Iterable[str]) -> str:
    """The value, where it is one of the choices."""
    choices = tuple(choices)
    if not isinstance(value, str):
        raise TypeError(f"`{name}` must be one of {', '.join(choices)}, not {described(value)}")
    if value not in choices:
        raise UsageError(f"`{name}` must be one of {', '.join(choices)}, not {value[:40]!r}")
    return value


def check_path(name: str, value: object) -> Path:
    """The value as a path; a string or a path is accepted."""
    if not isinstance(value, str | os.PathLike):
        raise TypeError(f"`{name}` must be a path, not {described(value)}")
    text = os.fspath(value)
    if not isinstance(text, str):
        raise TypeError(f"`{name}` must be a path of characters, not of bytes")
    if not text:
        raise UsageError(f"`{name}` is empty")
    return Path(text)


def check_texts(name: str, value: object, *, what: str = "a string or a path") -> tuple[str, ...]:
    """One string or path, or several of them, as a tuple of strings."""
    values = [value] if isinstance(value, str | os.PathLike) else value
    if isinstance(values, bytes | bytearray | dict) or not isinstance(values, Iterable):
        raise TypeError(f"`{name}` must be {what}, or a list of them, not {described(value)}")
    return tuple(_text(name, item, what) for item in values)


def check_size(name: str, value: object) -> tuple[int, int]:
    """Height and width: two positive integers, or one for both."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = (value, value)
    if not isinstance(value, tuple | list) or len(value) != 2:
        raise TypeError(f"`{name}` must be an integer or (height, width), not {described(value)}")
    height, width = (check_int(name, side, at_least=1) for side in value)
    return height, width


def described(value: object) -> str:
    """A value and its type, shortened for a message."""
    if value is None:
        return "None"
    text = repr(value)
    shown = text if len(text) <= 40 and "\n" not in text else ""
    return f"{type(value).__name__} {shown}".rstrip()


def _text(name: str, item: Any, what: str) -> str:
    if not isinstance(item, str | os.PathLike):
        raise TypeError(f"`{name}` must hold {what} each, not {described(item)}")
    text = os.fspath(item)
    if not isinstance(text, str):
        raise TypeError(f"`{name}` must hold texts of characters, not of bytes")
    return text


def _range(at_least: float | None, at_most: float | None) -> str:
    if at_most is None:
        return f"{at_least:,} or more"
    return f"{at_most:,} or less" if at_least is None else f"from {at_least:,} to {at_most:,}"
