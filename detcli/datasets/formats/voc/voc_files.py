"""Lists the annotation files of a dataset of Pascal VOC, and of its part."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from detcli.datasets.formats.dataset_layout import DatasetLayout
from detcli.datasets.formats.part_files import annotation_files, other_parts
from detcli.datasets.issues import IssueReport
from detcli.errors import ImageError, NoDataError
from detcli.io.read import read_bytes

_MAX_LIST_BYTES = 1 << 30
_FOLDERS = ("Annotations", "annotations")
_MARKS = ("-1", "0", "1")  # of lists of one class, after the name of the image


@dataclass(frozen=True, slots=True)
class VocFiles:
    """The annotation files of a part.

    root      folder of all annotation files
    relative  files of the part, relative to the root, with "/" between parts
    others    paths of files of other parts
    """

    root: Path
    relative: Sequence[str]
    others: Sequence[Path]


def list_voc_files(where: str, part: str, layout: DatasetLayout, issues: IssueReport) -> VocFiles:
    """List the files of a part. Raises NoDataError if there are none, and DataError if most of a list are missing."""
    if layout.annotations.suffix.lower() == ".txt":
        return _listed(layout.annotations, issues)
    root = layout.annotations
    files = sorted(annotation_files(root, ".xml"), key=os.fsencode)
    if not files:
        issues.reject(f"there are no .xml files in '{root}'")
    others = [path / name for path in other_parts(where, part, layout) for name in annotation_files(path, ".xml")]
    return VocFiles(root, files, others)


def _listed(list_file: Path, issues: IssueReport) -> VocFiles:
    home = list_file.parent.parent.parent
    root = next((home / name for name in _FOLDERS if os.path.isdir(home / name)), None)  # noqa: PTH112 - any name
    if root is None:
        raise NoDataError(f"'{list_file}' is a list of images, but there is no folder '{home / _FOLDERS[0]}'")
    existing = set(annotation_files(root, ".xml"))
    names = list(dict.fromkeys(_names(list_file)))
    listed = [f"{name}.xml" for name in names]
    missing = [f"'{root / name}'" for name in listed if name not in existing]
    if not names:
        issues.reject(f"the list '{list_file}' is empty")
    if len(missing) * 2 > len(listed):
        issues.raise_if_any(len(missing), f"of {len(listed):,} listed annotation files {{are}} missing", missing)
    issues.add(len(missing), "listed annotation file{s} {are} missing, and {its} image{s} {were} skipped", missing)
    chosen = [name for name in listed if name in existing]
    return VocFiles(root, chosen, [root / name for name in sorted(existing.difference(chosen))])


def _names(list_file: Path) -> Iterator[str]:
    """Names without suffix, one a line; in a list of one class, a mark follows."""
    try:
        content = read_bytes(list_file, max_bytes=_MAX_LIST_BYTES)
    except ImageError as error:
        if error.code == "empty":
            return
        raise NoDataError(f"cannot read the list '{list_file}': {error}") from error
    for line in content.removeprefix(b"\xef\xbb\xbf").splitlines():
        name = os.fsdecode(line.strip()).replace("\\", "/")
        first, _, mark = name.rpartition(" ")
        name = first.strip() if mark in _MARKS and first.strip() else name
        stem, suffix = os.path.splitext(name)  # noqa: PTH122 - a name
        if name:
            yield stem if suffix.lower() in (".jpg", ".jpeg", ".png", ".xml") else name
