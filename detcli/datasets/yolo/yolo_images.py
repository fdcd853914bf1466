"""The images of a part of a YOLO dataset: those in folders, and those that lists name."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from detcli.datasets.boxes.box_checks import MAX_INVALID_SHARE
from detcli.datasets.images.find_images import other_case_hint
from detcli.datasets.issues import IssueReport
from detcli.errors import ImageError, NoDataError
from detcli.io.images.formats import IMAGE_SUFFIXES
from detcli.io.naming import SkippedEntries
from detcli.io.output_paths import is_output_folder
from detcli.io.read import read_bytes

_MAX_LIST_BYTES = 1 << 30
_COMPANIONS = (".txt", ".yaml", ".yml", ".json", ".cache", ".npy")  # labels and what tools write next to images
_SUFFIXES = tuple(f".{suffix}" for suffix in IMAGE_SUFFIXES)


def list_images(sources: Sequence[Path], issues: IssueReport) -> list[str]:
    """The images of a part without repetition: folders sorted by the bytes of the paths, lists in their order.

    Raises NoDataError if a folder or list does not exist, and DataError if there are no images, or most are missing.
    """
    images: dict[str, None] = {}
    missing: list[str] = []
    unlisted: list[str] = []
    skipped = SkippedEntries()
    for source in sources:
        if os.path.isdir(source):  # noqa: PTH112 - any name
            images.update(dict.fromkeys(_in_folder(source, unlisted, skipped)))
        elif source.suffix.lower() == ".txt" and os.path.isfile(source):  # noqa: PTH113 - any name
            for path in _listed(source):
                if os.path.isfile(path):  # noqa: PTH113 - any name
                    images[path] = None
                else:
                    missing.append(path)
        else:
            raise NoDataError(f"'{issues.where}' names the images '{source}', but there is no such folder or list")
    named = (f"'{path}'{other_case_hint(path)}" for path in missing)
    if len(missing) > MAX_INVALID_SHARE * (len(missing) + len(images)):
        issues.raise_if_any(len(missing), "listed image{s} {are} missing", named)
    issues.add(len(missing), "listed image{s} {are} missing and {were} skipped", named)
    issues.add_sentences(skipped.sentences())
    issues.add(len(unlisted), "folder{s} cannot be listed and {were} skipped", unlisted)
    if not images:
        searched = ", ".join(f"'{source}'" for source in sources)
        issues.reject(f"there are no images in {searched}")
    return list(images)


def _in_folder(folder: Path, unlisted: list[str], skipped: SkippedEntries) -> list[str]:
    def skip(error: OSError) -> None:
        unlisted.append(f"'{error.filename or folder}' ({error.strerror})")

    paths: list[str] = []
    for parent, folders, files in os.walk(folder, onerror=skip):
        if parent != str(folder) and is_output_folder(parent):
            skipped.output_folders.append(parent)
            folders.clear()
            continue
        folders[:] = [name for name in folders if not name.startswith(".")]
        visible = [name for name in files if not name.startswith(".")]
        images = [name for name in visible if name.lower().endswith(_SUFFIXES)]
        suffixes = (os.path.splitext(name)[1].lower() for name in set(visible).difference(images))  # noqa: PTH122
        skipped.by_suffix.update(suffix for suffix in suffixes if suffix not in _COMPANIONS)
        paths += [os.path.join(parent, name) for name in images]  # noqa: PTH118 - any name
    return sorted(paths, key=os.fsencode)


def _listed(list_file: Path) -> Iterator[str]:
    """The paths in a list; relative ones are relative to the list. Those that were written on Windows have backslashes."""
    try:
        content = read_bytes(list_file, max_bytes=_MAX_LIST_BYTES)
    except ImageError as error:
        if error.code == "empty":
            return
        raise NoDataError(f"cannot read the list '{list_file}': {error}") from error
    for line in content.removeprefix(b"\xef\xbb\xbf").splitlines():
        if line.strip():
            path = _relative_to(list_file, os.fsdecode(line.strip()))
            is_other = "\\" in path and not os.path.isfile(path)  # noqa: PTH113 - any name
            yield _relative_to(list_file, os.fsdecode(line.strip()).replace("\\", "/")) if is_other else path


def _relative_to(list_file: Path, name: str) -> str:
    return os.path.normpath(os.path.join(list_file.parent, name))  # noqa: PTH118 - any name
