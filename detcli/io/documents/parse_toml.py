"""Parses TOML from others."""

from typing import Any

from detcli.io.documents.document_error import DocumentError

_LARGEST = 2**63  # integers of TOML have 64 bits


def parse_toml(data: bytes | str) -> dict[str, Any]:
    """The table of a TOML document, with or without a byte order mark. Raises DocumentError."""
    import tomllib  # most commands find no settings file

    try:
        document = tomllib.loads(data if isinstance(data, str) else data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise DocumentError(f"byte {error.start} is not UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise DocumentError(str(error)) from error
    except ValueError as error:  # more digits than Python converts
        raise DocumentError("a number has thousands of digits") from error
    except RecursionError as error:
        raise DocumentError("it is nested too deeply") from error
    _check_integers(document)
    return document


def _check_integers(document: dict[str, Any]) -> None:
    """Raise DocumentError for an integer that TOML does not have: other code could not even print it."""
    stack: list[Any] = [document]
    while stack:
        value = stack.pop()
        if isinstance(value, dict):
            stack += value.values()
        elif isinstance(value, list):
            stack += value
        elif isinstance(value, int) and not -_LARGEST <= value < _LARGEST:
            raise DocumentError(f"an integer of {value.bit_length()} bits; TOML has 64")
