"""Outputs of a network with zeros for NaN and infinity, with which a process keeps up with the others in a skipped step."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar, cast

from torch import Tensor

T = TypeVar("T")


def with_finite_numbers(outputs: T) -> T:
    """The same record, tuple or mapping, its tensors with zeros for NaN and infinity; gradients pass through them."""
    return cast("T", _finite(outputs))


def _finite(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.nan_to_num(0.0, 0.0, 0.0) if value.is_floating_point() else value
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{entry.name: _finite(getattr(value, entry.name)) for entry in fields(value)})
    if isinstance(value, Mapping):
        return {name: _finite(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(_finite, value))
    return value
