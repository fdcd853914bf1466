"""Strict reading of config.json: values of a wrong type or out of range raise an error that names the field."""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, TypeVar, cast

from detcli.errors import UnsupportedModelError

T = TypeVar("T")

_ABSENT = object()


class ConfigFields:
    """The fields of one JSON object, each read with a default and its bounds.

    values  the object
    where   its path in config.json, for messages: "backbone_config."; empty for the top level

    Every method raises UnsupportedModelError with the field's name for an invalid value. Defaults are for missing fields
    only; null is a value, and invalid unless a method says otherwise.
    """

    def __init__(self, values: Mapping[str, Any], where: str = "") -> None:
        self._values = values
        self._where = where

    def __contains__(self, name: str) -> bool:
        return self._values.get(name) is not None

    def integer(self, name: str, default: int, low: int, high: int) -> int:
        """An integer from low to high."""
        return self._checked(
            name, default, lambda value: _is_integer(value, low, high), f"an integer from {low} to {high}"
        )

    def number(self, name: str, default: float, low: float, high: float) -> float:
        """A finite number from low to high."""
        return float(
            self._checked(
                name, default, lambda value: _is_number(value, low, high), f"a number from {low:g} to {high:g}"
            )
        )

    def number_or_none(self, name: str, low: float, high: float) -> float | None:
        """A finite number, or None if the field is missing or null."""
        return self.number(name, low, low, high) if name in self else None

    def flag(self, name: str, default: bool) -> bool:
        """True or false."""
        return self._checked(name, default, lambda value: isinstance(value, bool), "true or false")

    def choice(self, name: str, default: str, choices: Collection[str]) -> str:
        """One of the given strings."""
        expected = "one of " + ", ".join(sorted(choices))
        return self._checked(name, default, lambda value: isinstance(value, str) and value in choices, expected)

    def integers(
        self, name: str, default: Sequence[int], low: int, high: int, *, length: tuple[int, int]
    ) -> tuple[int, ...]:
        """A list of integers from low to high; `length` is the minimum and maximum number of items."""
        expected = f"a list of {_span(length)} integers from {low} to {high}"
        return tuple(
            self._checked(
                name, default, lambda value: _is_list(value, length, lambda x: _is_integer(x, low, high)), expected
            )
        )

    def integer_or_integers(self, name: str, default: int, low: int, high: int, *, length: int) -> tuple[int, ...]:
        """A list of `length` integers from low to high; a single number is repeated."""

        def fits(value: Any) -> bool:
            return _is_integer(value, low, high) or _is_list(
                value, (length, length), lambda x: _is_integer(x, low, high)
            )

        expected = f"an integer from {low} to {high}, or a list of {length} of them"
        value: Any = self._checked(name, default, fits, expected)
        return (value,) * length if isinstance(value, int) else tuple(value)

    def flags(self, name: str, default: Sequence[bool], *, length: tuple[int, int]) -> tuple[bool, ...]:
        """A list of booleans."""
        expected = f"a list of {_span(length)} booleans"
        return tuple(
            self._checked(name, default, lambda value: _is_list(value, length, lambda x: isinstance(x, bool)), expected)
        )

    def words(self, name: str, *, length: tuple[int, int]) -> tuple[str, ...]:
        """A list of strings; the field must exist."""
        expected = f"a list of {_span(length)} strings"
        return tuple(
            self._checked(name, (), lambda value: _is_list(value, length, lambda x: isinstance(x, str)), expected)
        )

    def pairs(
        self, name: str, default: Sequence[int], low: int, high: int, *, length: tuple[int, int]
    ) -> tuple[tuple[int, int], ...]:
        """A list of pairs of integers; a single number is a pair of equal ones."""

        def fits(item: Any) -> bool:
            return _is_integer(item, low, high) or _is_list(item, (2, 2), lambda x: _is_integer(x, low, high))

        expected = f"a list of {_span(length)} integers from {low} to {high}, or pairs of them"
        items = self._checked(name, default, lambda value: _is_list(value, length, fits), expected)
        return tuple((item, item) if isinstance(item, int) else (item[0], item[1]) for item in items)

    def object(self, name: str) -> "ConfigFields | None":
        """The fields of a nested object, or None if it is missing or null."""
        if name not in self:
            return None
        value: Mapping[str, Any] = self._checked(name, {}, lambda value: isinstance(value, Mapping), "an object")
        return ConfigFields(value, f"{self._where}{name}.")

    def items(self) -> list[tuple[Any, Any]]:
        """Names and values, unchecked."""
        return list(self._values.items())

    def invalid(self, name: str, expected: str) -> UnsupportedModelError:
        """The error for a field that does not fit to other fields."""
        value = _shown(self._values[name]) if name in self._values else "missing"
        return UnsupportedModelError(f"config.json: '{self._where}{name}' is {value}; it must be {expected}")

    def _checked(self, name: str, default: T, fits: Callable[[Any], bool], expected: str) -> T:
        value = self._values.get(name, _ABSENT)
        if value is _ABSENT:
            return default
        if not fits(value):
            raise self.invalid(name, expected)
        return cast("T", value)


def check_architecture(fields: ConfigFields, supported: Collection[str]) -> None:
    """Raise UnsupportedModelError if `architectures` names other networks only, or norms are before attention.

    supported  names of transformers
    """
    check_architecture_names(fields, supported)
    check_norms_last(fields, "pre_norm")


def check_architecture_names(fields: ConfigFields, supported: Collection[str]) -> None:
    """Raise UnsupportedModelError if `architectures` names other networks only."""
    if "architectures" in fields:
        names = fields.words("architectures", length=(0, 16))
        if names and not set(names) & set(supported):
            raise fields.invalid("architectures", f"{' or '.join(supported)}: other networks are not supported")


def check_norms_last(fields: ConfigFields, name: str) -> None:
    """Raise UnsupportedModelError if this field says that norms are before attention."""
    if name in fields and fields.flag(name, False):
        raise fields.invalid(name, "false: networks of this family with norms before attention are not supported")


def read_labels(fields: ConfigFields) -> tuple[str, ...]:
    """Class names by class index: id2label, else LABEL_i for num_labels classes, by default 2, as in transformers."""
    given = fields.object("id2label")
    if given is None:
        return tuple(f"LABEL_{i}" for i in range(fields.integer("num_labels", 2, 1, 100_000)))
    names: dict[int, str] = {}
    for key, name in given.items():
        index = int(key) if isinstance(key, str) and key.isascii() and key.isdigit() and len(key) < 9 else key
        if not isinstance(index, int) or isinstance(index, bool):
            raise UnsupportedModelError(
                f"config.json: 'id2label' has the key {_shown(key)}; its keys must be class indices, as in {{'0': 'person'}}"
            )
        if not isinstance(name, str) or len(name) > 1000:
            raise given.invalid(str(key)[:40], "the name of the class: a text in quotes, of at most 1,000 characters")
        names[index] = name
    if not 1 <= len(names) <= 100_000:
        raise fields.invalid("id2label", "an object of 1 to 100000 names")
    return tuple(names.get(i, f"LABEL_{i}") for i in range(len(names)))


def labels_as_json(labels: Sequence[str]) -> dict[str, Any]:
    """The fields of config.json that hold class names."""
    return {
        "id2label": {str(index): name for index, name in enumerate(labels)},
        "label2id": {name: index for index, name in enumerate(labels)},
    }


def _is_integer(value: Any, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _is_number(value: Any, low: float, high: float) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and low <= value <= high and math.isfinite(value)


def _is_list(value: Any, length: tuple[int, int], fits: Callable[[Any], bool]) -> bool:
    return isinstance(value, list | tuple) and length[0] <= len(value) <= length[1] and all(map(fits, value))


def _span(length: tuple[int, int]) -> str:
    return str(length[0]) if length[0] == length[1] else f"{length[0]} to {length[1]}"


def _shown(value: Any) -> str:
    """A short text of a value; for numbers with more digits than Python prints, their size."""
    if isinstance(value, int) and value.bit_length() > 256:
        return f"a number of {value.bit_length()} bits"
    if isinstance(value, Mapping | list | tuple) and len(value) > 16:
        return f"{type(value).__name__} of {len(value)} items"
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # contains a huge number or endless nesting
        return f"a {type(value).__name__} that cannot be shown"
    return text if len(text) <= 80 else text[:77] + "..."
