"""The folders of files that a run writes: each file is complete, and listed for later runs that overwrite the folder."""

import threading
from collections.abc import Callable
from pathlib import Path

from detcli.errors import OutputError
from detcli.io.atomic_write import write_atomically
from detcli.io.output_paths import has_visible_files, path_below
from detcli.io.remote.store_path import StorePath
from detcli.sinks.folders.written_files import MAX_CHANGED, WrittenFiles
from detcli.text import counted


class OutputFolder:
    """A folder of files, with the list of those that runs wrote into it: see `WrittenFiles`.

    path     of the folder; it is created by the first file, or by `begin`
    listed   whether its files are listed; then `close` must follow
    remarks  a sentence for the user about files that were not removed
    """

    def __init__(self, path: Path, *, listed: bool = True) -> None:
        self.path = path
        self._listed = listed
        self.remarks: tuple[str, ...] = ()
        self._files: WrittenFiles | None = None
        self._opening = threading.Lock()
        self._checked: set[Path] = set()

    def begin(self, *, replace: bool) -> None:
        """Open the list.

        replace  remove the files that earlier runs wrote; no other run may write into the folder until `close`

        Raises OutputError if another run writes into the folder, or if it cannot be written.
        """
        if isinstance(self.path, StorePath):
            if replace and has_visible_files(self.path):
                self.remarks = (f"objects of earlier runs in '{self.path}' are not removed, only replaced",)
            return
        with self._opening:
            files = WrittenFiles(self.path, alone=replace)
            try:
                self.remarks = changed_files(self.path, files.remove_files()) if replace else ()
            except BaseException:
                files.close()
                raise
            self._files = files

    def has(self, relative: str) -> bool:
        """Whether a file exists."""
        path = path_below(self.path, relative)
        if isinstance(path, StorePath):
            from detcli.io.remote.write_objects import object_exists  # takes a part of the start-up

            return object_exists(path.address)
        return path.exists()

    def write(self, relative: str, data: bytes, *, durable: bool = False) -> Path:
        """Write a file below the folder, "/" between the parts of its path; safe in any thread.

        Links in the folder are never followed: what is in it may come from a stranger.

        durable  wait until the file is on the disk

        Returns its path. Raises OutputError.
        """
        path = path_below(self.path, relative)
        if isinstance(path, StorePath):
            write_atomically(path, data)
            return path
        self._check_parent(path.parent)
        if not self._listed:
            write_atomically(path, data, durable=durable, follow_links=False)
            return path
        name, files = path.relative_to(self.path).as_posix(), self._open()
        write_atomically(
            path, data, durable=durable, follow_links=False, before_rename=lambda state: files.add(name, state)
        )
        return path

    def relative(self, relative: str) -> str:
        """The name that a file has below the folder: valid for the file system."""
        return path_below(self.path, relative).relative_to(self.path).as_posix()

    def close(self) -> None:
        """Close the list; safe twice."""
        with self._opening:
            if self._files is not None:
                self._files.close()
                self._files = None

    def _check_parent(self, parent: Path) -> None:
        """Raise OutputError if a folder below this one is a link: it may lead to any place."""
        if parent in self._checked:
            return
        below = parent
        while below != self.path:
            if below.is_symlink():
                raise OutputError(
                    f"cannot write into '{below}': it is a link in the output folder '{self.path}', and may lead out of it"
                )
            below = below.parent
        self._checked.add(parent)

    def _open(self) -> WrittenFiles:
        with self._opening:
            if self._files is None:
                self._files = WrittenFiles(self.path, alone=False)
            return self._files


class OutputFolders:
    """The folders of one run, each opened once, also if several sinks write into it.

    replaces  whether the files that earlier runs wrote into a folder are removed; None: files are neither removed nor
              listed
    """

    def __init__(self, replaces: Callable[[Path], bool] | None = None) -> None:
        self._replaces = replaces
        self._opened: dict[Path, OutputFolder] = {}

    def open(self, path: Path) -> OutputFolder:
        """The folder with this path. Raises OutputError as `OutputFolder.begin`."""
        if path not in self._opened:
            folder = OutputFolder(path, listed=self._replaces is not None)
            if self._replaces is not None:
                folder.begin(replace=self._replaces(path))
            self._opened[path] = folder
        return self._opened[path]

    @property
    def remarks(self) -> tuple[str, ...]:
        """The remarks of all folders."""
        return tuple(remark for folder in self._opened.values() for remark in folder.remarks)

    def close(self) -> None:
        """Close all; safe twice."""
        for folder in self._opened.values():
            folder.close()


def as_output_folder(folder: OutputFolder | Path) -> OutputFolder:
    """The folder itself, or one for a path, whose files are not listed."""
    return folder if isinstance(folder, OutputFolder) else OutputFolder(folder, listed=False)


def changed_files(folder: Path, names: list[str]) -> tuple[str, ...]:
    """A sentence about files of a folder that were not removed, if there are any."""
    if not names:
        return ()
    files = f"at least {MAX_CHANGED:,} files" if len(names) == MAX_CHANGED else counted(len(names), "file")
    shown = ", ".join(f"'{name}'" for name in names[:3]) + (", …" if len(names) > 3 else "")
    verb = "is" if len(names) == 1 else "are"
    return (f"{files} in '{folder}' changed since an earlier run and {verb} not removed: {shown}",)
