"""Which paths below watched folders are taken: those that a walk of the folder would list."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from detcli.io.output_paths import is_output_folder
from detcli.sources.images.path_walker import FoundPath, PathWalker


@dataclass(frozen=True, slots=True)
class WatchedPath:
    """A file below a watched folder, or a folder that cannot be listed.

    folder  the argument that names the watched folder
    """

    folder: str
    found: FoundPath

    @property
    def path(self) -> str:
        """The path as the user can type it."""
        return self.found.path


class WatchedPaths:
    """The watched folders, by the arguments that name them, with the walker of each."""

    def __init__(self, walkers: Mapping[str, PathWalker]) -> None:
        self.walkers = walkers
        self.roots = {folder: os.path.abspath(folder) for folder in walkers}  # noqa: PTH100 - any name

    def named(self, changed: str) -> WatchedPath | None:
        """What the system reports as changed, as a path below the argument that names the folder."""
        for folder, root in self.roots.items():
            for start in (root, os.path.realpath(root)):
                inside = os.path.join(start, "")  # noqa: PTH118 - any name
                if changed.startswith(inside):
                    below = changed[len(inside) :].replace(os.sep, "/")
                    return WatchedPath(folder, FoundPath(os.path.join(folder, below), below))  # noqa: PTH118
        return None

    def folder_of(self, path: str) -> str:
        """The argument that names the folder of a path as the user can type it; "" for another path."""
        return next((folder for folder in self.roots if path.startswith(os.path.join(folder, ""))), "")  # noqa: PTH118

    def takes(self, file: WatchedPath) -> bool:
        """Whether the walk of the folder lists this file: not hidden, not below a link, not an output, not excluded."""
        walker = self.walkers[file.folder]
        *parents, name = file.found.below.split("/")
        if name.startswith(".") or not walker.takes(name) or walker.skips(file.found):
            return False
        if parents and not walker.recursive:
            return False
        below = ""
        for part in parents:
            below = f"{below}/{part}" if below else part
            path = os.path.join(file.folder, below)  # noqa: PTH118 - any name
            if part.startswith(".") or os.path.islink(path):  # noqa: PTH114
                return False
            if is_output_folder(path) or walker.skips(FoundPath(path, below)):
                return False
        return True
