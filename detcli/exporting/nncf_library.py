"""NNCF, which quantizes graphs: imported where it is needed, without its reports of use, messages and progress bars."""

import io
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import rich

from detcli.errors import UnsupportedModelError
from detcli.extras import install_command
from detcli.libraries import optional_library

_TELEMETRY = "openvino_telemetry"


def nncf_module() -> Any:
    """Import NNCF. Raises UnsupportedModelError if it is not installed or cannot be loaded."""
    with _without_telemetry():
        nncf = optional_library(
            "nncf", need="int8 needs the package", install=install_command("int8"), error_type=UnsupportedModelError
        )
    logging.getLogger("nncf").setLevel(logging.ERROR)
    return nncf


@contextmanager
def silent_progress() -> Iterator[None]:
    """Keep the progress bars of NNCF, which rich draws, off standard output."""
    console = rich.get_console()
    before = console.__dict__
    rich.reconfigure(file=io.StringIO())
    try:
        yield
    finally:
        console.__dict__ = before


@contextmanager
def _without_telemetry() -> Iterator[None]:
    """Hide the package with which NNCF, when it is imported, prepares to report its use over the network."""
    missing = object()
    before: Any = sys.modules.get(_TELEMETRY, missing)
    sys.modules[_TELEMETRY] = None  # type: ignore[assignment]  # Python's way to say that there is none
    try:
        yield
    finally:
        if before is missing:
            del sys.modules[_TELEMETRY]
        else:
            sys.modules[_TELEMETRY] = before
