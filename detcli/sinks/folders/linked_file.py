"""Gives a file a second name in an output folder, which takes no space, or a copy there."""

import shutil
from pathlib import Path

from detcli.io.read import real_path


def link_file(file: str | Path, path: Path) -> None:
    """Give a file a second name; a symbolic link where the file system has no other, else a copy. Raises OSError."""
    target = Path(real_path(str(file)))
    try:
        path.hardlink_to(target)
    except OSError:  # another disk, a file of another user, no such links
        try:
            path.symlink_to(target)
        except OSError:
            copy_file(target, path)


def copy_file(file: str | Path, path: Path) -> None:
    """Copy a file with its time of change; `path` must not exist. Raises OSError."""
    if path.exists():
        raise FileExistsError(17, "File exists", str(path))
    shutil.copy2(file, path)
