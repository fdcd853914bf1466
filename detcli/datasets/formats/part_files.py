"""Lists annotation files of which each image has one, and the folders of the other parts of a dataset."""

import os
from collections.abc import Iterator
from pathlib import Path

from detcli.datasets.formats.dataset_layout import PART_NAMES, DatasetLayout
from detcli.datasets.layouts import layout_of
from detcli.errors import DetcliError
from detcli.io.output_paths import is_output_folder


def annotation_files(folder: Path, suffix: str) -> Iterator[str]:
    """Files with a suffix in a folder and its subfolders, relative to it, with "/" between parts.

    Hidden files and outputs of detcli are left out.
    """
    for parent, folders, names in os.walk(folder):
        if parent != str(folder) and is_output_folder(parent):
            folders.clear()
            continue
        folders[:] = [name for name in folders if name[0] != "."]
        inner = os.path.relpath(parent, folder).replace(os.sep, "/")
        prefix = "" if inner == "." else f"{inner}/"
        yield from (prefix + name for name in names if name.lower().endswith(suffix) and name[0] != ".")


def other_parts(where: str, part: str, layout: DatasetLayout) -> Iterator[Path]:
    """The annotations of the other parts of a dataset in the same format.

    where   the dataset as the user typed it
    layout  of the part
    """
    for other in PART_NAMES if not layout.any_part else ():
        try:
            found = layout_of(where, other) if other != part else None
        except DetcliError:
            continue  # opening this part reports it
        if found is not None and found.kind == layout.kind:
            yield found.annotations
