"""The journal of a run: every result so far, appended, so that a run that was killed can continue where it stopped.

The first line is a header that says which model and arguments the results come from; each line after it is one record
(`values/record.py`) with its `relative` and `stem`, and its boxes in full precision, so that what a resumed run
rewrites is the same to the byte. It stands next to the output, is locked as long as the run, and goes when it is whole.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from detcli.errors import OutputError, UsageError
from detcli.io.atomic_write import os_errors_as_output_errors
from detcli.io.file_lock import FileLock
from detcli.io.outputs import GrowingFile, is_stream
from detcli.structures.class_labels import ClassLabels
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame
from detcli.structures.json_records import Record, json_line, to_record

_BEGINNING = b'{"journal":'
_MAY_DIFFER = frozenset({"created"})  # header entries that say when, not what


def journal_path(output: Path) -> Path:
    """Where the journal of an output stands: next to it, `out.jsonl.journal`; `labels.journal` of a folder."""
    return output.with_name(output.name + ".journal")


class Journal:
    """The append-only record of a run, open and locked. A sink: written in input order."""

    ordered = True
    needs_pixels = False

    def __init__(self, lock: FileLock, labels: ClassLabels, *, start: int, end: int, done: int) -> None:
        self.path = lock.path
        self.done = done  # records that were there when it was opened
        self._lock = lock
        self._labels = labels
        self._start, self._end = start, end  # bytes between which those records stand
        self._count = done
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
        """Open the journal of a new run, or with `resume` that of one that was interrupted, if there is one.

        header     what the results depend on: version, model, arguments; `created` may differ between the runs
        labels     of the checkpoint, as the records name them
        overwrite  a journal that a run left behind is thrown away

        Raises OutputError where another run holds the lock, where a journal stands there and neither flag is given,
        or where the file is no journal; UsageError where the interrupted run was asked for something else.
        """
        if is_stream(path):
            raise OutputError(f"cannot write '{path}': it is a stream, which cannot be continued")
        lock = FileLock(path)
        try:
            found = _JournalContent(path)
            if found.done and not resume and not overwrite:
                raise OutputError(
                    f"'{path}' holds {found.done} results of a run that was interrupted: "
                    "--resume continues with it, --if-exists overwrite (or -y) starts again"
                )
            if resume and found.done:
                _must_agree(path, found.header, header)
                _cut(path, found.end)
                return cls(lock, labels, start=found.start, end=found.end, done=found.done)
            _cut(path, 0)
            line = json_line({"journal": 1} | dict(header))
            journal = cls(lock, labels, start=len(line), end=len(line), done=0)
            journal._file.write(line)
            journal._file.flush()
        except BaseException:
            lock.release()
            raise
        return journal

    def replay(self) -> Iterator[tuple[Record, str, str]]:
        """The records that were there when it was opened, each with its `relative` and `stem`, as `from_record` takes."""
        with os_errors_as_output_errors(self.path), self.path.open("rb") as file:
            file.seek(self._start)
            while file.tell() < self._end:
                record = json.loads(file.readline())
                yield record, record.pop("relative"), record.pop("stem")

    def write(self, frame: Frame | FailedFrame, detections: Detections | FailedFrame) -> None:
        """Append one result."""
        record = to_record(frame, detections, self._labels)
        if isinstance(detections, Detections):
            record["boxes_xyxy"] = detections.boxes_xyxy.tolist()
        place = {"relative": frame.origin.relative, "stem": frame.origin.stem}
        self._file.write(json_line(place | record))
        self._count += 1

    def flush(self) -> None:
        """Hand what is buffered to the system: from here on a kill of the process loses none of it."""
        self._file.flush()

    def close(self, *, complete: bool) -> None:
        """Remove the journal of a whole run; keep that of one that was interrupted with results, safe on the disk."""
        if complete or not self._count:
            self._file.discard()
            self._lock.remove()
        else:
            self._file.commit()
            self._lock.release()

    def abort(self) -> None:
        """Keep the results so far, to continue from."""
        if not self._lock.held:
            return
        with suppress(OutputError, ValueError):  # ValueError: a write that failed has closed the file
            self._file.flush()
        self._file.discard()
        if self._count:
            self._lock.release()
        else:
            self._lock.remove()

    @property
    def remarks(self) -> tuple[str, ...]:
        """No remarks."""
        return ()


class _JournalContent:
    """What a file holds that may be a journal: its header and where its whole records end."""

    def __init__(self, path: Path) -> None:
        self.header: Mapping[str, Any] = {}
        self.start = self.end = self.done = 0
        with os_errors_as_output_errors(path), path.open("rb") as file:
            first = file.readline(1 << 24)
            if not (first.startswith(_BEGINNING) or _BEGINNING.startswith(first)):
                raise OutputError(f"'{path}' is no journal of detcli; move it away or give another output")
            header = _whole_object(first)
            if header is None:
                return
            self.header = header
            self.start = self.end = len(first)
            for line in file:
                record = _whole_object(line)
                if record is None or not {"index", "relative", "stem"} <= record.keys():
                    return  # torn by a kill, or by a power cut: what follows is worth nothing
                self.end += len(line)
                self.done += 1


def _whole_object(line: bytes) -> dict[str, Any] | None:
    """The JSON object of a line, or None where the line is torn."""
    if not line.endswith(b"\n"):
        return None
    try:
        value = json.loads(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _cut(path: Path, size: int) -> None:
    with os_errors_as_output_errors(path), path.open("r+b") as file:
        file.truncate(size)


def _must_agree(path: Path, old: Mapping[str, Any], new: Mapping[str, object]) -> None:
    then = dict(_flat(old))
    now = dict(_flat(json.loads(json_line({"journal": 1} | dict(new)))))
    keys = [key for key in then | now if then.get(key) != now.get(key)]
    if keys:
        different = ", ".join(f"{key[-1]} was {_shown(then.get(key))} and is {_shown(now.get(key))}" for key in keys)
        raise UsageError(f"cannot resume from '{path}': {different}; ask for the same as then, or start again with -y")


def _flat(header: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Entries of the header and of the objects in it, by the names that lead to them."""
    for name, value in header.items():
        if isinstance(value, dict):
            yield from _flat(value, (*above, name))
        elif name not in _MAY_DIFFER:
            yield (*above, name), value


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "..."
