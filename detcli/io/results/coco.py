"""COCO: the full dictionary with a score in each annotation, or the bare list of results; boxes, masks, or both."""

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
    """Images in the file's order, those without boxes among them; then those that `info.failed` names."""
    document = read_coco_document(path, kind="results")
    invalid = InvalidEntries()
    names = dict(read_names(path, document, "categories", invalid))
    invalid.raise_if_any(path, InputError)
    boxes = _boxes(path, document["annotations"], "annotation", names)
    for number, entry in enumerate(document["images"]):
        place = RecordPosition(path, f"image {number}")
        image = place.mapping(entry)
        image_id = place.whole(image.get("id"), "id")
        height, width = (place.whole_or_none(image.get(side), side) for side in ("height", "width"))
        size = None if height is None or width is None else (height, width)
        found = tuple(boxes.pop(image_id, ()))
        yield StoredImage(place.where, place.text(image.get("file_name"), "file_name"), image_id, size, found)
    if boxes:
        raise InputError(f"'{path}': there are annotations of the image {next(iter(boxes))}, which is not in 'images'")
    info = document.get("info")
    failed = info.get("failed", []) if isinstance(info, dict) else []
    for number, entry in enumerate(failed if isinstance(failed, list) else []):
        place = RecordPosition(path, f"failed image {number}")
        image = place.mapping(entry)
        message = str((image.get("error") or {}).get("message"))
        yield StoredImage(place.where, place.text(image.get("file_name"), "file_name"), None, None, None, error=message)


def read_coco_results(path: Path) -> Iterator[StoredImage]:
    """Images in the order of their first result; those without results are not in such a file."""
    document = read_coco_json(path, kind="results")
    if not isinstance(document, list):
        raise InputError(f"'{path}' holds no COCO results: they are a list, and this is {type(document).__name__}")
    found = _boxes(path, document, "entry", None)
    for image_id in list(found):
        yield StoredImage(f"image {image_id}", None, image_id, None, tuple(found.pop(image_id)))


def _boxes(path: Path, entries: list[Any], noun: str, names: Mapping[int, str] | None) -> dict[int, list[StoredBox]]:
    """Boxes by image id; `names` of the categories where the file has them. Empties the entries, to free memory."""
    found: dict[int, list[StoredBox]] = {}
    entries.reverse()
    for number in range(len(entries)):
        value = entries.pop()
        place = RecordPosition(path, f"{noun} {number}")
        entry = place.mapping(value)
        if "segments_info" in entry:
            place.refuse(
                "it is of COCO panoptic, whose segments are in PNGs: `detcli eval --iou-type panoptic` evaluates them, against "
                "annotations of that kind"
            )
        if "score" not in entry:
            place.refuse("it has no score: these are annotations, not what a detector found")
        mask = place.mask(entry.get("segmentation"), None)
        if "bbox" not in entry and mask is None and "segmentation" in entry:
            place.refuse("it has a segmentation without run lengths and no bbox: detcli evaluates boxes")
        category_id = place.whole(entry.get("category_id"), "category_id")
        if names is not None and category_id not in names:
            place.refuse(f"category_id {category_id} is not in 'categories'")
        box = StoredBox(
            None if names is None else names[category_id],
            category_id,
            place.number(entry["score"], "score"),
            place.box(entry.get("bbox", _around(mask))),
            mask,
            place.whole_or_none(entry.get("track_id"), "track_id"),
        )
        found.setdefault(place.whole(entry.get("image_id"), "image_id"), []).append(box)
    return found


def _around(mask: "Rle | None") -> Box | None:
    """The box around a mask: COCO's results of masks have none of their own."""
    if mask is None:
        return None
    left, top, right, bottom = mask.box_xyxy
    return left, top, right - left, bottom - top
