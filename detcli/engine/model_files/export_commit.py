"""An exported file is written and checked in a hidden folder, and then gets its name; nothing is left after an error."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from detcli.io.atomic_write import AtomicFile, os_errors_as_output_errors

_CHUNK = 1 << 24


@contextmanager
def named_after(path: Path) -> "Iterator[tuple[Path, ExportCommit]]":
    """A hidden folder beside the final file, and the function that gives the file in it its final name.

    A second export of the same file gets an OutputError meanwhile. After an error nothing is left, and folders that did
    not exist before are removed again.
    """
    with _removed_if_empty(_missing_folders(path.parent)), AtomicFile(path, locked=True) as file:
        with os_errors_as_output_errors(path):
            folder = Path(tempfile.mkdtemp(prefix=".detcli-", suffix=".part", dir=path.parent))
        try:
            yield folder, ExportCommit(path, file)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


class ExportCommit:
    """Copies a file, and its .bin before it, to their final names."""

    def __init__(self, path: Path, file: AtomicFile) -> None:
        self._path, self._file = path, file

    def __call__(self, temporary: Path) -> None:
        """Give the file its final name. Raises OutputError."""
        weights = temporary.with_suffix(".bin")
        if temporary.suffix == ".xml":
            with os_errors_as_output_errors(self._path):
                self._path.unlink(missing_ok=True)  # an old graph never has the new weights
            with AtomicFile(self._path.with_suffix(".bin")) as file:
                _copy(weights, file)
        _copy(temporary, self._file)


def _copy(source: Path, target: AtomicFile) -> None:
    with os_errors_as_output_errors(source), source.open("rb") as file:
        while chunk := file.read(_CHUNK):
            target.write(chunk)


def _missing_folders(folder: Path) -> list[Path]:
    """The folder and those above it that do not exist, the innermost first."""
    with os_errors_as_output_errors(folder):
        return [one for one in (folder, *folder.parents) if not one.exists()]


@contextmanager
def _removed_if_empty(folders: list[Path]) -> Iterator[None]:
    """Remove folders after an error, unless they have files: of another export, for example."""
    try:
        yield
    except BaseException:
        with suppress(OSError):
            for folder in folders:
                folder.rmdir()
        raise
