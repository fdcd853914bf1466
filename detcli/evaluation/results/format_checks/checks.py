"""Checks whether results and ground truth mean the same boxes, from how many match if either is read in another format.

A network may be poor; only if another reading matches far more boxes is it said.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from detcli.datasets.boxes.box_formats import COCO, YOLO, BoxFormat, Slack, ends_outside, likely_format
from detcli.errors import DataError
from detcli.evaluation.coco_ground_truth import CocoGroundTruth, sides_of
from detcli.evaluation.results.format_checks.image_pairs import (
    Boxes,
    FormatMatches,
    ImagePair,
    Json,
    count_matches,
    image_pairs,
    share_of,
)
from detcli.evaluation.results.format_checks.readings import ENOUGH, category_reason, format_reason, positions_reason
from detcli.text import counted

_SLACK = Slack(1.0, share=0.05)  # networks that do not clip their boxes stay within it
_MIN_OUTSIDE = 0.01  # share of boxes that end outside, before reasons are given
_MIN_FRACTIONS = 3  # boxes; fewer may be tiny ones by chance
_NOTHING, _MIN_TO_MATCH = 0.1, 10  # share of the ground truth that matches, and boxes of both, before it is said


def check_formats(
    results: Sequence[Json], ground_truth: CocoGroundTruth, name: str, *, format_name: str, ids_alone: bool = False
) -> list[str]:
    """Notes on boxes that seem to be in another format or of other images than they are read.

    results      COCO results that are matched with the ground truth: left, top, width, height in pixels
    name         of the results, for messages
    format_name  of the results: the numbers in a YOLO file are centers, those in a CSV file corners
    ids_alone    the results name no images: their ids may be positions

    Raises DataError if nothing matches as it is read, and most does in another way.
    """
    sizes = {image["id"]: (image.get("height"), image.get("width")) for image in ground_truth.images}
    boxes = np.array([entry["bbox"] for entry in results], np.float64).reshape(-1, 4)
    sides = sides_of(results, sizes)
    pairs = image_pairs(results, ground_truth, sizes)
    written = {"yolo": YOLO, "csv": BoxFormat("xyxy")}.get(format_name, COCO)
    as_read = count_matches(pairs)
    if as_read.total and as_read.count >= ENOUGH * as_read.total:
        return list(_outside_notes(boxes, sides, name, None))
    reason = format_reason(pairs, as_read, written, name, ground_truth.name)
    if reason is None and ids_alone:
        reason = positions_reason(results, ground_truth, sizes, as_read, name)
    if reason is None:
        reason = category_reason(pairs, as_read, f"'{name}'", ground_truth.name)
    if reason is not None:
        reason += f": {share_of(as_read)} as it is read"
    certain = reason is not None and not as_read.count
    likely = likely_format(written.from_xyxy(COCO.to_xyxy(boxes, sides), sides), sides, written, _SLACK)
    if reason is None and likely is not None and likely.certain:
        reason = f"the boxes in '{name}' are not {written}, or are of other images: {likely.reason}"
        certain = likely.fractions and not as_read.count and len(boxes) >= _MIN_FRACTIONS
    if certain:
        raise DataError(f"cannot evaluate: {reason}")
    notes = [] if reason is None else [reason]
    return [
        *notes,
        *_outside_notes(boxes, sides, name, written),
        *(() if notes else _nothing_notes(pairs, as_read, name)),
    ]


def ground_truth_notes(predictions: Sequence[Json], ground_truth: CocoGroundTruth) -> list[str]:
    """A note if ground truth matches the predictions of a model far better in another format than it is read in."""
    sizes = {image["id"]: (image.get("height"), image.get("width")) for image in ground_truth.images}
    pairs = image_pairs(predictions, ground_truth, sizes)
    as_read = count_matches(pairs)
    model = "the predictions"
    reason = format_reason(pairs, as_read, None, "", ground_truth.name) or category_reason(
        pairs, as_read, model, ground_truth.name
    )
    return (
        list(_nothing_notes(pairs, as_read, model))
        if reason is None
        else [f"{reason}: {share_of(as_read)} as it is read"]
    )


def _nothing_notes(pairs: Sequence[ImagePair], as_read: FormatMatches, name: str) -> Iterator[str]:
    """A note if almost nothing matches, and why is not known: the network may be poor, too."""
    boxes = sum(len(pair.boxes) for pair in pairs)
    if min(boxes, as_read.total) >= _MIN_TO_MATCH and as_read.count < _NOTHING * as_read.total:
        yield (
            f"{share_of(as_read)} of the ground truth {'matches' if as_read.count == 1 else 'match'} a box in {name}: either "
            "these are poor, or of other images, or their coordinates are not those of the images"
        )


def _outside_notes(boxes: Boxes, sides: Boxes, name: str, written: BoxFormat | None) -> Iterator[str]:
    """A note on boxes that clearly end outside their image; with the format that they should have, it gives reasons."""
    outside = int(ends_outside(COCO.to_xyxy(boxes, sides), sides, _SLACK).sum())
    if not outside:
        return
    is_usual = written is None or outside < _MIN_OUTSIDE * len(boxes)
    advice = "" if is_usual else f"; check that image ids are those of the annotations, and that boxes are {written}"
    yield (
        f"{outside:,} of {counted(len(boxes), 'box', 'boxes')} in '{name}' {'ends' if outside == 1 else 'end'} outside "
        f"{'its image' if outside == 1 else 'their image'}{advice}"
    )
