"""Checks values from files and options against the types and bounds of a frozen record."""

import math
from collections.abc import Mapping
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from detcli.errors import UsageError
from detcli.text import did_you_mean, similar


def checked(
    record: type, bounds: Mapping[str, tuple[float, float]], values: Mapping[str, Any], where: str
) -> dict[str, Any]:
    """The values in the types of the record's fields: lists become tuples, integers floats.

    bounds  smallest and largest value of numbers, and of those within lists, by name of the field

    Raises UsageError, naming `where` and the field, for an unknown field, a wrong type or a value out of bounds.
    """
    types = get_type_hints(record)
    made: dict[str, Any] = {}
    for name, value in values.items():
        if name not in types:
            hint = did_you_mean(similar(name, types, most=1)) or f"there are {', '.join(types)}"
            raise UsageError(f"{where}: unknown field '{name}'; {hint}")
        try:
            made[name] = _as(types[name], value, bounds.get(name, (-math.inf, math.inf)))
        except _InvalidValueError as error:
            raise UsageError(f"{where}: {name} is {_shown(value)}; it must be {error}") from None
    return made


class _InvalidValueError(Exception):
    """A value is invalid; the message says what it must be."""


def _as(kind: Any, value: Any, bounds: tuple[float, float]) -> Any:
    if kind is bool:
        if not isinstance(value, bool):
            raise _InvalidValueError("true or false")
        return value
    if kind in (int, float):
        return _number(kind, value, bounds)
    if get_origin(kind) is Literal:
        return _word(get_args(kind), value)
    if get_origin(kind) in (Union, UnionType):
        return _word_or_numbers(get_args(get_args(kind)[0]), value, bounds)
    if get_origin(kind) is tuple:
        return _items(get_args(kind), value, bounds)
    if kind is str:
        if not isinstance(value, str):
            raise _InvalidValueError("text in quotes")
        return value
    return _table(value)


def _number(kind: type, value: Any, bounds: tuple[float, float]) -> int | float:
    what = "an integer" if kind is int else "a number"
    low, high = bounds
    fits = isinstance(value, int if kind is int else int | float) and not isinstance(value, bool)
    if not fits or not low <= value <= high:  # of NaN neither is true
        raise _InvalidValueError(f"{what} from {_short(low)} to {_short(high)}")
    return int(value) if kind is int else float(value)


def _word(words: tuple[str, ...], value: Any) -> str:
    if not isinstance(value, str) or value not in words:
        hint = did_you_mean(similar(str(value), words, most=1))
        raise _InvalidValueError("one of " + ", ".join(words) + (f"; {hint}" if hint else ""))
    return value


def _word_or_numbers(words: tuple[str, ...], value: Any, bounds: tuple[float, float]) -> str | dict[str, float]:
    """One of some words, or a table of numbers."""
    try:
        if isinstance(value, Mapping) and all(isinstance(name, str) for name in value):
            return {name: _number(float, number, bounds) for name, number in value.items()}
        return _word(words, value)
    except _InvalidValueError:
        low, high = bounds
        table = f"a table of numbers from {_short(low)} to {_short(high)}"
        raise _InvalidValueError(f"{', '.join(words)} or {table}") from None


def _items(kinds: tuple[Any, ...], value: Any, bounds: tuple[float, float]) -> tuple[Any, ...]:
    any_number = kinds[-1] is Ellipsis
    if not isinstance(value, list | tuple) or not (any_number or len(value) == len(kinds)):
        raise _InvalidValueError("a list" if any_number else f"a list of {len(kinds)} numbers")
    each = kinds[:1] * len(value) if any_number else kinds
    try:
        return tuple(_as(kind, item, bounds) for kind, item in zip(each, value, strict=True))
    except _InvalidValueError as error:
        raise _InvalidValueError(f"a list, each item {error}") from None


def _table(value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping) or not all(
        isinstance(item, bool | int | str) or (isinstance(item, float) and math.isfinite(item))
        for item in value.values()
    ):
        raise _InvalidValueError("a table of numbers, texts, true and false")
    return dict(value)


def _short(bound: float) -> str:
    return str(int(bound)) if float(bound).is_integer() and abs(bound) < 1e15 else f"{bound:g}"


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
