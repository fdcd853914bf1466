"""Reads a folder of YOLO labels: `class cx cy w h score` per line, optionally a track id; class names in `classes.txt`."""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from detcli.errors import InputError
from detcli.io.record_values import RecordPosition
from detcli.io.results.open_file import lines
from detcli.io.results.stored import ImageSizes, StoredBox, StoredImage

_NAMES = "classes.txt"


def read_yolo(folder: Path, sizes: ImageSizes) -> Iterator[StoredImage]:
    """Read one image per text file, sorted by name; a file belongs to the image of the same stem, with any suffix.

    sizes  height and width by image name

    Raises InputError if a file belongs to no image, or could belong to several.
    """
    if not os.path.isdir(folder):  # noqa: PTH112 - any name
        raise InputError(f"'{folder}' is not a folder of YOLO labels")
    names = class_names(folder)
    texts = sorted(path for path in _texts(folder) if path != folder / _NAMES)
    if not texts:
        raise InputError(f"there are no YOLO labels in '{folder}'")
    by_stem = _by_stem(sizes)
    for text in texts:
        stem = text.relative_to(folder).as_posix().removesuffix(".txt")
        image = stem if stem in sizes else _matching_image(text, stem, by_stem)
        boxes = tuple(
            _box(RecordPosition(text, f"line {number}"), line, names, sizes[image]) for number, line in lines(text)
        )
        yield StoredImage(f"'{text}'", image, None, sizes[image], boxes)


def _texts(folder: Path) -> Iterator[Path]:
    """All text files; a folder that cannot be listed is an error, because its results would be missing in silence."""

    def refuse(error: OSError) -> None:
        raise InputError(f"cannot list the folder '{error.filename or folder}': {error.strerror}") from error

    for parent, _, names in os.walk(folder, onerror=refuse):
        yield from (Path(parent, name) for name in names if name.endswith(".txt"))


def class_names(folder: Path) -> Sequence[str]:
    """The class names of a folder of labels, by index. Raises InputError if the folder does not have them."""
    path = folder / _NAMES
    if not os.path.lexists(path):
        raise InputError(f"'{path}' is missing; it lists the class names")
    return [line.decode("utf-8", "surrogateescape").strip() for _, line in lines(path)]


def _by_stem(sizes: ImageSizes) -> dict[str, list[str]]:
    """Images by their path without suffix, and by the last part of that path."""
    images_by_stem: dict[str, list[str]] = {}
    for name in sizes:
        folder, slash, last = name.rpartition("/")
        stem = last.rpartition(".")[0] or last
        for key in {folder + slash + stem, stem}:
            images_by_stem.setdefault(key, []).append(name)
    return images_by_stem


def _matching_image(text: Path, stem: str, by_stem: Mapping[str, list[str]]) -> str:
    last = stem.rpartition("/")[2]
    for key in (stem, last):
        images = by_stem.get(key, [])
        if len(images) == 1:
            return images[0]
        if images:
            raise InputError(f"'{text}' could belong to '{images[0]}' or '{images[1]}'")
    raise InputError(f"'{text}' belongs to no image of the ground truth: none has the name '{last}'")


def _box(record: RecordPosition, line: bytes, names: Sequence[str], size_hw: tuple[int, int]) -> StoredBox:
    cells = line.decode("utf-8", "replace").split()
    if len(cells) not in (6, 7):
        record.refuse(f"{len(cells)} numbers; there must be 6 (class, cx, cy, w, h, score), or 7 with a track id")
    number = record.integer(record.parsed(cells[0], "class"), "class")
    if not 0 <= number < len(names):
        record.refuse(f"class {number} is not in {_NAMES}, which names {len(names)} classes")
    cx, cy, w, h, score = (record.parsed(cell, name) for cell, name in zip(cells[1:6], _COLUMNS, strict=True))
    record.score(score)
    if len(cells) == 6 and score > 1 and score.is_integer():
        record.refuse(f"score is {score:g}, as a track id is; the columns are class, cx, cy, w, h, score, track id")
    height, width = size_hw
    box = record.sides((cx - w / 2) * width, (cy - h / 2) * height, w * width, h * height)
    corners = box[0], box[1], (cx + w / 2) * width, (cy + h / 2) * height
    track_id = record.integer(record.parsed(cells[6], "track"), "track") if cells[6:] else None
    return StoredBox(names[number], None, score, box, track_id=track_id, class_id=number, corners=corners)


_COLUMNS = ("cx", "cy", "w", "h", "score")
