"""Parses JSON from others."""

import json
from collections.abc import Callable
from typing import Any

from detcli.io.documents.document_error import DocumentError

ObjectHook = Callable[[dict[str, Any]], Any]


def parse_json(data: bytes | str, *, object_hook: ObjectHook | None = None) -> Any:
    """The value of a JSON document; NaN and infinity are accepted, as Python's writer makes them.

    object_hook  called with each JSON object as soon as it is parsed; its result replaces the object

    Raises DocumentError.
    """
    try:
        return json.loads(data, object_hook=object_hook)
    except UnicodeDecodeError as error:
        raise DocumentError(f"byte {error.start} is not {error.encoding.upper()}") from error
    except json.JSONDecodeError as error:
        raise DocumentError(str(error)) from error
    except ValueError as error:  # more digits than Python converts
        raise DocumentError("a number has thousands of digits") from error
    except RecursionError as error:
        raise DocumentError("it is nested too deeply") from error


def is_nested_at_most(value: object, depth: int) -> bool:
    """Whether a value has at most `depth` levels of objects and lists in each other."""
    level = [value]
    for _ in range(depth):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return True
    return not any(isinstance(value, dict | list) for value in level)
