"""COCO panoptic files, of the ground truth or of results: segments of images by name or id."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from detcli.datasets.coco.coco_panoptic import SegmentMasks, png_folders
from detcli.datasets.images.find_images import find_images
from detcli.datasets.issues import IssueReport
from detcli.errors import DataError, ImageError
from detcli.evaluation.panoptic.panoptic_quality import SegmentTable
from detcli.io.coco.coco_entries import entry_crowd
from detcli.io.coco.coco_reader import (
    InvalidEntries,
    Kind,
    integer_id,
    posix_name,
    read_coco_json,
    read_names,
    reject_detections,
)
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
    names       image names by id; empty if the file lists none
    categories  sorted by id; empty if the file lists none
    entries     PNG, category by segment id, and crowds, by image id
    folder      that the PNGs were found in; empty if there are none
    """

    name: str
    names: Mapping[int, str]
    categories: Sequence[Category]
    entries: Mapping[int, tuple[str, Mapping[int, int], frozenset[int]]]
    folder: str = ""

    def segments(self, image_id: int) -> SegmentTable:
        """The segments of an image that has an entry. Raises DataError if the PNG does not match it."""
        png, categories, crowds = self.entries[image_id]
        try:
            ids = SegmentMasks(np.zeros(0, np.uint32), [png]).read(0).astype(np.int64)
        except ImageError as error:
            raise DataError(f"'{self.name}', image {image_id}: {error}") from error
        present = set(np.unique(ids).tolist()) - {0}
        for problem, segment_ids in (
            ("its PNG has the id {}, which is not in 'segments_info'", present - categories.keys()),
            ("no pixel of its PNG has the id {} of 'segments_info'", categories.keys() - present),
        ):
            if segment_ids:
                raise DataError(f"'{self.name}', image {image_id} ('{png}'): {problem.format(min(segment_ids))}")
        return SegmentTable(ids, categories, crowds)


def read_panoptic(path: Path, kind: Kind = "results") -> PanopticFile:
    """Read a file and find its PNGs.

    kind  "results" or "annotations", for messages

    Raises UsageError if it cannot be read, and InputError or DataError for another kind of file or invalid ids.
    """
    document = read_coco_json(path, kind=kind)
    entries = document.get("annotations") if isinstance(document, dict) else None
    if not isinstance(entries, list) or not all(
        isinstance(entry, dict) and "segments_info" in entry for entry in entries
    ):
        raise DataError(f"'{path}' is not a file of COCO panoptic {kind}: its annotations have no 'segments_info'")
    if kind == "annotations":
        reject_detections(path, _with_segments(entries), DataError)
    read: dict[int, tuple[str, dict[int, int], frozenset[int]]] = {}
    for number, entry in enumerate(entries):
        position = RecordPosition(path, f"annotation {number}")
        image_id = integer_id(position, entry.get("image_id"), "image_id")
        if image_id in read:
            position.refuse(f"image {image_id} occurs twice")
        read[image_id] = (
            position.text(entry.get("file_name"), "file_name"),
            *_segments(position, entry["segments_info"]),
        )
    names, categories = _names(path, document), _categories(path, document)
    folder, pngs = _located([name for name, _, _ in read.values()], path)
    return PanopticFile(
        str(path),
        names,
        categories,
        {image_id: (png, *rest) for (image_id, (_, *rest)), png in zip(read.items(), pngs, strict=True)},  # type: ignore[misc]
        folder,
    )


def _with_segments(entries: Sequence[Any]) -> Iterator[Any]:
    for entry in entries:
        yield entry
        yield from entry["segments_info"] if isinstance(entry["segments_info"], list) else ()


def match_images(predicted: PanopticFile, ground_truth: PanopticFile) -> dict[int, int]:
    """Image id of the ground truth -> that of the results: by name if both files have names, else by id."""
    if not predicted.names or not ground_truth.names:
        return {image_id: image_id for image_id in ground_truth.entries if image_id in predicted.entries}
    by_path = {
        posix_name(name): image_id for image_id, name in predicted.names.items() if image_id in predicted.entries
    }
    by_basename: dict[str, list[int]] = {}
    for path, image_id in by_path.items():
        by_basename.setdefault(path.rpartition("/")[2], []).append(image_id)
    matches: dict[int, int] = {}
    for image_id, name in ground_truth.names.items():
        path = posix_name(name)
        candidates = by_basename.get(path.rpartition("/")[2], [])
        if path in by_path:
            matches[image_id] = by_path[path]
        elif len(candidates) == 1:
            matches[image_id] = candidates[0]
    return matches


def match_categories(predicted: PanopticFile, ground_truth: PanopticFile) -> dict[int, int]:
    """Category id of the results -> that of the ground truth, by name; unchanged if the results name none."""
    ids = {plain_name(one.name): one.category_id for one in ground_truth.categories}
    if not predicted.categories:
        return {one.category_id: one.category_id for one in ground_truth.categories}
    return {one.category_id: ids[plain_name(one.name)] for one in predicted.categories if plain_name(one.name) in ids}


def _segments(position: RecordPosition, entries: Any) -> tuple[dict[int, int], frozenset[int]]:
    if not isinstance(entries, list):
        position.refuse("its 'segments_info' is not a list")
    categories: dict[int, int] = {}
    crowds = set()
    for entry in entries:
        number = position.integer(position.mapping(entry).get("id"), "id")
        if not 0 < number < 1 << 24 or number in categories:
            position.refuse(f"the segment id {number} is not a color, or occurs twice")
        categories[number] = integer_id(position, entry.get("category_id"), "category_id")
        if entry_crowd(position, entry):
            crowds.add(number)
    return categories, frozenset(crowds)


def _located(names: Sequence[str], path: Path) -> tuple[str, list[str]]:
    """The folder that has the PNGs, and the path of each. Raises DataError if one is missing."""
    if not names:
        return "", []
    issues = IssueReport(str(path))
    pngs = find_images(names, png_folders(path), issues)
    missing = [f"'{png}'" for png, exists in zip(pngs.paths, pngs.exists, strict=True) if not exists]
    issues.raise_if_any(len(missing), f"of its {len(names):,} PNGs {{are}} missing", missing)
    return pngs.folder, pngs.paths


def _names(path: Path, document: Mapping[str, Any]) -> dict[int, str]:
    """Image names by id; none if the file lists no images."""
    return dict(_section(path, document, "images"))


def _categories(path: Path, document: Mapping[str, Any]) -> tuple[Category, ...]:
    """The categories sorted by id; none if the file lists none."""
    named = _section(path, document, "categories")
    things = [entry.get("isthing", 1) not in (0, False) for entry in document.get("categories") or []]
    categories = (Category(name, number, is_thing) for (number, name), is_thing in zip(named, things, strict=True))
    return tuple(sorted(categories, key=lambda category: category.category_id))


def _section(path: Path, document: Mapping[str, Any], section: str) -> list[tuple[int, str]]:
    """Id and name of each entry, by the rules of all COCO files. Raises DataError with the first ten invalid entries."""
    entries = document.get(section) or []
    if not isinstance(entries, list):
        raise DataError(f"'{path}' cannot be used: its '{section}' is not a list")
    invalid = InvalidEntries()
    named = read_names(path, {section: entries}, section, invalid)
    invalid.raise_if_any(path, DataError)
    return named
