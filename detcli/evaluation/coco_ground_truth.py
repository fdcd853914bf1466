"""COCO annotations read to be evaluated against, and refused where evaluating would go wrong in silence. Opens no image."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from detcli.datasets.instance_masks import read_outline
from detcli.errors import DataError
from detcli.io.coco.coco_reader import InvalidEntries, numbered_entries, posix_name, read_coco_document, read_names
from detcli.io.record_values import RecordPosition, shown
from detcli.structures.masks import Rle

_MOST_NAMED = 10


@dataclass(frozen=True, slots=True)
class CocoGroundTruth:
    """The ground truth of some images.

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
            posix_name(image["file_name"]): (image["height"], image["width"])
            for image in self.images
            if isinstance(image.get("height"), int) and isinstance(image.get("width"), int)
        }


def read_ground_truth(path: Path, *, masks: bool = False) -> CocoGroundTruth:
    """Read COCO annotations of boxes, and of masks where these are evaluated.

    Raises UsageError where the file cannot be read, and DataError naming the first ten culprits: ids that are text or
    stand twice, boxes or masks that are none, of images or categories that are not there; or where there are no boxes
    at all.
    """
    document = read_coco_document(path, invalid=DataError)
    image_ids = _ids(path, document, "images")
    category_ids = _ids(path, document, "categories")
    invalid = InvalidEntries()
    sizes = {image["id"]: (image.get("height"), image.get("width")) for image in document["images"]}
    for position, entry in numbered_entries(path, "annotations", document["annotations"]):
        with invalid:
            _check(position, entry, image_ids, category_ids)
            if masks:
                _check_mask(position, entry, sizes)
    invalid.raise_if_any(path, DataError)
    if not document["annotations"]:
        raise DataError(f"'{path}' has no annotations to evaluate against")
    return CocoGroundTruth(str(path), document, tuple(_notes(document["annotations"])))


def named(words: Sequence[object], *, most: int = _MOST_NAMED) -> str:
    """The first few in quotes, and how many more there are."""
    first = ", ".join(f"'{word}'" for word in words[:most])
    return first if len(words) <= most else f"{first} and {len(words) - most:,} more"


def _ids(path: Path, document: Mapping[str, Any], section: str) -> set[int]:
    """The ids of images or categories."""
    invalid = InvalidEntries()
    ids = {entry_id for entry_id, _ in read_names(path, document, section, invalid, unique=True)}
    invalid.raise_if_any(path, DataError)
    if not ids:
        raise DataError(f"'{path}' has no {section}")
    return ids


def _check(position: RecordPosition, entry: Any, image_ids: set[int], category_ids: set[int]) -> None:
    position.mapping(entry)
    for key, known, section in (("image_id", image_ids, "images"), ("category_id", category_ids, "categories")):
        if position.whole(entry.get(key), key) not in known:
            position.refuse(f"{key} {entry[key]} is not in '{section}'")
    position.box(entry.get("bbox"))
    if "area" in entry:
        position.number(entry["area"], "area")
    if entry.get("iscrowd", 0) not in (0, 1):
        position.refuse(f"iscrowd is {shown(entry['iscrowd'])}, neither 0 nor 1")


def _check_mask(position: RecordPosition, entry: Any, sizes: Mapping[int, tuple[Any, Any]]) -> None:
    outline = read_outline(entry.get("segmentation"))
    size = sizes[entry["image_id"]]
    if outline is None:
        position.refuse("it has no mask: a segmentation of polygons or runs")
    if any(type(side) is not int or side < 1 for side in size):
        position.refuse(f"its image {entry['image_id']} has no width and height, which masks are drawn on")
    if isinstance(outline, Rle) and outline.size_hw != size:
        position.refuse(f"its mask is for {list(outline.size_hw)}, and the image's height and width are {list(size)}")


def _notes(annotations: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    ids = [repr(entry.get("id")) for entry in annotations]
    doubled = len(ids) - len(set(ids))
    if doubled:
        yield f"{doubled:,} annotations have an id that another one has; each is evaluated for itself"
