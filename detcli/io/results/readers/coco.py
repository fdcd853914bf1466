"""Reads COCO: the full document with a score per annotation, or the list of results; boxes, masks, or both."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from detcli.errors import InputError
from detcli.io.coco.coco_entries import box_values, entry_ids, image_size, read_rle
from detcli.io.coco.coco_reader import InvalidEntries, integer_id, read_coco_document, read_coco_json, read_names
from detcli.io.record_values import RecordPosition
from detcli.io.results.stored import StoredBox, StoredImage, known_code

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
        image_id = integer_id(record, image.get("id"), "id")
        found = tuple(boxes.pop(image_id, ()))
        frame, time_s = _frame(record, image)
        yield StoredImage(
            record.where,
            record.text(image.get("file_name"), "file_name"),
            image_id,
            image_size(image),
            found,
            frame=frame,
            time_s=time_s,
        )
    if boxes:
        raise InputError(f"'{path}': there are annotations of the image {next(iter(boxes))}, which is not in 'images'")
    info = document.get("info")
    failed = info.get("failed", []) if isinstance(info, dict) else []
    for number, entry in enumerate(failed if isinstance(failed, list) else []):
        record = RecordPosition(path, f"failed image {number}")
        image = record.mapping(entry)
        error = image.get("error")
        message = str(error.get("message") if isinstance(error, dict) else error)
        frame, time_s = _frame(record, image)
        yield StoredImage(
            record.where,
            record.text(image.get("file_name"), "file_name"),
            None,
            None,
            None,
            error=message,
            frame=frame,
            index=record.integer_or_none(image.get("index"), "index"),
            time_s=time_s,
            code=known_code(error.get("code") if isinstance(error, dict) else None),
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
        mask, bbox = _mask(record, entry.get("segmentation")), box_values(entry)
        if bbox is None and "segmentation" in entry:
            record.refuse("it has no bbox, and its segmentation is neither run-length encoded nor polygons")
        image_id, category_id = entry_ids(record, entry)
        if names is not None and category_id not in names:
            record.refuse(f"category_id {category_id} is not in 'categories'")
        box = StoredBox(
            None if names is None else names[category_id],
            category_id,
            record.score(entry["score"]),
            record.box(bbox),
            mask,
            record.integer_or_none(entry.get("track_id"), "track_id"),
            record.numbers(entry.get("bbox_std"), "bbox_std"),
        )
        found.setdefault(image_id, []).append(box)
    return found


def _frame(record: RecordPosition, image: Mapping[str, Any]) -> tuple[int | None, float | None]:
    """Number and time of a video frame, of files that detcli wrote; None for images."""
    time_s = image.get("time_s")
    frame = record.integer_or_none(image.get("frame"), "frame")
    return frame, None if time_s is None else record.number(time_s, "time_s")


def _mask(record: RecordPosition, segmentation: Any) -> "Rle | None":
    """The run-length encoded mask of an entry, compressed or not; None for polygons or no mask."""
    if not isinstance(segmentation, dict) or not isinstance(segmentation.get("counts"), list):
        return record.mask(segmentation, None)
    mask = read_rle(segmentation)
    if mask is None:
        record.refuse("its segmentation is damaged: its runs do not fill its size")
    return mask
