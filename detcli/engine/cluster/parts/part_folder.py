"""The parts of a run: a folder next to its output, or a prefix below it, which stays until the run is complete."""

import re
import secrets
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from detcli.engine.cluster.parts.part_files import PartReader, part_name, range_of
from detcli.engine.cluster.parts.part_storage import PartsReadAhead, read_file, storage_of
from detcli.errors import OutputError
from detcli.io.documents import DocumentError, parse_json
from detcli.io.journal import check_same_run
from detcli.io.remote.store_path import StorePath
from detcli.structures.json_records import json_line

MARK: Final = "run.mark"
_HEADER: Final = "run.json"
_TEMPORARY = re.compile(r"\.detcli-[0-9a-f]{16}\.part")


class PartFolder:
    """The folder of the parts of a run, open, and locked where its storage has locks.

    path       a `StorePath` is a prefix of an object store; None: a temporary folder of this machine
    resume     keep the parts of the interrupted run
    overwrite  discard them

    parts  the end of each part that is there already, by its start
    token  what workers must find in the folder

    Raises OutputError if another run has the lock, if there are parts and neither `resume` nor `overwrite` is set, and
    where files can be neither written nor removed.
    """

    def __init__(self, path: Path | None, *, resume: bool = False, overwrite: bool = False) -> None:
        self._is_temporary = path is None
        self.path = Path(tempfile.mkdtemp(prefix="detcli-parts-")) if path is None else path.absolute()
        self._storage = storage_of(self.path)
        self.token = secrets.token_hex(8)
        try:
            names = self._storage.names()
            self.parts = _longest(names)
            if not (resume or overwrite):
                self._refuse(names)
            if not resume:
                self.remove_parts()
            old = self.parts if isinstance(self.path, StorePath) else {}
            self._ahead = PartsReadAhead(self.part(start, end) for start, end in old.items())
            self._storage.remove([MARK])  # a store that allows no removal is found before anything is computed
            self._storage.write(MARK, self.token.encode())
        except BaseException:
            self._storage.close(remove=False)
            raise

    def begin(self, header: Mapping[str, object]) -> None:
        """Store what the results depend on; a resumed run must agree with it.

        Raises UsageError if the interrupted run had other arguments, OutputError if it left none.
        """
        if self.parts:
            check_same_run(self.path, self._header(), header)
        else:
            self._storage.write(_HEADER, json_line({"journal": 1} | dict(header)))

    def part(self, start: int, end: int) -> Path:
        """The path of the part of a range."""
        return self.path / part_name(start, end)

    def read_part(self, start: int, end: int) -> PartReader:
        """The part of a range; those that were there already are read ahead. Raises OutputError if it is damaged."""
        path = self.part(start, end)
        return PartReader(path, self._ahead.read(path))

    def has_part(self, start: int, end: int) -> bool:
        """Whether the part of a range is there."""
        return self._storage.has(part_name(start, end))

    def remove_parts(self) -> None:
        """Remove all parts, and what killed workers left of incomplete ones."""
        names = self._storage.names()
        self._storage.remove([name for name in names if range_of(name) is not None or _TEMPORARY.fullmatch(name)])
        self.parts = {}

    def close(self, *, complete: bool) -> None:
        """Remove the folder of a complete run, and one without parts; otherwise, keep it so that the run can be resumed."""
        remove = complete or self._is_temporary
        try:
            if remove or not _longest(self._storage.names()):
                remove = True
                self.remove_parts()
                self._storage.remove([_HEADER, MARK])
        except OutputError:
            if complete:
                raise  # otherwise, what ended the run is reported
        finally:
            self._storage.close(remove=remove)

    def _refuse(self, names: Sequence[str]) -> None:
        """Raise OutputError where there is an interrupted run."""
        if self.parts:
            raise OutputError(
                f"'{self.path}' has {_counted(len(self.parts))} of an interrupted run on a cluster: `resume` continues it, "
                "`if_exists=overwrite` starts again"
            )
        if names and not self._storage.locks:
            raise OutputError(
                f"'{self.path}' is of a run that is still running or was interrupted: `resume` continues it once it has "
                "ended, `if_exists=overwrite` starts again"
            )

    def _header(self) -> Mapping[str, object]:
        path = self.path / _HEADER
        try:
            header = parse_json(read_file(path))
        except DocumentError:
            header = None
        if not isinstance(header, dict):
            raise OutputError(f"cannot resume: '{path}' is missing or damaged; start again with `if_exists=overwrite`")
        return header


def is_marked(folder: Path, token: str) -> bool:
    """Whether this machine sees the folder of parts in which the run wrote its token. Raises OutputError."""
    return read_file(folder / MARK) == token.encode()


def _longest(names: Iterable[str]) -> dict[int, int]:
    """The end of each part by its start; of parts that overlap, as those of a chunk and its half, the longest."""
    ranges = [found for name in names if (found := range_of(name)) is not None]
    parts: dict[int, int] = {}
    last = 0
    for start, end in sorted(ranges, key=lambda found: (found[0], -found[1])):
        if start >= last:
            parts[start] = last = end
    return parts


def _counted(parts: int) -> str:
    return "1 part" if parts == 1 else f"{parts:,} parts"
