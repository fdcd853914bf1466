"""Options that set fields as NAME=VALUE: the fields and their values."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from detcli.errors import UsageError
from detcli.io.documents import DocumentError, parse_toml


def parse_assignments(option: str, assignments: Iterable[str], meaning: str) -> dict[str, Any]:
    """Fields and values of all uses of an option; a later one wins. Values are TOML, or a bare word for a text.

    option   as it is typed
    meaning  for messages: "a field of the recipe is set as NAME=VALUE, such as clip=0.5"

    `network.x=1` sets a field of a table. Raises UsageError.
    """
    fields: dict[str, Any] = {}
    for assignment in assignments:
        _merge(fields, _parse_assignment(option, assignment, meaning))
    return fields


def _parse_assignment(option: str, assignment: str, meaning: str) -> dict[str, Any]:
    name, sign, text = assignment.partition("=")
    name = name.strip().replace("-", "_")
    if not sign or not name.replace(".", "_").isidentifier():
        raise UsageError(f"{option} '{assignment}': {meaning}")
    try:
        return parse_toml(f"{name} = {text}")
    except DocumentError:
        pass
    try:
        return parse_toml(f"{name} = {json.dumps(text.strip())}")
    except DocumentError as error:
        raise UsageError(f"{option} '{assignment}': {error}") from error


def _merge(into: dict[str, Any], values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        if isinstance(value, dict) and isinstance(into.get(name), dict):
            into[name] = into[name] | value
        else:
            into[name] = value
