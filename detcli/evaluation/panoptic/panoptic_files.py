"""COCO panoptic files, of the ground truth or of what was found: segments of images by name or id. Opens no image itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from detcli.datasets.coco.coco_panoptic import SegmentMasks, png_folders
from detcli.datasets.find_images import locate
from detcli.datasets.issues import IssueReport
from detcli.errors import DataError, ImageError
from detcli.evaluation.panoptic.panoptic_quality import SegmentTable
from detcli.io.coco.coco_reader import Kind, posix_name, read_coco_json
from detcli.io.record_values import RecordPosition
from detcli.structures.class_labels import plain_name


@dataclass(frozen=True, slots=True)
class Category:
    """One category."""

    name: str
    category_id: int
    is_thing: bool


@dataclass(frozen=True, slots=True)
class PanopticFile:
    """A file and its PNGs.

    name        as the user typed it
    names       of images by id; none where the file lists none
    categories  in the order of their ids; none where the file lists none
    entries     PNG, category by segment id, and crowds, by image id
    """

    name: str
    names: Mapping[int, str]
    categories: Sequence[Category]
    entries: Mapping[int, tuple[str, Mapping[int, int], frozenset[int]]]

    def segments(self, image_id: int) -> SegmentTable:
        """The segments of an image that there is an entry of. Raises DataError where the PNG does not belong to it."""
        png, categories, crowds = self.entries[image_id]
        try:
            ids = SegmentMasks(np.zeros(0, np.uint32), [png]).read(0).astype(np.int64)
        except ImageError as error:
            raise DataError(f"'{self.name}', image {image_id}: {error}") from error
        there = set(np.unique(ids).tolist()) - {0}
        for what, odd in (
            ("its PNG has the id {}, which is not in 'segments_info'", there - categories.keys()),
            ("no pixel of its PNG has the id {} of 'segments_info'", categories.keys() - there),
        ):
            if odd:
                raise DataError(f"'{self.name}', image {image_id} ('{png}'): {what.format(min(odd))}")
        return SegmentTable(ids, categories, crowds)


def read_panoptic(path: Path, kind: Kind = "results") -> PanopticFile:
    """Read a file and find its PNGs.

    kind  "results" or "annotations", for messages

    Raises UsageError where it cannot be read, and InputError or DataError for another kind of file or ids that are none.
    """
    document = read_coco_json(path, kind=kind)
    entries = document.get("annotations") if isinstance(document, dict) else None
    if not isinstance(entries, list) or not all(isinstance(one, dict) and "segments_info" in one for one in entries):
        raise DataError(
            f"'{path}' holds no COCO panoptic {kind}: its annotations have no 'segments_info'. 'detcli segment -f "
            "coco-panoptic' writes them"
        )
    read: dict[int, tuple[str, dict[int, int], frozenset[int]]] = {}
    for number, entry in enumerate(entries):
        place = RecordPosition(path, f"annotation {number}")
        image_id = place.whole(entry.get("image_id"), "image_id")
        if image_id in read:
            place.refuse(f"image {image_id} stands twice")
        read[image_id] = (place.text(entry.get("file_name"), "file_name"), *_segments(place, entry["segments_info"]))
    pngs = _located([name for name, _, _ in read.values()], path)
    return PanopticFile(
        str(path),
        _names(path, document.get("images") or []),
        _categories(path, document.get("categories") or []),
        {image_id: (png, *rest) for (image_id, (_, *rest)), png in zip(read.items(), pngs, strict=True)},  # type: ignore[misc]
    )


def partners(found: PanopticFile, truth: PanopticFile) -> dict[int, int]:
    """Image id of the ground truth -> that of what was found: by name where both have names, else by id."""
    if not found.names or not truth.names:
        return {image_id: image_id for image_id in truth.entries if image_id in found.entries}
    by_name = {posix_name(name): image_id for image_id, name in found.names.items() if image_id in found.entries}
    by_end: dict[str, list[int]] = {}
    for name, image_id in by_name.items():
        by_end.setdefault(name.rpartition("/")[2], []).append(image_id)
    pairs: dict[int, int] = {}
    for image_id, name in truth.names.items():
        ends = by_end.get(posix_name(name).rpartition("/")[2], [])
        if posix_name(name) in by_name:
            pairs[image_id] = by_name[posix_name(name)]
        elif len(ends) == 1:
            pairs[image_id] = ends[0]
    return pairs


def renamed(found: PanopticFile, truth: PanopticFile) -> dict[int, int]:
    """Category id of what was found -> that of the ground truth, by name; ids as they are where the file names none."""
    own = {plain_name(one.name): one.category_id for one in truth.categories}
    if not found.categories:
        return {one.category_id: one.category_id for one in truth.categories}
    return {one.category_id: own[plain_name(one.name)] for one in found.categories if plain_name(one.name) in own}


def _segments(place: RecordPosition, entries: Any) -> tuple[dict[int, int], frozenset[int]]:
    if not isinstance(entries, list):
        place.refuse("its 'segments_info' is no list")
    categories: dict[int, int] = {}
    crowds = set()
    for entry in entries:
        number = place.whole(place.mapping(entry).get("id"), "id")
        if not 0 < number < 1 << 24 or number in categories:
            place.refuse(f"the segment id {number} is no color, or stands twice")
        categories[number] = place.whole(entry.get("category_id"), "category_id")
        if entry.get("iscrowd") in (1, True):
            crowds.add(number)
    return categories, frozenset(crowds)


def _located(names: Sequence[str], path: Path) -> list[str]:
    if not names:
        return []
    findings = IssueReport(str(path))
    found = locate(names, png_folders(path), findings)
    missing = [f"'{png}'" for png, there in zip(found.paths, found.there, strict=True) if not there]
    findings.refuse(len(missing), f"of its {len(names):,} PNGs {{are}} missing", missing)
    return found.paths


def _names(path: Path, entries: Sequence[Any]) -> dict[int, str]:
    places = ((RecordPosition(path, f"image {number}"), entry) for number, entry in enumerate(entries))
    return {
        place.whole(place.mapping(entry).get("id"), "id"): place.text(entry.get("file_name"), "file_name")
        for place, entry in places
    }


def _categories(path: Path, entries: Sequence[Any]) -> tuple[Category, ...]:
    places = ((RecordPosition(path, f"category {number}"), entry) for number, entry in enumerate(entries))
    found = [
        Category(
            place.text(place.mapping(entry).get("name"), "name"),
            place.whole(entry.get("id"), "id"),
            entry.get("isthing", 1) not in (0, False),
        )
        for place, entry in places
    ]
    return tuple(sorted(found, key=lambda one: one.category_id))
