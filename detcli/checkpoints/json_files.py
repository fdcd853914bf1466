"""JSON files from untrusted sources: limited in size, depth and digits, and always an object.

Nothing in them is executed: fields such as `auto_map`, which name code next to the weights, are only text here.
"""

import json
import math
from pathlib import Path
from typing import Any, NoReturn

from detcli.errors import DamagedModelError
from detcli.io.documents import is_nested_at_most

MAX_DOCUMENT_BYTES = 4 * 1024 * 1024
_MAX_DEPTH = 32
_MAX_DIGITS = 32


def read_document(path: Path, *, max_bytes: int = MAX_DOCUMENT_BYTES) -> dict[str, Any]:
    """Read a JSON object from a file, with or without a byte order mark.

    Raises DamagedModelError if it cannot be read, is too large, or is not one JSON object.
    """
    return parse_document(read_part(path, max_bytes), path.name, max_bytes=max_bytes)


def parse_document(data: bytes, name: str, *, max_bytes: int = MAX_DOCUMENT_BYTES) -> dict[str, Any]:
    """Parse a JSON object; `name` is for messages. Raises DamagedModelError."""
    if len(data) > max_bytes:
        raise DamagedModelError(f"'{name}' is larger than {max_bytes:,} bytes")
    if not data.strip():
        raise DamagedModelError(f"'{name}' is empty")
    try:
        value = json.loads(
            data.decode("utf-8-sig"), parse_int=_integer, parse_float=_number, parse_constant=_refuse_constant
        )
    except UnicodeDecodeError as error:
        raise DamagedModelError(f"'{name}' is not UTF-8: byte {error.start} is invalid") from error
    except json.JSONDecodeError as error:
        raise DamagedModelError(
            f"'{name}' is not JSON: {error.msg} in line {error.lineno}, column {error.colno}"
        ) from error
    except RecursionError as error:
        raise DamagedModelError(f"'{name}' is nested too deeply") from error
    except _InvalidJsonError as error:
        raise DamagedModelError(f"'{name}' {error}") from error
    if not isinstance(value, dict):
        raise DamagedModelError(f"'{name}' must be a JSON object, not a {type(value).__name__}")
    _check_depth(value, name)
    return value


def read_part(path: Path, max_bytes: int) -> bytes:
    """Read at most `max_bytes` + 1 bytes of a regular file; never waits for a pipe.

    Raises DamagedModelError if it cannot be read.
    """
    require_regular_file(path)
    try:
        with path.open("rb") as file:
            return file.read(max_bytes + 1)
    except OSError as error:
        raise DamagedModelError(f"cannot read '{path}': {error.strerror}") from error


def require_regular_file(path: Path) -> int:
    """Return the size in bytes of a regular file. Raises DamagedModelError if it is missing or not a regular file."""
    try:
        if not path.is_file():  # pipes, sockets and devices are not regular files
            raise DamagedModelError(f"there is no file '{path}'" if not path.exists() else f"'{path}' is not a file")
        return path.stat().st_size
    except OSError as error:
        raise DamagedModelError(f"cannot read '{path}': {error.strerror}") from error


class _InvalidJsonError(Exception):
    """An invalid part of a document; the message follows the name of the document."""


def _integer(digits: str) -> int:
    if len(digits) > _MAX_DIGITS:
        raise _InvalidJsonError(f"has a number of {len(digits)} digits")
    return int(digits)


def _number(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise _InvalidJsonError(f"has the number {digits[:20]}, which does not fit into a float")
    return value


def _refuse_constant(word: str) -> NoReturn:
    raise _InvalidJsonError(f"has {word}, which is not JSON")


def _check_depth(value: object, name: str) -> None:
    if not is_nested_at_most(value, _MAX_DEPTH):
        raise DamagedModelError(f"'{name}' is nested more than {_MAX_DEPTH} levels deep")
