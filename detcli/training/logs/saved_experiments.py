"""What loggers have logged of a run, in its folder: so that a resumed run continues their experiments and repeats nothing."""

import json
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from detcli.errors import DamagedModelError
from detcli.io.atomic_write import os_errors_as_output_errors, write_atomically
from detcli.io.documents import parse_json

_ID = "id"


class SavedExperiments:
    """The file experiments.json: name of a logger -> id of its experiment, and the last step of each kind of entry.

    Safe in several threads; every change is written at once. Raises OutputError, and DamagedModelError if the file is not
    readable.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._lock = path, threading.Lock()
        self._entries: dict[str, dict[str, Any]] = {}
        with os_errors_as_output_errors(path):
            if path.is_file():
                self._entries = _checked(path)

    def id_of(self, logger: str) -> str | None:
        """The id of the experiment of a logger; None: there is none."""
        return self._entries.get(logger, {}).get(_ID)

    def has(self, logger: str, kind: str, step: int) -> bool:
        """Whether a logger has the entry of a kind and step already."""
        return step <= int(self._entries.get(logger, {}).get(kind, -1))

    def forget_after(self, logger: str, step: int) -> None:
        """Forget what a logger has of later steps."""
        entry = self._entries.get(logger, {})
        entry.update({kind: min(last, step) for kind, last in entry.items() if kind != _ID})

    def set_id(self, logger: str, experiment_id: str) -> None:
        """Keep the id of the experiment of a logger; the entries of another one are forgotten."""
        with self._lock:
            if self.id_of(logger) != experiment_id:
                self._entries[logger] = {_ID: experiment_id}
                self._write()

    def add(self, logger: str, kind: str, step: int) -> None:
        """Note that a logger has the entry of a kind and step."""
        with self._lock:
            self._entries.setdefault(logger, {})[kind] = step
            self._write()

    def _write(self) -> None:
        write_atomically(self._path, json.dumps(self._entries, indent=1).encode(), durable=False)


def _checked(path: Path) -> dict[str, dict[str, Any]]:
    try:
        document = parse_json(path.read_bytes())
    except ValueError as error:
        raise DamagedModelError(f"'{path}' is not readable ({error}): delete it to start new experiments") from error
    is_valid = isinstance(document, Mapping) and all(
        isinstance(entry, Mapping)
        and all(isinstance(value, str if key == _ID else int) for key, value in entry.items())
        for entry in document.values()
    )
    if not is_valid:
        raise DamagedModelError(f"'{path}' does not list experiments: delete it to start new ones")
    return {name: dict(entry) for name, entry in document.items()}
