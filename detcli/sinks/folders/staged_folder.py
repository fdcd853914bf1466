"""A folder of files that belong together: they appear in it when all are written, and not at all after an error."""

import os
import shutil
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from detcli.errors import OutputError
from detcli.io.atomic_write import os_errors_as_output_errors
from detcli.io.output_paths import tag_output_folder
from detcli.sinks.folders.output_folder import OutputFolder, changed_files
from detcli.sinks.folders.written_files import LIST_NAME, WrittenFiles

_STAGE = ".detcli-new"


class StagedFolder:
    """Files are written into a hidden folder inside the folder, and moved into place by `commit`.

    path    of the folder; other runs cannot write into it meanwhile
    folder  where files are written until then

    As a context manager it discards what was not committed: earlier files stay. What a killed run left is removed by the
    next one. Raises OutputError.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with os_errors_as_output_errors(path):
            self._is_new = not os.path.lexists(path)
            self._had_list = os.path.lexists(path / LIST_NAME)
        self._stage = path / _STAGE
        self._files = WrittenFiles(path, alone=True)
        try:
            self._remove_stage()
            self.folder = OutputFolder(self._stage, listed=False)
        except BaseException:
            self._files.close()
            raise

    def commit(self, *, last: str, replace: bool) -> tuple[str, ...]:
        """Move the files into place, which takes no space and little time; an error in it leaves no `last`.

        Folders that are not there yet are moved as a whole: a run that is killed meanwhile leaves hardly ever a part of them.

        last     the file that names the others, and is moved last
        replace  remove the files that earlier runs wrote, first

        Returns sentences about files that were not removed. Raises OutputError.
        """
        names = sorted(self._written(), key=lambda name: (name == last, name))
        for name in names:
            self._check(name)
        remarks = changed_files(self.path, self._files.remove_files()) if replace else ()
        tag_output_folder(self.path)
        with os_errors_as_output_errors(self._stage):
            for name in names:
                self._files.add(name, (self._stage / name).stat())
        entries: dict[str, list[str]] = {}  # each file or folder of the folder, with its files
        for name in names:
            entries.setdefault(name.partition("/")[0], []).append(name)
        for entry in sorted(entries, key=lambda entry: (entry == last.partition("/")[0], entry)):
            for name in entries[entry] if os.path.lexists(self.path / entry) else [entry]:
                self._move(name)
        self._remove_stage()
        self._had_list = True
        return remarks

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OutputError):
            self._remove_stage()
        if not self._had_list:  # nothing was committed
            with suppress(OSError):
                (self.path / LIST_NAME).unlink()
        self._files.close()
        if self._is_new:
            with suppress(OSError):
                self.path.rmdir()  # if it is empty

    def _written(self) -> list[str]:
        with os_errors_as_output_errors(self._stage):
            return [path.relative_to(self._stage).as_posix() for path in self._stage.rglob("*") if path.is_file()]

    def _check(self, name: str) -> None:
        """Raise OutputError if a file cannot get its place, before any is moved: there is a folder, or a link to one."""
        target = self.path / name
        with os_errors_as_output_errors(target):
            if target.is_dir() and not target.is_symlink():
                raise OutputError(f"cannot write '{target}': it is a folder")
            for parent in target.parents:
                if parent == self.path:
                    return
                if parent.is_symlink() or (parent.exists() and not parent.is_dir()):
                    raise OutputError(f"cannot write into '{parent}': it is not a folder of '{self.path}'")

    def _move(self, name: str) -> None:
        source, target = self._stage / name, self.path / name
        with os_errors_as_output_errors(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            source.replace(target)

    def _remove_stage(self) -> None:
        with os_errors_as_output_errors(self._stage):
            if self._stage.is_symlink():
                self._stage.unlink()
            elif self._stage.exists():
                shutil.rmtree(self._stage)
