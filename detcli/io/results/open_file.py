"""Bytes of a results file: a regular file, no longer than memory bears, and told about when it is not."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from detcli.errors import ImageError, InputError, UsageError
from detcli.io.read import read_bytes, refusal

MOST_BYTES = 4 << 30  # of a file that is read as a whole; COCO's own results of all its images have a twentieth of it
MOST_BYTES_A_LINE = 64 << 20


def read_json(path: Path, kind: str = "results") -> Any:
    """A whole JSON document. Raises UsageError where it cannot be read, InputError where it is not JSON."""
    try:
        data = read_bytes(path, max_bytes=MOST_BYTES)
    except ImageError as error:
        raise UsageError(f"cannot read the {kind} '{path}': {error}") from error
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise InputError(f"the {kind} '{path}' are not JSON: {error}") from error


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """The file, open for reading. Raises UsageError where it is not there, or not a file."""
    if path.exists() and not path.is_file():
        raise UsageError(f"cannot read the results '{path}': {'a folder' if path.is_dir() else 'not a file'}")
    try:
        file = path.open("rb")
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot read the results '{path}': {refusal(error, path)}") from error
    with file:
        yield file


def lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Lines with their numbers, from 1, as they are asked for; empty ones are passed over."""
    with opened(path) as file:
        number = 0
        while line := file.readline(MOST_BYTES_A_LINE + 1):
            number += 1
            if len(line) > MOST_BYTES_A_LINE:
                raise InputError(f"'{path}', line {number}: longer than {MOST_BYTES_A_LINE:,} bytes")
            if line.strip():
                yield number, line
