"""COCO annotations read to be judged against, and refused where judging would go wrong in silence. Opens no image."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from detcli.datasets.instance_masks import read_outline
from detcli.errors import DataError, InputError
from detcli.io.results.open_file import read_json
from detcli.io.results.values import RecordPosition, shown
from detcli.structures.masks import Rle

_SECTIONS = ("images", "annotations", "categories")
_MOST_NAMED = 10


@dataclass(frozen=True, slots=True)
class CocoGroundTruth:
    """What is true of some images.

    name         of the file or dataset, for messages
    annotations  COCO annotations, checked
    notes        what is odd but bearable
    """

    name: str
    annotations: dict[str, Any]
    notes: tuple[str, ...] = ()

    @property
    def images(self) -> Sequence[Mapping[str, Any]]:
        """The images."""
        images: Sequence[Mapping[str, Any]] = self.annotations["images"]
        return images

    @property
    def categories(self) -> dict[int, str]:
        """Names by id."""
        return {category["id"]: category["name"] for category in self.annotations["categories"]}

    def sizes(self) -> dict[str, tuple[int, int]]:
        """Height and width by file name, of images that say so."""
        return {
            posix(image["file_name"]): (image["height"], image["width"])
            for image in self.images
            if isinstance(image.get("height"), int) and isinstance(image.get("width"), int)
        }


def read_truth(path: Path, *, masks: bool = False) -> CocoGroundTruth:
    """Read COCO annotations of boxes, and of masks where these are judged.

    Raises UsageError where the file cannot be read, and DataError naming the first ten culprits: ids that are text or
    stand twice, boxes or masks that are none, of images or categories that are not there; or where there are no boxes
    at all.
    """
    document = read_json(path, "annotations")
    if not isinstance(document, dict) or not all(isinstance(document.get(key), list) for key in _SECTIONS):
        raise DataError(f"'{path}' holds no COCO annotations: it has no lists of {', '.join(_SECTIONS)}")
    image_ids = _ids(path, document["images"], "image", "file_name")
    category_ids = _ids(path, document["categories"], "category", "name")
    culprits = _InvalidAnnotations(path)
    sizes = {image["id"]: (image.get("height"), image.get("width")) for image in document["images"]}
    for place, entry in _entries(path, document["annotations"], "annotation"):
        with culprits:
            _check(place, entry, image_ids, category_ids)
            if masks:
                _check_mask(place, entry, sizes)
    culprits.tell()
    if not document["annotations"]:
        raise DataError(f"'{path}' says of no image what is in it: there are no annotations to judge against")
    return CocoGroundTruth(str(path), document, tuple(_notes(document["annotations"])))


def posix(name: str) -> str:
    """A file name with "/" between its parts, wherever it was written."""
    return name.replace("\\", "/").removeprefix("./")


def named(words: Sequence[object], *, most: int = _MOST_NAMED) -> str:
    """The first few in quotes, and how many more there are."""
    first = ", ".join(f"'{word}'" for word in words[:most])
    return first if len(words) <= most else f"{first} and {len(words) - most:,} more"


class _InvalidAnnotations:
    """Collects what is refused, as a context manager around each entry, to be told together."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._count = 0
        self._first: list[str] = []

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: object) -> bool:
        if not isinstance(error, InputError):
            return False
        self._count += 1
        if len(self._first) < _MOST_NAMED:
            self._first.append(str(error).removeprefix(f"'{self._path}', "))
        return True

    def tell(self) -> None:
        """Raise DataError where there was anything."""
        if self._count == 0:
            return
        entries = "1 entry" if self._count == 1 else f"{self._count:,} entries"
        more = f"; and {self._count - len(self._first):,} more" if self._count > len(self._first) else ""
        raise DataError(f"'{self._path}' cannot be judged against for {entries}: {'; '.join(self._first)}{more}")


def _entries(path: Path, entries: list[Any], noun: str) -> Iterator[tuple[RecordPosition, Any]]:
    return ((RecordPosition(path, f"{noun} {number}"), entry) for number, entry in enumerate(entries))


def _ids(path: Path, entries: list[Any], noun: str, name: str) -> set[int]:
    """The ids of images or categories."""
    seen: set[int] = set()
    culprits = _InvalidAnnotations(path)
    for place, entry in _entries(path, entries, noun):
        with culprits:
            number = place.whole(place.mapping(entry).get("id"), "id")
            place.text(entry.get(name), name)
            if number in seen:
                place.refuse(f"the id {number} stands twice")
            seen.add(number)
    culprits.tell()
    if not seen:
        raise DataError(f"'{path}' has no {'images' if noun == 'image' else 'categories'}")
    return seen


def _check(place: RecordPosition, entry: Any, image_ids: set[int], category_ids: set[int]) -> None:
    place.mapping(entry)
    for key, known, section in (("image_id", image_ids, "images"), ("category_id", category_ids, "categories")):
        if place.whole(entry.get(key), key) not in known:
            place.refuse(f"{key} {entry[key]} is not in '{section}'")
    place.box(entry.get("bbox"))
    if "area" in entry:
        place.number(entry["area"], "area")
    if entry.get("iscrowd", 0) not in (0, 1):
        place.refuse(f"iscrowd is {shown(entry['iscrowd'])}, neither 0 nor 1")


def _check_mask(place: RecordPosition, entry: Any, sizes: Mapping[int, tuple[Any, Any]]) -> None:
    outline = read_outline(entry.get("segmentation"))
    size = sizes[entry["image_id"]]
    if outline is None:
        place.refuse("it has no mask: a segmentation of polygons or runs")
    if any(type(side) is not int or side < 1 for side in size):
        place.refuse(f"its image {entry['image_id']} has no width and height, which masks are drawn on")
    if isinstance(outline, Rle) and outline.size_hw != size:
        place.refuse(f"its mask is for {list(outline.size_hw)}, and the image's height and width are {list(size)}")


def _notes(annotations: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    ids = [repr(entry.get("id")) for entry in annotations]
    doubled = len(ids) - len(set(ids))
    if doubled:
        yield f"{doubled:,} annotations have an id that another one has; each is judged for itself"
