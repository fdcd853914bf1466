"""A folder of YOLO texts, `class cx cy w h score` a line and perhaps a track's number, with the names in `classes.txt`."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from detcli.errors import InputError
from detcli.io.record_values import RecordPosition
from detcli.io.results.open_file import lines
from detcli.io.results.stored import ImageSizes, StoredBox, StoredImage

_NAMES = "classes.txt"


def read_yolo(folder: Path, sizes: ImageSizes) -> Iterator[StoredImage]:
    """One image a text, sorted by name; a text belongs to the image of its name, whatever that one's suffix.

    Raises InputError where a text belongs to no image, or could belong to several.
    """
    if not folder.is_dir():
        raise InputError(f"'{folder}' is not a folder of YOLO texts")
    names = _class_names(folder / _NAMES)
    texts = sorted(path for path in folder.rglob("*.txt") if path != folder / _NAMES)
    if not texts:
        raise InputError(f"there are no YOLO texts in '{folder}'")
    by_stem = _by_stem(sizes)
    for text in texts:
        stem = text.relative_to(folder).as_posix().removesuffix(".txt")
        image = stem if stem in sizes else _the_one(text, stem, by_stem)
        boxes = tuple(
            _box(RecordPosition(text, f"line {number}"), line, names, sizes[image]) for number, line in lines(text)
        )
        yield StoredImage(f"'{text}'", image, None, sizes[image], boxes)


def _class_names(path: Path) -> Sequence[str]:
    if not path.is_file():
        raise InputError(f"'{path}' is missing: without the names of the classes their numbers mean nothing")
    return [line.decode("utf-8", "surrogateescape").strip() for _, line in lines(path)]


def _by_stem(sizes: ImageSizes) -> dict[str, list[str]]:
    """Images by their path without suffix, and by the last part of it."""
    found: dict[str, list[str]] = {}
    for name in sizes:
        folder, slash, last = name.rpartition("/")
        stem = last.rpartition(".")[0] or last
        for key in {folder + slash + stem, stem}:
            found.setdefault(key, []).append(name)
    return found


def _the_one(text: Path, stem: str, by_stem: Mapping[str, list[str]]) -> str:
    last = stem.rpartition("/")[2]
    for key in (stem, last):
        images = by_stem.get(key, [])
        if len(images) == 1:
            return images[0]
        if images:
            raise InputError(f"'{text}' could belong to '{images[0]}' or '{images[1]}'")
    raise InputError(f"'{text}' belongs to no image of the annotations: none is called '{last}'")


def _box(place: RecordPosition, line: bytes, names: Sequence[str], size_hw: tuple[int, int]) -> StoredBox:
    cells = line.decode("utf-8", "replace").split()
    if len(cells) not in (6, 7):
        place.refuse(f"{len(cells)} numbers, where class, cx, cy, w, h and score are 6, and with a track 7")
    number = place.whole(place.parsed(cells[0], "class"), "class")
    if not 0 <= number < len(names):
        place.refuse(f"class {number} is not in {_NAMES}, which names {len(names)}")
    cx, cy, w, h, score = (place.parsed(cell, name) for cell, name in zip(cells[1:6], _COLUMNS, strict=True))
    height, width = size_hw
    box = place.sides((cx - w / 2) * width, (cy - h / 2) * height, w * width, h * height)
    track_id = place.whole(place.parsed(cells[6], "track"), "track") if cells[6:] else None
    return StoredBox(names[number], None, score, box, track_id=track_id)


_COLUMNS = ("cx", "cy", "w", "h", "score")
