"""Checks whether results and ground truth mean the same boxes, from how many match if either is read in another format.

A network may be poor; only if another reading matches far more boxes is it said.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from detcli.datasets.boxes.box_formats import (
    ALL_FORMATS,
    COCO,
    SCALED_FORMATS,
    YOLO,
    BoxFormat,
    Slack,
    ends_outside,
    likely_format,
)
from detcli.errors import DataError
from detcli.evaluation.coco_ground_truth import CocoGroundTruth, sides_of
from detcli.io.coco.coco_reader import posix_name
from detcli.text import counted

Boxes = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Json = Mapping[str, Any]
_Item = TypeVar("_Item")

_MAX_IMAGES = 300  # with ground truth and results, which are compared; a second or two
_MAX_TRUE_BOXES, _MAX_BOXES = 300, 4000  # of each of these images: ground truth, and results of the same categories
_SLACK = Slack(1.0, share=0.05)  # networks that do not clip their boxes stay within it
_MIN_OUTSIDE = 0.01  # share of boxes that end outside, before reasons are given
_ENOUGH = 0.5  # of the ground truth is matched as it is read: nothing to look for
_MIN_GAIN, _MIN_RATIO, _MIN_MATCHES = 0.2, 3, 5
_MIN_FRACTIONS = 3  # boxes; fewer may be tiny ones by chance
_IOU, _EXACT_IOU, _MIN_EXACT = 0.5, 0.85, 2
_MAX_SCALED_IMAGES = 12  # there are many sizes that images may have been resized to
_MAX_SCALED_TRUE, _MAX_SCALED = 50, 1000  # boxes of each of these images: ground truth, and results
_MIN_SCALED = 10  # matches
_NOTHING, _MIN_TO_MATCH = 0.1, 10  # share of the ground truth that matches, and boxes of both, before it is said


@dataclass(frozen=True, slots=True)
class _ImagePair:
    """Ground truth and the results with the highest scores of one image."""

    sides_wh: Boxes  # [1, 2]
    true_boxes: Boxes  # xywh [N, 4]
    true_categories: Ints
    boxes: Boxes  # xywh [M, 4]
    categories: Ints


@dataclass(frozen=True, slots=True)
class _Matches:
    """How many boxes of the ground truth are matched: from an IoU of 0.5, and almost exactly."""

    count: int
    exact: int
    total: int

    def far_more_than(self, other: "_Matches") -> bool:
        """Whether these are more than chance explains, and the others are not."""
        gain = self.count - other.count
        if gain < _MIN_GAIN * self.total or self.count < _MIN_RATIO * other.count:
            return False
        few_but_exact = self.exact >= _MIN_EXACT and self.exact >= self.total / 2 and not other.count
        return self.count >= _MIN_MATCHES or few_but_exact


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
    pairs = _pairs(results, ground_truth, sizes)
    written = {"yolo": YOLO, "csv": BoxFormat("xyxy")}.get(format_name, COCO)
    as_read = _matches(pairs)
    if as_read.total and as_read.count >= _ENOUGH * as_read.total:
        return list(_outside_notes(boxes, sides, name, None))
    reason = _reason(pairs, as_read, written, name, ground_truth.name)
    if reason is None and ids_alone:
        reason = _positions_reason(results, ground_truth, sizes, as_read, name)
    if reason is None:
        reason = _category_reason(pairs, as_read, f"'{name}'", ground_truth.name)
    if reason is not None:
        reason += f": {_share(as_read)} as it is read"
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
    pairs = _pairs(predictions, ground_truth, sizes)
    as_read = _matches(pairs)
    model = "the predictions"
    reason = _reason(pairs, as_read, None, "", ground_truth.name) or _category_reason(
        pairs, as_read, model, ground_truth.name
    )
    return (
        list(_nothing_notes(pairs, as_read, model))
        if reason is None
        else [f"{reason}: {_share(as_read)} as it is read"]
    )


def _reason(
    pairs: Sequence[_ImagePair], as_read: _Matches, written: BoxFormat | None, name: str, truth: str
) -> str | None:
    """Why another format is likely: it matches far more boxes.

    written  of the results; None: they are right, only the ground truth may be in another format
    """
    if as_read.count >= _ENOUGH * as_read.total:
        return None
    best = _best_reading(pairs, as_read, written, ALL_FORMATS)
    if best is None:
        few = [_trimmed(pair) for pair in _evenly(pairs, _MAX_SCALED_IMAGES)]
        best = _best_reading(few, _matches(few), written, SCALED_FORMATS, least=_MIN_SCALED)
    if best is None:
        return None
    subject = f"the results '{name}'" if best.of_results else f"the ground truth '{truth}'"
    return (
        f"the boxes in {subject} look like {best.other}, not like {best.own}; {_share(best.of(pairs))} of the ground truth "
        "matches then"
    )


@dataclass(frozen=True, slots=True)
class _Reading:
    """Results, or ground truth, that are read in another format than their own."""

    of_results: bool
    own: BoxFormat
    other: BoxFormat

    def of(self, pairs: Sequence[_ImagePair]) -> _Matches:
        """The matches then."""
        if self.of_results:
            return _matches(pairs, results_as=(self.own, self.other))
        return _matches(pairs, truth_as=self.other)


def _best_reading(
    pairs: Sequence[_ImagePair],
    as_read: _Matches,
    written: BoxFormat | None,
    formats: Sequence[BoxFormat],
    *,
    least: int = 0,
) -> _Reading | None:
    """The reading with the most matches, if these are far more than as it is read, and at least some number."""
    best, most = None, (max(as_read.count, least - 1), as_read.exact if as_read.count >= least else 0)
    for other in formats:
        for of_results in (False,) if written is None else (True, False):
            reading = _Reading(of_results, written if of_results and written is not None else COCO, other)
            if other == reading.own:
                continue
            matches = reading.of(pairs)
            if matches.far_more_than(as_read) and (matches.count, matches.exact) > most:
                best, most = reading, (matches.count, matches.exact)
    return best


def _category_reason(pairs: Sequence[_ImagePair], as_read: _Matches, name: str, truth: str) -> str | None:
    """Why categories are likely others: boxes match, but of other categories."""
    if as_read.count >= _ENOUGH * as_read.total:
        return None
    matches = _matches(pairs, any_category=True)
    if not matches.far_more_than(as_read):
        return None
    return (
        f"the categories in {name} look like those of another list than '{truth}'; {_share(matches)} of the ground truth "
        "match a box of any category"
    )


def _nothing_notes(pairs: Sequence[_ImagePair], as_read: _Matches, name: str) -> Iterator[str]:
    """A note if almost nothing matches, and why is not known: the network may be poor, too."""
    boxes = sum(len(pair.boxes) for pair in pairs)
    if min(boxes, as_read.total) >= _MIN_TO_MATCH and as_read.count < _NOTHING * as_read.total:
        yield (
            f"{_share(as_read)} of the ground truth {'matches' if as_read.count == 1 else 'match'} a box in {name}: either "
            "these are poor, or of other images, or their coordinates are not those of the images"
        )


def _positions_reason(
    results: Sequence[Json],
    ground_truth: CocoGroundTruth,
    sizes: Mapping[int, tuple[Any, Any]],
    as_read: _Matches,
    name: str,
) -> str | None:
    """Why image ids are likely positions: they match far more boxes as positions in a listing of the images."""
    listed = [image["id"] for image in ground_truth.images]
    by_name = [image["id"] for image in sorted(ground_truth.images, key=lambda one: posix_name(one["file_name"]))]
    for ids in (by_name, listed):
        for first in (1, 0):
            of_position = dict(enumerate(ids, first))
            moved = [
                {**entry, "image_id": of_position[entry["image_id"]]}
                for entry in results
                if entry["image_id"] in of_position
            ]
            matches = _matches(_pairs(moved, ground_truth, sizes))
            if matches.far_more_than(as_read):
                return (
                    f"the image ids in '{name}' look like positions in a list of the images, from {first}, not like the "
                    f"ids of '{ground_truth.name}'; {_share(matches)} of the ground truth matches then. Detect with "
                    "`ground_truth` to get the ids of the annotations"
                )
    return None


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


def _pairs(
    results: Sequence[Json], ground_truth: CocoGroundTruth, sizes: Mapping[int, tuple[Any, Any]]
) -> list[_ImagePair]:
    """Evenly spaced images that have both; of the results twice as many as ground truth, those with the highest scores.

    Of an image with very many boxes, ground truth is evenly spaced too, with the results of its categories.
    """
    expected, found = defaultdict(list), defaultdict(list)
    for entry in ground_truth.annotations["annotations"]:
        if not entry.get("iscrowd", 0):
            expected[entry["image_id"]].append(entry)
    for entry in results:
        found[entry["image_id"]].append(entry)
    common = [image_id for image_id in expected if image_id in found]
    pairs = []
    for image_id in _evenly(common, _MAX_IMAGES):
        best = sorted(found[image_id], key=lambda entry: -entry["score"])[: 2 * len(expected[image_id])]
        sides = sides_of([best[0]], sizes)
        both = _limited(expected[image_id], best)
        pairs.append(_ImagePair(sides, *(column for entries in both for column in _columns(entries))))
    return pairs


def _limited(expected: Sequence[Json], best: Sequence[Json]) -> tuple[Sequence[Json], Sequence[Json]]:
    """So much ground truth of an image that all formats can be tried, and the results that can match it."""
    if len(expected) <= _MAX_TRUE_BOXES:
        return expected, best[:_MAX_BOXES]
    expected = [expected[index * len(expected) // _MAX_TRUE_BOXES] for index in range(_MAX_TRUE_BOXES)]
    categories = {entry["category_id"] for entry in expected}
    return expected, [entry for entry in best if entry["category_id"] in categories][:_MAX_BOXES]


def _trimmed(pair: _ImagePair) -> _ImagePair:
    """An image of many boxes with so few that many sizes can be tried."""
    true_boxes, true_categories = pair.true_boxes[:_MAX_SCALED_TRUE], pair.true_categories[:_MAX_SCALED_TRUE]
    return _ImagePair(
        pair.sides_wh, true_boxes, true_categories, pair.boxes[:_MAX_SCALED], pair.categories[:_MAX_SCALED]
    )


def _evenly(items: Sequence[_Item], count: int) -> list[_Item]:
    """At most so many of the items, evenly spaced."""
    chosen = np.unique(np.linspace(0, len(items) - 1, min(len(items), count)).astype(int))
    return [items[index] for index in chosen.tolist()]


def _columns(entries: Sequence[Json]) -> tuple[Any, Any]:
    boxes = np.array([entry["bbox"] for entry in entries], np.float64).reshape(-1, 4)
    return boxes, np.array([entry["category_id"] for entry in entries], np.int64)


def _matches(
    pairs: Sequence[_ImagePair],
    *,
    results_as: tuple[BoxFormat, BoxFormat] = (COCO, COCO),
    truth_as: BoxFormat = COCO,
    any_category: bool = False,
) -> _Matches:
    """Matches if results that were written in the first format are read in the second, and the ground truth in another.

    any_category  boxes of different categories match, too
    """
    count = exact = total = 0
    for pair in pairs:
        with np.errstate(invalid="ignore", over="ignore"):  # fractions of images of unknown size
            boxes = COCO.to_xyxy(pair.boxes, pair.sides_wh)
            if results_as[0] != results_as[1]:
                boxes = _reread(boxes, *results_as, pair.sides_wh)
            overlaps = _overlaps(truth_as.to_xyxy(pair.true_boxes, pair.sides_wh), boxes)
        if not any_category:
            overlaps[pair.true_categories[:, None] != pair.categories] = 0
        best = _one_to_one(overlaps)
        count, exact, total = (
            count + int((best >= _IOU).sum()),
            exact + int((best >= _EXACT_IOU).sum()),
            total + len(best),
        )
    return _Matches(count, exact, total)


def _reread(boxes_xyxy: Boxes, written: BoxFormat, other: BoxFormat, sides_wh: Boxes) -> Boxes:
    """Boxes whose numbers were read in the format `written`, if they are read in another one."""
    return other.to_xyxy(written.from_xyxy(boxes_xyxy, sides_wh), sides_wh)


def _one_to_one(overlaps: Boxes) -> Boxes:
    """The IoU of each box of the ground truth, [N], with the result that is assigned to it."""
    best = np.zeros(len(overlaps))
    if not overlaps.size:  # of an image with very many boxes, no result has a category of those that are compared
        return best
    for index in np.argsort(-overlaps.max(axis=1, initial=0)).tolist():
        result = int(overlaps[index].argmax())
        best[index] = overlaps[index, result]
        overlaps[:, result] = np.where(np.arange(len(overlaps)) == index, overlaps[:, result], 0)
    return best


def _overlaps(first: Boxes, second: Boxes) -> Boxes:
    """IoU [N, M] of boxes xyxy; 0 for boxes without a size, and where a number is not finite."""
    start = np.maximum(first[:, None, :2], second[None, :, :2])
    end = np.minimum(first[:, None, 2:], second[None, :, 2:])
    shared = np.clip(end - start, 0, None).prod(axis=-1)
    areas = [np.clip(boxes[:, 2:] - boxes[:, :2], 0, None).prod(axis=-1) for boxes in (first, second)]
    union = areas[0][:, None] + areas[1] - shared
    valid = (union > 0) & np.isfinite(union)
    overlaps: Boxes = np.divide(shared, union, out=np.zeros_like(union), where=valid)
    return overlaps


def _share(matches: _Matches) -> str:
    return f"{matches.count:,} of {matches.total:,}"
