"""Opens results files: regular files only, with lines of a limited length."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from detcli.errors import ImageError, InputError, NoDataError
from detcli.io.read import os_error_as_image_error
from detcli.io.remote.store_path import StorePath

MAX_LINE_BYTES = 64 << 20


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """Open a file, or an object of an object store, for reading. Raises NoDataError if it is missing or not a file."""
    if isinstance(path, StorePath):
        try:
            with path.open("rb") as stored:
                yield stored
        except ImageError as error:
            raise NoDataError(f"cannot read the results '{path}': {error}") from error
        return
    if os.path.exists(path) and not os.path.isfile(path):  # noqa: PTH110, PTH113 - any name
        raise NoDataError(f"cannot read the results '{path}': {'a folder' if path.is_dir() else 'not a file'}")
    try:
        file = path.open("rb")
    except (OSError, ValueError) as error:
        raise NoDataError(f"cannot read the results '{path}': {os_error_as_image_error(error, path)}") from error
    with file:
        yield file


def lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Read lines lazily, with their numbers from 1; empty lines are skipped."""
    with opened(path) as file:
        number = 0
        while line := file.readline(MAX_LINE_BYTES + 1):
            number += 1
            if len(line) > MAX_LINE_BYTES:
                raise InputError(f"'{path}', line {number}: longer than {MAX_LINE_BYTES:,} bytes")
            if line.strip():
                yield number, line
