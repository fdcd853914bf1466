"""Checks that store the fields of a frozen record while it is made."""

from pathlib import Path
from typing import Any

from detcli.argument_checks import check_int, check_path, check_texts
from detcli.io.remote.store_path import as_path


def store(record: Any, **values: object) -> None:
    """Set fields of a frozen record."""
    for name, value in values.items():
        object.__setattr__(record, name, value)


def optional_path(name: str, value: object) -> Path | None:
    """A path, from a str or a path; None stays."""
    return None if value is None else as_path(check_path(name, value))


def optional_texts(name: str, value: object) -> tuple[str, ...] | None:
    """A tuple of suffixes, from one or several; None stays."""
    return None if value is None else check_texts(name, value, described="a suffix")


def check_optional_int(record: Any, name: str, *, at_least: int, at_most: int | None = None) -> None:
    """Check the field of this name: an integer within the bounds, or None."""
    value = getattr(record, name)
    if value is not None:
        store(record, **{name: check_int(name, value, at_least=at_least, at_most=at_most)})
