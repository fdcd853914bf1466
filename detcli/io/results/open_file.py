"""Bytes of a results file: a regular file, no longer than memory bears, and told about when it is not."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from detcli.errors import InputError, UsageError
from detcli.io.read import os_error_as_image_error

MOST_BYTES_A_LINE = 64 << 20


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """The file, open for reading. Raises UsageError where it is not there, or not a file."""
    if path.exists() and not path.is_file():
        raise UsageError(f"cannot read the results '{path}': {'a folder' if path.is_dir() else 'not a file'}")
    try:
        file = path.open("rb")
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot read the results '{path}': {os_error_as_image_error(error, path)}") from error
    with file:
        yield file


def lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Lines with their numbers, from 1, as they are asked for; empty ones are skipped."""
    with opened(path) as file:
        number = 0
        while line := file.readline(MOST_BYTES_A_LINE + 1):
            number += 1
            if len(line) > MOST_BYTES_A_LINE:
                raise InputError(f"'{path}', line {number}: longer than {MOST_BYTES_A_LINE:,} bytes")
            if line.strip():
                yield number, line
