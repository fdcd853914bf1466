"""COCO annotations from JSON into columns. What cannot be a column, because its ids are none, is refused here."""

import json
import math
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from detcli.datasets.instance_masks import Outline, read_outline
from detcli.datasets.issues import IssueReport
from detcli.errors import ImageError, UsageError
from detcli.io.read import read_bytes

_MAX_BYTES = 4 << 30  # the largest public set, Objects365, has 1.2 GB
_MOST_ID = 2**63 - 1
_SECTIONS = ("images", "annotations", "categories")


@dataclass(frozen=True, slots=True)
class AnnotationColumns:
    """What the three sections say, in their order, unchecked but for ids.

    category_ids    of each category
    category_names  of each category
    image_ids       int64 [P]
    file_names      of each image
    sizes_hw        int32 [P, 2]    0 where there is none
    numbers         int64 [N]       the annotations' own ids; -1 where there is none
    images_of       int64 [N]       image id of each annotation
    categories_of   int64 [N]       category id of each annotation
    xywh            float64 [N, 4]  NaN where there is no box of four numbers, and no polygon to take one from
    areas           float64 [N]     NaN where there is none
    crowd           bool [N]
    masks           of each annotation, what a mask can be made of, or None; None where nobody asked for masks
    """

    category_ids: list[int]
    category_names: list[str]
    image_ids: npt.NDArray[np.int64]
    file_names: list[str]
    sizes_hw: npt.NDArray[np.int32]
    numbers: npt.NDArray[np.int64]
    images_of: npt.NDArray[np.int64]
    categories_of: npt.NDArray[np.int64]
    xywh: npt.NDArray[np.float64]
    areas: npt.NDArray[np.float64]
    crowd: npt.NDArray[np.bool_]
    masks: list[Any] | None = None

    def name_of(self, row: int) -> str:
        """What to call an annotation in a message."""
        number = int(self.numbers[row])
        called = f"annotation {number}" if number >= 0 else f"annotation number {row} in the list"
        (images,) = np.nonzero(self.image_ids == self.images_of[row])
        image = f"'{self.file_names[images[0]]}'" if len(images) else f"image {self.images_of[row]}"
        return f"{called} of {image}"


def read_columns(path: Path, findings: IssueReport, *, masks: bool = False) -> AnnotationColumns:
    """Read COCO annotations.

    masks  keep outlines too

    Raises UsageError where the file is not there or is not of that kind, and DataError where an entry has no name or no
    whole number for an id.
    """
    sections = read_sections(path, _with_outlines if masks else _without_masks)
    outlines = [_outline(entry) for entry in sections["annotations"]] if masks else None
    return to_columns(sections, findings, masks=outlines)


def to_columns(sections: dict[str, list[Any]], findings: IssueReport, *, masks: list[Any] | None) -> AnnotationColumns:
    """The columns of COCO's three sections. Raises DataError where an entry has no name or no whole number for an id."""
    images, categories = sections["images"], sections["categories"]
    _check_entries("images", images, "file_name", findings)
    _check_entries("categories", categories, "name", findings)
    columns = _annotation_columns(sections["annotations"], findings)
    return AnnotationColumns(
        category_ids=[category["id"] for category in categories],
        category_names=[category["name"] for category in categories],
        image_ids=np.array([image["id"] for image in images], np.int64),
        file_names=[image["file_name"] for image in images],
        sizes_hw=np.array([_size(image) for image in images], np.int32).reshape(-1, 2),
        masks=masks,
        **columns,
    )


def read_sections(path: Path, hook: Callable[[dict[str, Any]], Any] | None = None) -> dict[str, list[Any]]:
    """The three sections, as lists of whatever there is; `hook` is given each object as soon as it is parsed.

    Raises UsageError where the file is not there or is not of that kind.
    """
    try:
        found = json.loads(read_bytes(path, max_bytes=_MAX_BYTES), object_hook=hook)
    except ImageError as error:
        raise UsageError(f"cannot read the annotations '{path}': {error}") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"the annotations '{path}' are not JSON: {error}") from error
    if isinstance(found, list):
        raise UsageError(f"'{path}' holds no COCO annotations: it is a list, as results are; annotations have 'images'")
    for section in _SECTIONS:
        if not isinstance(found, dict) or not isinstance(found.get(section), list):
            raise UsageError(f"'{path}' holds no COCO annotations: it has no list of '{section}'")
    return {section: found[section] for section in _SECTIONS}


def _without_masks(entry: dict[str, Any]) -> dict[str, Any]:
    """Let go of masks as soon as they are parsed: they are most of the file. Where there is no box, they give it."""
    if "segmentation" in entry:
        mask = entry.pop("segmentation")
        if entry.get("bbox") is None:
            entry["bbox"] = _box_around(mask)
    return entry


def _with_outlines(entry: dict[str, Any]) -> dict[str, Any]:
    """Make masks small as soon as they are parsed."""
    if "segmentation" in entry:
        mask = entry["segmentation"]
        entry["segmentation"] = read_outline(mask)
        if entry.get("bbox") is None:
            entry["bbox"] = _box_around(mask)
    return entry


def _outline(entry: object) -> Outline | None:
    return entry.get("segmentation") if isinstance(entry, dict) else None


def _box_around(polygons: object) -> list[float] | None:
    """The box x, y, w, h around polygons [[x, y, x, y …], …]; None where they are none."""
    parts = [part for part in polygons if isinstance(part, list)] if isinstance(polygons, list) else []
    values = [value for part in parts for value in part]
    if not values or any(type(value) not in (int, float) for value in values) or any(len(part) % 2 for part in parts):
        return None
    xs, ys = ([value for part in parts for value in part[start::2]] for start in (0, 1))
    return [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)]


def _check_entries(section: str, entries: Sequence[Any], name_key: str, findings: IssueReport) -> None:
    """Each entry needs a name and a whole number for an id."""
    findings.refuse(
        sum(not isinstance(entry, dict) or not isinstance(entry.get(name_key), str) for entry in entries),
        f"of its {section} {{have}} no '{name_key}'",
        (
            f"number {place}"
            for place, entry in enumerate(entries)
            if not isinstance(entry, dict) or not isinstance(entry.get(name_key), str)
        ),
    )
    wrong = [entry for entry in entries if not _is_id(entry.get("id"))]
    findings.refuse(
        len(wrong),
        f"of its {section} {{have}} an id that is not a whole number",
        (f"{_short(entry.get('id'))} of '{entry[name_key]}'" for entry in wrong),
        advice="number them anew",
    )


def _annotation_columns(entries: Sequence[Any], findings: IssueReport) -> dict[str, Any]:
    wrong = list(_without_ids(entries))
    findings.refuse(
        len(wrong), "of its annotations {have} an 'image_id' or 'category_id' that is not a whole number", wrong
    )
    numbers, images_of, categories_of = array("q"), array("q"), array("q")
    xywh, areas, crowd = array("d"), array("d"), array("b")
    for entry in entries:
        number = entry.get("id")
        numbers.append(number if _is_id(number) else -1)
        images_of.append(entry["image_id"])
        categories_of.append(entry["category_id"])
        xywh.extend(_four_numbers(entry.get("bbox")))
        areas.append(_number(entry.get("area")))
        crowd.append(entry.get("iscrowd") in (1, True))
    return {
        "numbers": np.array(numbers, np.int64),
        "images_of": np.array(images_of, np.int64),
        "categories_of": np.array(categories_of, np.int64),
        "xywh": np.array(xywh, np.float64).reshape(-1, 4),
        "areas": np.array(areas, np.float64),
        "crowd": np.array(crowd, np.bool_),
    }


def _without_ids(entries: Iterable[Any]) -> Iterator[str]:
    for place, entry in enumerate(entries):
        if not isinstance(entry, dict):
            yield f"number {place}"
        elif not _is_id(entry.get("image_id")) or not _is_id(entry.get("category_id")):
            ids = f"image {_short(entry.get('image_id'))}, category {_short(entry.get('category_id'))}"
            yield f"number {place} ({ids})"


def _is_id(value: object) -> bool:
    return type(value) is int and -_MOST_ID <= value <= _MOST_ID


def _four_numbers(box: object) -> list[float]:
    if isinstance(box, list) and len(box) == 4:
        return [_number(value) for value in box]
    return [math.nan] * 4


def _number(value: object) -> float:
    """A finite number, or NaN."""
    if type(value) not in (int, float):
        return math.nan
    try:
        number = float(value)  # type: ignore[arg-type]
    except OverflowError:
        return math.nan
    return number if math.isfinite(number) else math.nan


def _size(image: dict[str, Any]) -> tuple[int, int]:
    """Height and width; zeros unless both are whole numbers that an image may have."""
    sizes = tuple(_number(image.get(key)) for key in ("height", "width"))
    if all(1 <= size < 2**31 and size == int(size) for size in sizes):
        return int(sizes[0]), int(sizes[1])
    return 0, 0


def _short(value: object) -> str:
    return "none" if value is None else repr(value)[:60]
