"""Recipes as TOML files."""

from pathlib import Path
from typing import Any

from detcli.errors import UsageError
from detcli.io.documents import DocumentError, parse_toml

_MAX_BYTES = 1 << 20


def toml_text(fields: dict[str, Any]) -> str:
    """Fields as a TOML file; those that are dicts become its tables."""
    lines = [f"{name} = {_toml(value)}" for name, value in fields.items() if not isinstance(value, dict)]
    for name, table in ((name, value) for name, value in fields.items() if isinstance(value, dict)):
        lines += ["", f"[{name}]", *(f"{_key(key)} = {_toml(value)}" for key, value in table.items())]
    return "\n".join(lines) + "\n"


def read_fields(path: Path) -> dict[str, Any]:
    """The fields of a TOML file, not checked yet. Raises UsageError naming the file."""
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise UsageError(f"cannot read the recipe '{path}': {error.strerror}") from error
    if len(data) > _MAX_BYTES:
        raise UsageError(f"cannot read the recipe '{path}': larger than {_MAX_BYTES} bytes")
    try:
        return parse_toml(data)
    except DocumentError as error:
        raise UsageError(f"the recipe '{path}' is not TOML: {error}") from error


def _key(name: str) -> str:
    is_bare = name.replace("_", "").replace("-", "").isalnum() and name.isascii()
    return name if is_bare else _toml(name)


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return '"' + "".join(_escaped(letter) for letter in value) + '"'
    if isinstance(value, list):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return repr(value)


def _escaped(letter: str) -> str:
    if letter in '"\\':
        return "\\" + letter
    return f"\\u{ord(letter):04x}" if ord(letter) < 32 or ord(letter) == 127 else letter
