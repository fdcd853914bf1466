"""One part: the results of a chunk as lines of JSON, complete or absent.

The first line has the range and the digest of its inputs, the last line the counts. Between them are the records of the
results as a journal has them, so that other formats are written from them without a difference to one process.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from hashlib import blake2b
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, Final

from detcli.engine.cluster.parts.part_storage import read_file
from detcli.engine.cluster.worker_job import PartCounts
from detcli.errors import OutputError
from detcli.io.atomic_write import AtomicFile, os_errors_as_output_errors, write_atomically
from detcli.io.documents import DocumentError, parse_json
from detcli.io.documents.journal_records import is_valid_record
from detcli.io.journal import journal_line
from detcli.io.remote.store_path import StorePath
from detcli.structures.class_labels import ClassLabels
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame
from detcli.structures.json_records import Result, from_record, json_line

_NAME = re.compile(r"part-(\d{9,})-(\d{9,})(\.[a-z.]+)")
SUFFIX: Final = ".jsonl"


def part_name(start: int, end: int, suffix: str = SUFFIX) -> str:
    """The name of the part of the inputs from `start` to `end` - 1: part-000000000-000000511.jsonl."""
    return f"part-{start:09d}-{end - 1:09d}{suffix}"


def range_of(name: str) -> tuple[int, int] | None:
    """The range of a part by its name, as `part_name` takes it; None for any other file."""
    match = _NAME.fullmatch(name)
    return None if match is None else (int(match[1]), int(match[2]) + 1)


def names_digest(names: Iterable[tuple[str, str]]) -> str:
    """A digest of the files and the names of inputs."""
    digest = blake2b(digest_size=16)
    for file, relative in names:
        digest.update(f"{file}\0{relative}\n".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


class PartWriter:
    """Writes a part: a sink that gets the results in input order. The file appears when it is closed.

    path         of the part
    names        digest of its inputs
    only_failed  write no other records: the results are in a file of another format
    """

    ordered = True
    needs_pixels = False
    remarks = ()

    def __init__(self, path: Path, labels: ClassLabels, names: str, *, only_failed: bool = False) -> None:
        self._labels, self._only_failed = labels, only_failed
        self._file: AtomicFile | _PartObject = (
            _PartObject(path) if isinstance(path, StorePath) else AtomicFile(path, durable=False)
        )
        self._file.write(json_line({"part": 1, "names": names}))

    def write(self, frame: Frame | FailedFrame, detections: Detections | FailedFrame) -> None:
        """Add one result."""
        if not self._only_failed or isinstance(detections, FailedFrame):
            self._file.write(journal_line(frame, detections, self._labels, with_source=True))

    def flush(self) -> None:
        """Do nothing: an incomplete part is not read."""

    def finish(self, counts: PartCounts) -> None:
        """Add the counts, and give the part its name."""
        self._file.write(json_line({"counts": asdict(counts)}))
        self._file.commit()

    def close(self, *, complete: bool) -> None:
        """Do nothing: the counts are known later."""

    def abort(self) -> None:
        """Leave no file."""
        self._file.discard()


class PartReader:
    """A part, read line by line.

    content  of an object that is read already

    names    digest of its inputs

    Raises OutputError if it is damaged.
    """

    def __init__(self, path: Path, content: bytes | None = None) -> None:
        self.path = path
        self._content = read_file(path) if content is None and isinstance(path, StorePath) else content
        header = next(self._entries(), {})
        if header.get("part") != 1 or not isinstance(header.get("names"), str):
            raise self._damaged()
        self.names: str = header["names"]

    def results(self) -> Iterator[Result]:
        """The results, in input order."""
        for entry in self._entries():
            if "relative" in entry:
                place = {name: entry.pop(name) for name in ("relative", "stem", "source")}
                yield from_record(entry, **place)

    def check(self, *, classes: int) -> PartCounts:
        """The counts; raises OutputError if any line is damaged or missing.

        classes  number of classes of the model
        """
        counts: dict[str, Any] | None = None
        for number, entry in enumerate(self._entries()):
            if counts is not None:
                raise self._damaged()
            counts = entry.get("counts")
            is_record = isinstance(entry.get("source"), str) and is_valid_record(entry, classes=classes)
            if number and counts is None and not is_record:
                raise self._damaged()
        try:
            return PartCounts(**(counts or {"": None}))
        except TypeError as error:
            raise self._damaged() from error

    def _entries(self) -> Iterator[dict[str, Any]]:
        with os_errors_as_output_errors(self.path), self._opened() as file:
            for line in file:
                try:
                    value = parse_json(line)
                except DocumentError as error:
                    raise self._damaged() from error
                if not isinstance(value, dict) or not line.endswith(b"\n"):
                    raise self._damaged()
                yield value

    def _opened(self) -> BinaryIO:
        return self.path.open("rb") if self._content is None else BytesIO(self._content)

    def _damaged(self) -> OutputError:
        return OutputError(f"'{self.path}' is damaged: delete it, and continue the run with `resume`")


class _PartObject:
    """A part in an object store: in memory until it is complete, then one object."""

    def __init__(self, path: StorePath) -> None:
        self._path, self._content = path, BytesIO()

    def write(self, data: bytes) -> None:
        self._content.write(data)

    def commit(self) -> None:
        write_atomically(self._path, self._content.getvalue())

    def discard(self) -> None:
        self._content = BytesIO()
