"""Reads COCO annotations as ground truth, and rejects those that would make metrics wrong. Opens no image."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from detcli.datasets.boxes.box_checks import find_duplicates
from detcli.datasets.boxes.box_formats import COCO, Slack, likely_format
from detcli.datasets.instance_masks import read_outline
from detcli.errors import DataError
from detcli.io.coco.coco_entries import box_values, entry_area, entry_crowd, entry_ids, image_size
from detcli.io.coco.coco_reader import (
    InvalidEntries,
    drop_repeated,
    numbered_entries,
    posix_name,
    read_coco_document,
    read_names,
    reject_detections,
)
from detcli.io.record_values import RecordPosition
from detcli.structures.masks import Rle
from detcli.text import counted

_MAX_NAMED = 10
_SLACK = Slack(1.0)  # pixels; boxes of COCO are rounded to hundredths, others to integers
_IDENTITY = ("image_id", "category_id", "iscrowd")


@dataclass(frozen=True, slots=True)
class CocoGroundTruth:
    """The ground truth of some images.

    name         of the file or dataset, for messages
    annotations  COCO annotations, checked
    notes        issues that do not prevent an evaluation
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
        """Height and width by file name, of images that have them."""
        return {
            posix_name(image["file_name"]): (image["height"], image["width"])
            for image in self.images
            if isinstance(image.get("height"), int) and isinstance(image.get("width"), int)
        }


def read_ground_truth(path: Path, *, masks: bool = False) -> CocoGroundTruth:
    """Read COCO annotations.

    masks  masks are evaluated: each annotation must have one

    Raises NoDataError if the file cannot be read, and DataError naming the first ten invalid entries: ids that are text
    or occur twice, invalid boxes or masks, unknown images or categories; if annotations have scores, as detections; or if there are none.
    """
    document = read_coco_document(path, invalid=DataError)
    reject_detections(path, document["annotations"], DataError)
    repeated = tuple(drop_repeated(document))
    image_ids = _ids(path, document, "images")
    category_ids = _ids(path, document, "categories")
    for image in document["images"]:
        image["height"], image["width"] = image_size(image) or (None, None)
    invalid = InvalidEntries()
    sizes = {image["id"]: (image["height"], image["width"]) for image in document["images"]}
    without_area = 0
    for position, entry in numbered_entries(path, "annotations", document["annotations"]):
        with invalid:
            position.mapping(entry)
            without_area += entry.get("area") is not None and entry_area(entry) is None
            _check(position, entry, image_ids, category_ids)
            if masks:
                _check_mask(position, entry, sizes)
    invalid.raise_if_any(path, DataError)
    if not document["annotations"]:
        raise DataError(f"'{path}' has no annotations to evaluate against")
    if all(entry["iscrowd"] for entry in document["annotations"]):
        raise DataError(f"'{path}' has only crowds (iscrowd 1), which count neither for nor against a detection")
    format_notes = [] if masks else _format_notes(path, document["annotations"], sizes)
    notes = _notes(document["annotations"], without_area, masks=masks)
    return CocoGroundTruth(str(path), document, (*repeated, *format_notes, *notes))


def quoted_names(words: Sequence[object], *, limit: int = _MAX_NAMED) -> str:
    """The first few in quotes, and how many more there are."""
    first = ", ".join(f"'{word}'" for word in words[:limit])
    return first if len(words) <= limit else f"{first} and {len(words) - limit:,} more"


def sides_of(
    entries: Sequence[Mapping[str, Any]], sizes: Mapping[int, tuple[int | None, int | None]]
) -> npt.NDArray[np.float64]:
    """Width and height of the image of each entry, float64 [N, 2]; infinity if unknown.

    sizes  height and width by image id
    """
    sides = [(width or np.inf, height or np.inf) for height, width in (sizes[entry["image_id"]] for entry in entries)]
    return np.array(sides, np.float64).reshape(-1, 2)


def _ids(path: Path, document: Mapping[str, Any], section: str) -> set[int]:
    """The ids of images or categories, which are put into the document as integers."""
    invalid = InvalidEntries()
    named = read_names(path, document, section, invalid, unique=True)
    invalid.raise_if_any(path, DataError)
    if not named:
        raise DataError(f"'{path}' has no {section}")
    for entry, (entry_id, name) in zip(document[section], named, strict=True):
        entry |= {"id": entry_id, ("name" if section == "categories" else "file_name"): name}
    return {entry_id for entry_id, _ in named}


def _check(position: RecordPosition, entry: dict[str, Any], image_ids: set[int], category_ids: set[int]) -> None:
    """Check an annotation, and put its values into it as they were read."""
    image_id, category_id = entry_ids(position, entry)
    for key, own, known, section in (
        ("image_id", image_id, image_ids, "images"),
        ("category_id", category_id, category_ids, "categories"),
    ):
        if own not in known:
            position.refuse(f"{key} {own} is not in '{section}'")
    area, box, crowd = entry_area(entry), position.box(box_values(entry)), entry_crowd(position, entry)
    entry |= {"image_id": image_id, "category_id": category_id, "bbox": list(box), "iscrowd": int(crowd)}
    entry |= {"area": box[2] * box[3] if area is None else area}


def _check_mask(position: RecordPosition, entry: Any, sizes: Mapping[int, tuple[Any, Any]]) -> None:
    outline = read_outline(entry.get("segmentation"))
    size = sizes[entry["image_id"]]
    if outline is None:
        position.refuse("it has no mask: a segmentation of polygons or RLE")
    if any(type(side) is not int or side < 1 for side in size):
        position.refuse(f"its image {entry['image_id']} has no width and height, which masks need")
    if isinstance(outline, Rle) and outline.size_hw != size:
        position.refuse(f"its mask is for {list(outline.size_hw)}, and the image's height and width are {list(size)}")


def _format_notes(
    path: Path, annotations: Sequence[Mapping[str, Any]], sizes: Mapping[int, tuple[int | None, int | None]]
) -> list[str]:
    """A note if the boxes may be in another format. Raises DataError if they are."""
    boxes = np.array([entry["bbox"] for entry in annotations], np.float64).reshape(-1, 4)
    likely = likely_format(boxes, sides_of(annotations, sizes), COCO, _SLACK)
    if likely is None:
        return []
    if likely.certain:
        raise DataError(f"'{path}' cannot be used: {likely.reason}; COCO boxes are {COCO}")
    return [f"'{path}': {likely.reason}: check the format of the boxes, which is {COCO} in COCO"]


def _notes(annotations: Sequence[Mapping[str, Any]], without_area: int, *, masks: bool) -> Iterator[str]:
    ids = [repr(entry.get("id")) for entry in annotations]
    repeated = len(ids) - len(set(ids))
    if repeated:
        yield f"{repeated:,} annotations share their id with another one; each is evaluated separately"
    ids_and_crowd = np.array([[entry[key] for key in _IDENTITY] for entry in annotations], np.int64)
    boxes = np.array([entry["bbox"] for entry in annotations], np.float64)
    sources = [entry.get("segmentation") for entry in annotations] if masks else None
    duplicates = int(find_duplicates(ids_and_crowd, boxes, sources).sum())
    if duplicates:
        yield (
            f"{counted(duplicates, 'annotation is a duplicate', 'annotations are duplicates')} of another one, of the same "
            "image and category: each is evaluated separately, which lowers AP"
        )
    if without_area:
        have = counted(without_area, "annotation has", "annotations have")
        yield f"{have} an area that is not a positive number: the area of the box counts"
