"""The journal of a run: all results so far, so that an interrupted run can be resumed.

The first line is a header with the model and the arguments of the run. Each further line is one record
(`structures/json_records.py`) with its `relative`, its `stem` and its boxes in full precision, so that a resumed run
writes exactly the same bytes. The journal is next to the output, is locked during the run, and is removed when the run is
complete.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from detcli.errors import OutputError, UsageError
from detcli.io.atomic_write import os_errors_as_output_errors
from detcli.io.documents import DocumentError, is_nested_at_most, parse_json
from detcli.io.documents.journal_records import is_valid_record
from detcli.io.locks.file_lock import FileLock
from detcli.io.outputs import GrowingFile, is_stream
from detcli.structures.class_labels import ClassLabels
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame
from detcli.structures.json_records import Record, json_line, to_record

_MAGIC = b'{"journal":'
_MAX_HEADER_DEPTH = 32
_MAY_DIFFER = frozenset({"created"})  # header entries that may differ in a resumed run


def journal_path(output: Path) -> Path:
    """The path of the journal of an output: `out.jsonl.journal`, or `labels.journal` for a folder."""
    return output.with_name(output.name + ".journal")


def journal_line(
    frame: Frame | FailedFrame,
    detections: Detections | FailedFrame,
    labels: ClassLabels,
    *,
    with_source: bool = False,
) -> bytes:
    """The line of one result, from which `from_record` makes the same result again.

    with_source  the line has the name of the source, too
    """
    record = to_record(frame, detections, labels)
    if isinstance(detections, Detections):
        record["boxes_xyxy"] = detections.boxes_xyxy.tolist()
    place = {"relative": frame.origin.relative, "stem": frame.origin.stem}
    if with_source:
        place["source"] = frame.origin.source
    return json_line(place | record)


class Journal:
    """The journal of a run, open and locked: a sink that is written in input order."""

    ordered = True
    needs_pixels = False

    def __init__(
        self, lock: FileLock, labels: ClassLabels, *, start: int, end: int, done: int, damaged_line: int | None = None
    ) -> None:
        self.path = lock.path
        self.done = done  # records that it had when it was opened
        self._lock = lock
        self._labels = labels
        self._start, self._end = start, end  # position of these records in bytes
        self._count = done
        self._damaged_line = damaged_line
        self._file = GrowingFile(self.path, append=True)

    @classmethod
    def open(
        cls,
        path: Path,
        header: Mapping[str, object],
        *,
        labels: ClassLabels,
        resume: bool = False,
        overwrite: bool = False,
    ) -> "Journal":
        """Open the journal of a new run, or with `resume` that of an interrupted run, if there is one.

        header     what the results depend on: version, model, arguments; `created` may differ between the runs
        labels     labels of the checkpoint
        overwrite  discard the journal of an earlier run

        Raises OutputError if another run has the lock, if there is a journal and neither `resume` nor `overwrite` is
        set, or if the file is not a journal; UsageError if the interrupted run had other arguments.
        """
        if is_stream(path):
            raise OutputError(f"cannot write '{path}': a stream cannot be resumed")
        lock = FileLock(path)
        try:
            content = _JournalContent(path, classes=len(labels))
            if content.done and not resume and not overwrite:
                raise OutputError(
                    f"'{path}' has {content.done} results of an interrupted run: "
                    "`resume` continues it, `if_exists=overwrite` starts again"
                )
            if resume and content.done:
                check_same_run(path, content.header, header)
                _truncate(path, content.end)
                return cls(
                    lock,
                    labels,
                    start=content.start,
                    end=content.end,
                    done=content.done,
                    damaged_line=content.damaged_line,
                )
            _truncate(path, 0)
            line = json_line({"journal": 1} | dict(header))
            journal = cls(lock, labels, start=len(line), end=len(line), done=0)
            journal._file.write(line)
            journal._file.flush()
        except BaseException:
            lock.release()
            raise
        return journal

    def replay(self) -> Iterator[tuple[Record, str, str]]:
        """The records that it had when it was opened, each with the `relative` and `stem` that `from_record` takes."""
        with os_errors_as_output_errors(self.path), self.path.open("rb") as file:
            file.seek(self._start)
            while file.tell() < self._end:
                record = parse_json(file.readline())
                yield record, record.pop("relative"), record.pop("stem")

    def write(self, frame: Frame | FailedFrame, detections: Detections | FailedFrame) -> None:
        """Append one result."""
        self._file.write(journal_line(frame, detections, self._labels))
        self._count += 1

    def flush(self) -> None:
        """Write what is buffered, so that a killed process does not lose it."""
        self._file.flush()

    def close(self, *, complete: bool) -> None:
        """Remove the journal of a complete run; keep that of an interrupted run with results."""
        if complete or not self._count:
            self._file.discard()
            self._lock.remove()
        else:
            self._file.commit()
            self._lock.release()

    def abort(self) -> None:
        """Keep the results so far, so that the run can be resumed."""
        if not self._lock.held:
            return
        with suppress(OutputError, ValueError):  # ValueError: a failed write has closed the file
            self._file.flush()
        self._file.discard()
        if self._count:
            self._lock.release()
        else:
            self._lock.remove()

    @property
    def remarks(self) -> tuple[str, ...]:
        """What was done about a damaged line."""
        if self._damaged_line is None:
            return ()
        return (
            f"line {self._damaged_line} of '{self.path}' was damaged: its results and those after it were computed again",
        )


class _JournalContent:
    """The content of a journal file: its header, and the end of its complete records."""

    def __init__(self, path: Path, *, classes: int) -> None:
        self.header: Mapping[str, Any] = {}
        self.start = self.end = self.done = 0
        self.damaged_line: int | None = None  # a complete line that is not a valid record
        with os_errors_as_output_errors(path), path.open("rb") as file:
            first = file.readline(1 << 24)
            if not (first.startswith(_MAGIC) or _MAGIC.startswith(first)):
                raise OutputError(f"'{path}' is not a journal of detcli; move it, or use another output")
            header = _complete_object(first)
            if header is None or not is_nested_at_most(header, _MAX_HEADER_DEPTH):
                return
            self.header = header
            self.start = self.end = len(first)
            for line in file:
                record = _complete_object(line)
                if record is None or not is_valid_record(record, classes=classes):
                    # Ignore the rest. After a kill the last line is incomplete; anything else is worth a remark.
                    self.damaged_line = self.done + 2 if line.endswith(b"\n") else None
                    return
                self.end += len(line)
                self.done += 1


def _complete_object(line: bytes) -> dict[str, Any] | None:
    """The JSON object of a line, or None if the line is incomplete."""
    if not line.endswith(b"\n"):
        return None
    try:
        value = parse_json(line)
    except DocumentError:
        return None
    return value if isinstance(value, dict) else None


def _truncate(path: Path, size: int) -> None:
    with os_errors_as_output_errors(path), path.open("r+b") as file:
        file.truncate(size)


def check_same_run(path: Path, old: Mapping[str, Any], new: Mapping[str, object]) -> None:
    """Raise UsageError if the header of an interrupted run, `old`, is of other arguments than this one's."""
    then = dict(_flat(old))
    now = dict(_flat(json.loads(json_line({"journal": 1} | dict(new)))))
    keys = [key for key in then | now if then.get(key) != now.get(key)]
    if keys:
        different = ", ".join(f"{key[-1]} was {_shown(then.get(key))} and is {_shown(now.get(key))}" for key in keys)
        raise UsageError(
            f"cannot resume from '{path}': {different}; use the same arguments, or start again with `if_exists=overwrite`"
        )


def _flat(header: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The entries of the header and of its nested objects, with the path of names to each."""
    for name, value in header.items():
        if isinstance(value, dict):
            yield from _flat(value, (*above, name))
        elif name not in _MAY_DIFFER:
            yield (*above, name), value


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "..."
