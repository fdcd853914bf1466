"""Reads COCO: the full document with a score per annotation, or the list of results; boxes, masks, or both."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from detcli.errors import InputError
from detcli.io.coco.coco_reader import InvalidEntries, read_coco_document, read_coco_json, read_names
from detcli.io.record_values import Box, RecordPosition
from detcli.io.results.stored import StoredBox, StoredImage

if TYPE_CHECKING:
    from detcli.structures.masks import Rle


def read_coco(path: Path) -> Iterator[StoredImage]:
    """Read the images in the order of the file, also those without boxes; then the failed ones of `info.failed`."""
    document = read_coco_document(path, kind="results")
    invalid = InvalidEntries()
    names = dict(read_names(path, document, "categories", invalid))
    invalid.raise_if_any(path, InputError)
    boxes = _boxes(path, document["annotations"], "annotation", names)
    for number, entry in enumerate(document["images"]):
        record = RecordPosition(path, f"image {number}")
        image = record.mapping(entry)
        image_id = record.integer(image.get("id"), "id")
        height, width = (record.integer_or_none(image.get(side), side) for side in ("height", "width"))
        size = None if height is None or width is None else (height, width)
        found = tuple(boxes.pop(image_id, ()))
        yield StoredImage(record.where, record.text(image.get("file_name"), "file_name"), image_id, size, found)
    if boxes:
        raise InputError(f"'{path}': there are annotations of the image {next(iter(boxes))}, which is not in 'images'")
    info = document.get("info")
    failed = info.get("failed", []) if isinstance(info, dict) else []
    for number, entry in enumerate(failed if isinstance(failed, list) else []):
        record = RecordPosition(path, f"failed image {number}")
        image = record.mapping(entry)
        message = str((image.get("error") or {}).get("message"))
        yield StoredImage(
            record.where, record.text(image.get("file_name"), "file_name"), None, None, None, error=message
        )


def read_coco_results(path: Path) -> Iterator[StoredImage]:
    """Read the images in the order of their first result; such files have no images without results."""
    document = read_coco_json(path, kind="results")
    if not isinstance(document, list):
        raise InputError(f"'{path}' holds no COCO results: they are a list, and this is {type(document).__name__}")
    found = _boxes(path, document, "entry", None)
    for image_id in list(found):
        yield StoredImage(f"image {image_id}", None, image_id, None, tuple(found.pop(image_id)))


def _boxes(path: Path, entries: list[Any], noun: str, names: Mapping[int, str] | None) -> dict[int, list[StoredBox]]:
    """Boxes by image id. Empties `entries` to free memory.

    names  names of the categories, if the file has them
    """
    found: dict[int, list[StoredBox]] = {}
    entries.reverse()
    for number in range(len(entries)):
        value = entries.pop()
        record = RecordPosition(path, f"{noun} {number}")
        entry = record.mapping(value)
        if "segments_info" in entry:
            record.refuse(
                "it is COCO panoptic, whose segments are in PNG files: use `iou_type=panoptic` and ground truth of that kind"
            )
        if "score" not in entry:
            record.refuse("it has no score: these are annotations, not detections")
        mask = record.mask(entry.get("segmentation"), None)
        if "bbox" not in entry and mask is None and "segmentation" in entry:
            record.refuse("its segmentation is not run-length encoded, and it has no bbox")
        category_id = record.integer(entry.get("category_id"), "category_id")
        if names is not None and category_id not in names:
            record.refuse(f"category_id {category_id} is not in 'categories'")
        box = StoredBox(
            None if names is None else names[category_id],
            category_id,
            record.number(entry["score"], "score"),
            record.box(entry.get("bbox", _around(mask))),
            mask,
            record.integer_or_none(entry.get("track_id"), "track_id"),
        )
        found.setdefault(record.integer(entry.get("image_id"), "image_id"), []).append(box)
    return found


def _around(mask: "Rle | None") -> Box | None:
    """The box around a mask, because COCO results of masks have no box."""
    if mask is None:
        return None
    left, top, right, bottom = mask.box_xyxy
    return left, top, right - left, bottom - top
