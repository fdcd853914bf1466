"""Matches stored results with the ground truth: images by id or name, categories by name.

A mismatch that would make every metric 0 is an error; one that leaves a part to evaluate is a note.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from detcli.errors import DataError, InputError
from detcli.evaluation.coco_ground_truth import CocoGroundTruth
from detcli.evaluation.results.category_index import CategoryIndex
from detcli.evaluation.results.image_index import ImageIndex
from detcli.io.results import StoredBox, StoredImage
from detcli.text import counted

Result = dict[str, Any]

_MAX_LOWEST_SCORE = 0.05  # results that keep every score have lower ones


@dataclass(frozen=True, slots=True)
class MatchedResults:
    """Results with the ids of the ground truth.

    results  as `evaluate_coco` takes them
    images   number of images of the ground truth that have results, also empty ones
    listed   image ids of all images that were processed; None: the results name only images with detections
    by_id    no image of the results has a name: they were matched by their ids alone
    failed   number of images that failed when the results were made
    notes    sentences for the user
    """

    results: list[Result]
    images: int
    listed: frozenset[int] | None
    by_id: bool
    failed: int
    notes: tuple[str, ...]


def match_results(
    images: Iterable[StoredImage], ground_truth: CocoGroundTruth, name: str, *, masks: bool = False
) -> MatchedResults:
    """Give results the ids of the ground truth.

    name   of the results, for messages
    masks  masks are evaluated: each result must have one

    An image with a name matches the image of the same relative path, then the one with the same id and base name, then
    the only one with the same base name; an image with an id alone matches the image with that id.

    Raises DataError if ids are not those of the ground truth, no image or no category matches, or an image occurs
    twice; InputError if there are no results at all.
    """
    image_index = ImageIndex(ground_truth, name)
    category_index = CategoryIndex(ground_truth, name)
    sizes = {image["id"]: (image.get("height"), image.get("width")) for image in ground_truth.images}
    results: list[Result] = []
    for image in images:
        image_id = image_index.match(image)
        for box in image.boxes or ():
            category_id = category_index.match(box)
            if image_id is not None and category_id is not None:
                result = {"image_id": image_id, "category_id": category_id, "bbox": list(box.bbox), "score": box.score}
                if masks:
                    result |= _mask_of(box, sizes[image_id], f"'{name}', {image.position}")
                results.append(result)
    image_index.check()
    if not category_index.boxes and not image_index.processed:
        raise InputError(
            f"'{name}' has no detections and does not name the processed images; if nothing was detected, give results "
            "that name the images: .jsonl, or COCO with 'images'"
        )
    category_index.check()
    notes = (
        *image_index.notes(),
        *category_index.notes(),
        *_result_notes(results, category_index.boxes, masks=masks),
    )
    by_id = not image_index.named
    return MatchedResults(results, len(image_index.matched), image_index.listed, by_id, image_index.failed, notes)


def _mask_of(box: StoredBox, size_hw: tuple[Any, Any], where: str) -> dict[str, Any]:
    if box.mask is None:
        raise DataError(f"{where}: a box has no RLE mask, but masks are evaluated")
    if box.mask.size_hw != size_hw:
        raise DataError(
            f"{where}: a mask is for {list(box.mask.size_hw)}, but height and width of the image in the annotations are "
            f"{list(size_hw)}"
        )
    return {"segmentation": box.mask.as_json()}


def _result_notes(results: Sequence[Result], boxes: int, *, masks: bool) -> Iterator[str]:
    if not boxes:
        yield "no detections in any image: every metric is 0"
        return
    rows = {hash((r["image_id"], r["category_id"], *r["bbox"], r["score"])) for r in results}
    repeated = len(results) - len(rows)
    if repeated:
        yield f"{counted(repeated, 'detection is', 'detections are')} repeated: each counts as a false positive"
    settings = "`task=instance` with `format=coco-results` keeps" if masks else "`format=coco-results` keeps"
    scores = [r["score"] for r in results]
    lowest, highest = min(scores, default=0.0), max(scores, default=0.0)
    if lowest < 0 or highest > 1:
        yield (
            f"scores are from {lowest:.3g} to {highest:.3g}, not from 0 to 1: AP is valid, but there is no best threshold and "
            "no calibration, and `score` has another meaning"
        )
    elif lowest > _MAX_LOWEST_SCORE:
        yield (
            f"the lowest score is {lowest:.3g}: results cut off at a threshold have a lower AP; {settings} every score"
        )
