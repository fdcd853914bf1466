"""The parts of a run: a folder next to its output, which stays until the run is complete."""

import re
import secrets
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from detcli.engine.cluster.part_files import part_name, range_of
from detcli.errors import OutputError
from detcli.io.atomic_write import os_errors_as_output_errors, write_atomically
from detcli.io.documents import DocumentError, parse_json
from detcli.io.file_lock import FileLock
from detcli.io.journal import check_same_run
from detcli.structures.json_records import json_line

MARK: Final = "run.mark"
_HEADER, _LOCK = "run.json", "run.lock"
_TEMPORARY = re.compile(r"\.detcli-[0-9a-f]{16}\.part")


class PartFolder:
    """The folder of the parts of a run, open and locked.

    path       None: a temporary folder of this machine
    resume     keep the parts of the interrupted run
    overwrite  discard them

    parts  the end of each part that is there already, by its start
    token  what workers must find in the folder

    Raises OutputError if another run has the lock, or if there are parts and neither `resume` nor `overwrite` is set.
    """

    def __init__(self, path: Path | None, *, resume: bool = False, overwrite: bool = False) -> None:
        self._is_temporary = path is None
        self.path = Path(tempfile.mkdtemp(prefix="detcli-parts-")) if path is None else path.absolute()
        self._lock = FileLock(self.path / _LOCK)
        self.token = secrets.token_hex(8)
        try:
            self.parts = self._existing()
            if self.parts and not (resume or overwrite):
                raise OutputError(
                    f"'{path}' has {_counted(len(self.parts))} of an interrupted run on a cluster: `resume` continues it, "
                    "`if_exists=overwrite` starts again"
                )
            if not resume:
                self.remove_parts()
            write_atomically(self.path / MARK, self.token.encode(), durable=False)
        except BaseException:
            self._lock.release()
            raise

    def begin(self, header: Mapping[str, object]) -> None:
        """Store what the results depend on; a resumed run must agree with it.

        Raises UsageError if the interrupted run had other arguments, OutputError if it left none.
        """
        path = self.path / _HEADER
        if self.parts:
            check_same_run(self.path, self._header(path), header)
        else:
            write_atomically(path, json_line({"journal": 1} | dict(header)))

    def part(self, start: int, end: int) -> Path:
        """The path of the part of a range."""
        return self.path / part_name(start, end)

    def remove_parts(self) -> None:
        """Remove all parts, and what killed workers left of incomplete ones."""
        with os_errors_as_output_errors(self.path):
            for entry in self.path.iterdir():
                if range_of(entry.name) is not None or _TEMPORARY.fullmatch(entry.name):
                    entry.unlink(missing_ok=True)
        self.parts = {}

    def close(self, *, complete: bool) -> None:
        """Remove the folder of a complete run, and one without parts; otherwise, keep it so that the run can be resumed."""
        if complete or self._is_temporary or not self._existing():
            self.remove_parts()
            for name in (MARK, _HEADER):
                (self.path / name).unlink(missing_ok=True)
            self._lock.remove()
            with suppress(OSError):  # files of others stay
                self.path.rmdir()
        else:
            self._lock.release()

    def _existing(self) -> dict[int, int]:
        """The end of each part by its start; of parts that overlap, as those of a chunk and its half, the longest."""
        with os_errors_as_output_errors(self.path):
            ranges = [found for entry in self.path.iterdir() if (found := range_of(entry.name)) is not None]
        parts: dict[int, int] = {}
        last = 0
        for start, end in sorted(ranges, key=lambda found: (found[0], -found[1])):
            if start >= last:
                parts[start] = last = end
        return parts

    @staticmethod
    def _header(path: Path) -> Mapping[str, object]:
        with os_errors_as_output_errors(path):
            text = path.read_bytes() if path.exists() else b""
        try:
            header = parse_json(text)
        except DocumentError:
            header = None
        if not isinstance(header, dict):
            raise OutputError(f"cannot resume: '{path}' is missing or damaged; start again with `if_exists=overwrite`")
        return header


def _counted(parts: int) -> str:
    return "1 part" if parts == 1 else f"{parts:,} parts"
