"""Puts the images of datasets into an output folder: as links, as copies, or not at all."""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Literal

from detcli.datasets.dataset import Dataset
from detcli.errors import ImageError, OutputError
from detcli.inspection.thread_batches import map_in_threads
from detcli.io.atomic_write import os_errors_as_output_errors
from detcli.io.images.formats import IMAGE_SUFFIXES, SUFFIX_OF, image_format
from detcli.io.images.limits import HEAD_BYTES
from detcli.io.naming import UniqueNames, nearest_common_folder, relative_below, safe_relative
from detcli.io.output_paths import path_below
from detcli.sinks.folders.linked_file import copy_file, link_file
from detcli.sinks.folders.output_folder import OutputFolder
from detcli.sinks.images.encode_image import FORMATS, encode
from detcli.structures.frame import FailedFrame, Origin

Placement = Literal["link", "copy", "none"]
PLACEMENTS: tuple[Placement, ...] = ("link", "copy", "none")
_IMAGE_ENDINGS = tuple(f".{suffix}" for suffix in IMAGE_SUFFIXES)
_SUFFIX = ".png"  # of images that are in no file, and have a name without the suffix of a format
_STEP = 100  # images between two reports of the progress


def output_names(origins: Sequence[Origin], *, unique_stems: bool, spaces: bool = True) -> list[str]:
    """The name of each image in the output: that below the folder of the images, and unique.

    unique_stems  names that differ only in their suffix get other stems, for formats that have a file for each stem
    spaces        whether names may have spaces; otherwise they become "_"

    Two entries with one file share its name, unless stems are unique.
    """
    absolute = [origin.relative for origin in origins if os.path.isabs(origin.relative)]  # noqa: PTH117 - any name
    common = nearest_common_folder(os.path.dirname(name) for name in absolute)  # noqa: PTH120
    unique = UniqueNames()
    given: dict[str, str] = {}
    names = []
    for origin in origins:
        if not unique_stems and origin.file in given:
            names.append(given[origin.file])
            continue
        is_absolute = os.path.isabs(origin.relative)  # noqa: PTH117
        relative = relative_below(origin.relative, common) if is_absolute else safe_relative(origin.relative)
        relative = relative if spaces else re.sub(r"\s", "_", relative)
        given[origin.file] = _taken(relative, unique, unique_stems=unique_stems)
        names.append(given[origin.file])
    return names


def named_origin(dataset: Dataset, index: int) -> Origin:
    """The names of an image; one in an archive whose name has no suffix of an image gets that of its content."""
    origin = dataset.origin(index)
    if origin.relative.lower().endswith(_IMAGE_ENDINGS):
        return origin
    try:
        content = dataset.stored_bytes(index)
    except ImageError:
        return origin  # it is named when it is written
    kind = image_format(content[:HEAD_BYTES]) if content else None
    return origin if kind is None else replace(origin, relative=origin.relative + SUFFIX_OF[kind])


def _taken(relative: str, unique: UniqueNames, *, unique_stems: bool) -> str:
    name, stem = unique.take(_valid(relative))
    while unique_stems and stem == name and "." in name.rpartition("/")[2]:  # another image has the stem without suffix
        bare, dot, suffix = name.rpartition(".")
        name, stem = unique.take(f"{bare}_{suffix}{dot}{suffix}")
    return name


def _valid(relative: str) -> str:
    """The name as it is below an output folder, valid for the file system."""
    return path_below(Path(), relative).as_posix()


class ImagePlacer:
    """Puts images into a folder; safe in any thread.

    folder     of the output
    placement  what is put there
    """

    def __init__(self, folder: OutputFolder, placement: Placement) -> None:
        self._folder, self._placement = folder, placement

    def place(self, dataset: Dataset, index: int, name: str) -> FailedFrame | None:
        """Put an image there, "/" between the parts of its name; a FailedFrame says why it cannot be read.

        Raises OutputError.
        """
        if self._placement == "none":
            return None
        origin = dataset.origin(index)
        if os.path.isfile(origin.file):  # noqa: PTH113 - any name
            self.place_file(origin.file, name)
            return None
        try:
            content = dataset.stored_bytes(index)
        except ImageError as error:
            return FailedFrame(origin, error.code, str(error))
        if content is None:
            return self._encode(dataset, index, name)
        self._folder.write(name, content)
        return None

    def place_file(self, file: str, name: str) -> None:
        """Put a file there, linked or copied. Raises OutputError."""
        path = path_below(self._folder.path, name)
        with os_errors_as_output_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            if not os.path.lexists(path):
                (copy_file if self._placement == "copy" else link_file)(file, path)

    def _encode(self, dataset: Dataset, index: int, name: str) -> FailedFrame | None:
        """Write an image that is in no file, such as a synthetic one."""
        frame = dataset.read(index)
        if isinstance(frame, FailedFrame):
            return frame
        if frame.pixels is None:
            raise TypeError("the image has no pixels")
        suffix = os.path.splitext(name)[1].lower()  # noqa: PTH122 - a name
        data = encode(frame.pixels, FORMATS.get(suffix, FORMATS[_SUFFIX]), frame.metadata)
        if data is None:
            raise OutputError(f"cannot write '{self._folder.path / name}': its pixels cannot be encoded")
        self._folder.write(name, data)
        return None


def place_images(
    placer: ImagePlacer,
    dataset: Dataset,
    names: Mapping[int, str],
    *,
    workers: int | None = None,
    on_progress: Callable[[str, int, int], None] = lambda action, done, total: None,
) -> str | None:
    """Put images of a dataset into the folder.

    names        name by index
    workers      threads; None: one per processor
    on_progress  gets what is done, and how many images are done, of how many

    Returns a sentence about images that cannot be read; None if there are none. Raises OutputError.
    """
    failed = []
    of_name = {name: index for index, name in names.items()}  # entries of one file share its name
    items = list(of_name.items())
    # After an interrupt no thread writes any more: the folder is removed then.
    with closing(
        map_in_threads(lambda item: placer.place(dataset, item[1], item[0]), items, workers=workers)
    ) as placed:
        for done, failure in enumerate(placed, 1):
            if failure is not None:
                failed.append(failure)
            if done % _STEP == 0:
                on_progress("writing images", done, len(names))
    return _unreadable(failed) if failed else None


def _unreadable(frames: Sequence[FailedFrame]) -> str:
    named = ", ".join(f"'{frame.origin.file}' ({frame.message})" for frame in frames[:3])
    more = f" and {len(frames) - 3:,} more" if len(frames) > 3 else ""
    have = "image is" if len(frames) == 1 else "images are"
    return f"{len(frames):,} {have} missing in the output: {named}{more}"
