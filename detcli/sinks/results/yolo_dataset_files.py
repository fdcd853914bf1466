"""What makes a YOLO dataset of label files: images next to the labels, data.yaml, the lists of images, classes.txt.

    data.yaml, train.txt, val.txt, classes.txt
    images/a.jpg      a link, or the image itself where it is there already
    labels/a.txt

CVAT, Label Studio, ultralytics and `detcli train` find the label file of an image by this layout. val.txt is empty: lines that
are moved there from train.txt are for validation, and stay.
"""

import os
import threading
from collections.abc import Sequence
from pathlib import Path

import yaml

from detcli.errors import OutputError
from detcli.io.atomic_write import os_errors_as_output_errors, to_bytes, write_atomically
from detcli.io.output_paths import is_same_file, path_below
from detcli.io.read import real_path
from detcli.io.results.yolo_layout import IMAGES, LABELS, LINKED, dataset_root
from detcli.sinks.folders.linked_file import link_file
from detcli.sinks.folders.output_folder import OutputFolder, OutputFolders
from detcli.structures.frame import Origin
from detcli.text import counted

_YAML, _TRAIN, _VAL, _CLASSES = "data.yaml", "train.txt", "val.txt", "classes.txt"
_LINKED_TEXT = b"# The images in this folder are links to the inputs of detcli; removing them keeps the inputs.\n"
_MARK = b"# Written by detcli; a later run replaces this file.\n"


class YoloDatasetFiles:
    """Writes label files in this layout, and the other files at the end.

    output   as the user named it
    folders  of the run
    names    class names by index

    Raises OutputError if data.yaml, a list or classes.txt exists and is not of detcli.
    """

    def __init__(self, output: Path, folders: OutputFolders, names: Sequence[str]) -> None:
        self._root, self._output = dataset_root(output), folders.open(output)
        self._folders, self._names = folders, unique_names(names)
        self._images: dict[str, int] = {}  # line of the list -> index of the image
        self._adding = threading.Lock()
        self._absent = self._shared = 0
        _refuse_foreign(self._root)
        document = {"train": _TRAIN, "val": _VAL, "names": dict(enumerate(self._names))}
        text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True)
        self._write(_YAML, _MARK + text.encode("utf-8", "replace"))
        self._write(_CLASSES, b"".join(to_bytes(name) + b"\n" for name in self._names))

    def add(self, origin: Origin, rows: bytes, *, skip_existing: bool) -> None:
        """Write the labels of an image, and link the image next to them; safe in any thread."""
        own = self._own_place(origin)
        if own is not None and origin.stem != os.path.splitext(origin.relative)[0]:  # noqa: PTH122 - a name
            with self._adding:
                self._shared += 1
            return
        stem = own or origin.stem
        folder, prefix = self._labels()
        label = f"{prefix}{stem}.txt"
        if not (skip_existing and folder.has(label)):
            folder.write(label, rows)
        image = folder.relative(label).removeprefix(prefix).removesuffix(".txt") + _suffix(origin)
        is_there = own is not None or self._link(origin, image)
        with self._adding:
            self._images[f"./{IMAGES}/{image}"] = origin.index
            self._absent += not is_there

    def close(self) -> None:
        """Write the lists of images, in the order of the run."""
        kept = self._root / _VAL
        with os_errors_as_output_errors(kept):
            known = set(os.fsdecode(kept.read_bytes()).splitlines()) if kept.is_file() else None
        if known is None:
            self._write(_VAL, b"")
        lines = sorted(self._images, key=lambda line: self._images[line])
        self._write(_TRAIN, b"".join(to_bytes(line) + b"\n" for line in lines if line not in (known or ())))

    @property
    def remarks(self) -> list[str]:
        """Sentences about images that the dataset lacks."""
        images, remarks = self._root / IMAGES, []
        if self._absent:
            have = counted(self._absent, "image is", "images are")
            remarks.append(f"{have} not in '{images}': put copies there under the names in '{self._root / _TRAIN}'")
        if self._shared:
            have = counted(self._shared, "image has", "images have")
            remarks.append(f"{have} the label file of another one that differs only in its suffix, and got no labels")
        return remarks

    def _labels(self) -> tuple[OutputFolder, str]:
        return (self._output, "") if self._root != self._output.path else (self._output, f"{LABELS}/")

    def _own_place(self, origin: Origin) -> str | None:
        """The name without suffix of an image that is in the folder of images already; None for others."""
        if origin.frame is not None:
            return None
        path, images = real_path(origin.file), real_path(self._root / IMAGES)
        if not path.startswith(os.path.join(images, "")):  # noqa: PTH118 - with one separator at its end
            return None
        return os.path.splitext(os.path.relpath(path, images))[0].replace(os.sep, "/")  # noqa: PTH122

    def _link(self, origin: Origin, image: str) -> bool:
        """Link an image into the folder of images; False where it is no file, or another one is there."""
        if origin.frame is not None or not os.path.isfile(origin.file):  # noqa: PTH113 - any name
            return False
        images = self._root / IMAGES
        path = path_below(images, image)
        if is_same_file(path, origin.file):
            return True
        try:
            if os.path.lexists(path):
                return False
            if not os.path.lexists(images):
                write_atomically(images / LINKED, _LINKED_TEXT, durable=False)
            path.parent.mkdir(parents=True, exist_ok=True)
            link_file(origin.file, path)
        except OSError:
            return False
        return True

    def _write(self, name: str, data: bytes) -> None:
        if self._root == self._output.path:
            self._output.write(name, data)
        else:
            write_atomically(self._root / name, data)


def _refuse_foreign(root: Path) -> None:
    """Raise OutputError if one of the files exists that detcli has not written."""
    with os_errors_as_output_errors(root):
        file = root / _YAML
        is_own = file.is_file() and not file.is_symlink() and file.read_bytes().startswith(_MARK)
        there = [root / name for name in (_YAML, _TRAIN, _VAL, _CLASSES) if os.path.lexists(root / name)]
    if there and not is_own:
        raise OutputError(f"'{there[0]}' exists and is not of detcli; name another folder for the dataset")


def unique_names(names: Sequence[str]) -> list[str]:
    """Names in one line each; a repeated or empty one gets its index, since YOLO's names are a mapping."""
    plain = [" ".join(name.split()) for name in names]
    seen: set[str] = set()
    made = []
    for index, name in enumerate(plain):
        while not name or name in seen:
            name = f"{name or 'class'} {index}"
        seen.add(name)
        made.append(name)
    return made


def _suffix(origin: Origin) -> str:
    return os.path.splitext(origin.relative)[1] or ".jpg"  # noqa: PTH122 - a name
