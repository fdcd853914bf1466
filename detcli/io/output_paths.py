"""Paths below an output folder: never outside it, and always valid for the file system. The tag of such a folder."""

import hashlib
import os
import re
import sys
from pathlib import Path

from detcli.errors import ImageError
from detcli.io.atomic_write import os_errors_as_output_errors, write_atomically
from detcli.io.naming import is_device
from detcli.io.read import opened, read_bytes
from detcli.io.remote.store_path import StorePath

_MAX_NAME_BYTES = 255  # bytes of one name on Linux and macOS; characters on Windows
_INVALID = re.compile("[\x00\ud800-\udc7f\udd00-\udfff]")  # NUL, and surrogates that stand for no byte
_INVALID_ON_WINDOWS = re.compile(r'[\x00-\x1f<>:"\\|?*]|[. ]+$')
# Not valid in the names of every system, or not visible: controls, line separators, marks of the writing direction
# (a right-to-left override shows a name backwards), zero-width characters, tags, characters for private use.
_INVALID_IN_LABELS = re.compile(
    r'[\x00-\x1f\x7f-\x9f/<>:"\\|?*\s\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e'
    r"\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\uffff\ue000-\uf8ff\U000e0000-\U000e0fff\U000f0000-\U0010ffff]+"
)


OUTPUT_TAG = ".detcli-output"
VIDEO_MARK = "detcli annotated video"
_MARK_WITHIN = 1 << 13  # bytes: the first track of MP4 and the header of Matroska are within some hundreds
_SIGNATURE = b"Signature: detcli output folder\n"
_TAG = (
    _SIGNATURE
    + b"# detcli reads no images or videos from this folder, unless it is named itself. Delete this file to change that.\n"
)


def tag_output_folder(folder: Path) -> None:
    """Mark a folder as outputs, so that later runs do not read it as input; one that has files of others is not marked.

    Raises OutputError.
    """
    with os_errors_as_output_errors(folder):
        if has_visible_files(folder):
            return
    write_atomically(folder / OUTPUT_TAG, _TAG, durable=False)


def is_annotated_video(path: Path | str) -> bool:
    """Whether a file is an annotated video of detcli, by the mark in its first bytes."""
    try:
        with opened(path) as descriptor:
            return VIDEO_MARK.encode() in os.read(descriptor, _MARK_WITHIN)
    except (ImageError, OSError):
        return False


def has_visible_files(folder: Path) -> bool:
    """Whether a folder has files or folders that are not hidden; False for a missing one. Raises OSError."""
    if isinstance(folder, StorePath):
        from detcli.io.remote.write_objects import has_objects  # takes a part of the start-up

        return has_objects(folder.address)
    if not os.path.isdir(folder):  # noqa: PTH112 - any name
        return False
    with os.scandir(folder) as entries:  # one at a time: there may be millions
        return any(not entry.name.startswith(".") for entry in entries)


def is_output_folder(folder: Path | str) -> bool:
    """Whether a folder has the tag of outputs."""
    path = os.path.join(folder, OUTPUT_TAG)  # noqa: PTH118 - any name
    try:
        return os.path.lexists(path) and read_bytes(path, max_bytes=1 << 16).startswith(_SIGNATURE)
    except ImageError:
        return False


def is_same_file(path: Path, other: str | Path) -> bool:
    """Whether two paths are the same existing file or folder, also through links; False for any invalid path."""
    try:
        return path.samefile(other)
    except (OSError, ValueError):
        return False


def path_below(folder: Path, relative: str) -> Path:
    """The path of `relative` ("/" between its parts) below the folder.

    "." and ".." are removed. A name that is too long is cut and gets a hash of the full name; its suffix stays. On
    Windows, invalid characters become "_". Other names stay the same.
    """
    parts = [_INVALID.sub("_", part) for part in relative.split("/") if part not in ("", ".", "..")]
    if sys.platform == "win32":
        parts = [_for_windows(part) for part in parts]
    return folder.joinpath(*(_shortened(part) for part in parts))


def label_folder(label: str) -> str:
    """A label as a folder name that is valid on every system: "traffic light" becomes `traffic_light`."""
    name = _INVALID.sub("_", _INVALID_IN_LABELS.sub("_", label)).strip("_. ")[:60]
    return _for_windows(name) if name else "unnamed"


def _for_windows(part: str) -> str:
    part = _INVALID_ON_WINDOWS.sub("_", part)
    return f"_{part}" if is_device(part) else part


def _shortened(part: str) -> str:
    if len(os.fsencode(part)) <= _MAX_NAME_BYTES:
        return part
    start, dot, suffix = part.rpartition(".")
    if not start or len(suffix) > 8:
        start, dot, suffix = part, "", ""
    ending = f"~{hashlib.sha256(os.fsencode(part)).hexdigest()[:8]}{dot}{suffix}"
    while len(os.fsencode(start + ending)) > _MAX_NAME_BYTES:
        start = start[:-1]
    return start + ending
