"""The interface of output files: destinations of complete records."""

from typing import Protocol


class OutputFile(Protocol):
    """A destination of bytes: each `write` passes complete records (lines, rows), never a part of one."""

    def write(self, data: bytes) -> None:
        """Write one record. Raises OutputError, or BrokenPipeError if the reader of a stream has ended."""

    def flush(self) -> None:
        """Write what is buffered, if a reader can see it before the end."""

    def commit(self, *, complete: bool = True) -> None:
        """Finish; a file is then whole and on the disk.

        complete  all records of the run are there; an object of an object store gets its name only then
        """

    def discard(self) -> None:
        """Stop without leaving a partial record. Safe after `commit`, and twice."""
