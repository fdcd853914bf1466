"""Paths below an output folder: never outside it, and always such that the file system takes them."""

import hashlib
import os
import re
import sys
from pathlib import Path

from detcli.io.naming import is_device

_LONGEST = 255  # bytes of one name: Linux and macOS; of characters on Windows
_NEVER = re.compile("[\x00\ud800-\udc7f\udd00-\udfff]")  # NUL, and halves of pairs that stand for no byte
_NOT_ON_WINDOWS = re.compile(r'[\x00-\x1f<>:"\\|?*]|[. ]+$')
_NOT_IN_A_LABEL = re.compile(r'[\x00-\x1f\x7f-\x9f/<>:"\\|?*\s]+')


def is_same_file(path: Path, other: str | Path) -> bool:
    """Whether two names lead to the same existing file or folder, through links too; any name is allowed."""
    try:
        return path.samefile(other)
    except (OSError, ValueError):
        return False


def path_below(folder: Path, relative: str) -> Path:
    """The path of `relative` ("/" between its parts) below the folder.

    Parts that lead elsewhere are dropped; a name that is too long is cut and ends in a hash of the whole, its suffix
    kept; on Windows, what no name may hold there becomes "_". Other names stay as they are.
    """
    parts = [_NEVER.sub("_", part) for part in relative.split("/") if part not in ("", ".", "..")]
    if sys.platform == "win32":
        parts = [_for_windows(part) for part in parts]
    return folder.joinpath(*(_short_enough(part) for part in parts))


def label_folder(label: str) -> str:
    """A label as the name of a folder on any system: "traffic light" is `traffic_light`."""
    name = _NEVER.sub("_", _NOT_IN_A_LABEL.sub("_", label)).strip("_. ")[:60]
    return _for_windows(name) if name else "unnamed"


def _for_windows(part: str) -> str:
    part = _NOT_ON_WINDOWS.sub("_", part)
    return f"_{part}" if is_device(part) else part


def _short_enough(part: str) -> str:
    if len(os.fsencode(part)) <= _LONGEST:
        return part
    start, dot, suffix = part.rpartition(".")
    if not start or len(suffix) > 8:
        start, dot, suffix = part, "", ""
    ending = f"~{hashlib.sha256(os.fsencode(part)).hexdigest()[:8]}{dot}{suffix}"
    while len(os.fsencode(start + ending)) > _LONGEST:
        start = start[:-1]
    return start + ending
