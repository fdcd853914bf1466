"""Finds why results match badly: another format of boxes, other categories, or positions instead of image ids."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from detcli.datasets.boxes.box_formats import ALL_FORMATS, COCO, SCALED_FORMATS, BoxFormat
from detcli.evaluation.coco_ground_truth import CocoGroundTruth
from detcli.evaluation.results.format_checks.image_pairs import (
    FormatMatches,
    ImagePair,
    Json,
    count_matches,
    evenly,
    image_pairs,
    share_of,
    trimmed,
)
from detcli.io.coco.coco_reader import posix_name

ENOUGH = 0.5  # of the ground truth is matched as it is read: nothing to look for
_MAX_SCALED_IMAGES = 12  # there are many sizes that images may have been resized to
_MIN_SCALED = 10  # matches


def format_reason(
    pairs: Sequence[ImagePair], as_read: FormatMatches, written: BoxFormat | None, name: str, truth: str
) -> str | None:
    """Why another format is likely: it matches far more boxes.

    written  of the results; None: they are right, only the ground truth may be in another format
    """
    if as_read.count >= ENOUGH * as_read.total:
        return None
    best = _best_reading(pairs, as_read, written, ALL_FORMATS)
    if best is None:
        few = [trimmed(pair) for pair in evenly(pairs, _MAX_SCALED_IMAGES)]
        best = _best_reading(few, count_matches(few), written, SCALED_FORMATS, least=_MIN_SCALED)
    if best is None:
        return None
    subject = f"the results '{name}'" if best.of_results else f"the ground truth '{truth}'"
    return (
        f"the boxes in {subject} look like {best.other}, not like {best.own}; {share_of(best.of(pairs))} of the ground truth "
        "matches then"
    )


@dataclass(frozen=True, slots=True)
class _Reading:
    """Results, or ground truth, that are read in another format than their own."""

    of_results: bool
    own: BoxFormat
    other: BoxFormat

    def of(self, pairs: Sequence[ImagePair]) -> FormatMatches:
        """The matches then."""
        if self.of_results:
            return count_matches(pairs, results_as=(self.own, self.other))
        return count_matches(pairs, truth_as=self.other)


def _best_reading(
    pairs: Sequence[ImagePair],
    as_read: FormatMatches,
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


def category_reason(pairs: Sequence[ImagePair], as_read: FormatMatches, name: str, truth: str) -> str | None:
    """Why categories are likely others: boxes match, but of other categories."""
    if as_read.count >= ENOUGH * as_read.total:
        return None
    matches = count_matches(pairs, any_category=True)
    if not matches.far_more_than(as_read):
        return None
    return (
        f"the categories in {name} look like those of another list than '{truth}'; {share_of(matches)} of the ground truth "
        "match a box of any category"
    )


def positions_reason(
    results: Sequence[Json],
    ground_truth: CocoGroundTruth,
    sizes: Mapping[int, tuple[Any, Any]],
    as_read: FormatMatches,
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
            matches = count_matches(image_pairs(moved, ground_truth, sizes))
            if matches.far_more_than(as_read):
                return (
                    f"the image ids in '{name}' look like positions in a list of the images, from {first}, not like the "
                    f"ids of '{ground_truth.name}'; {share_of(matches)} of the ground truth matches then. Detect with "
                    "`ground_truth` to get the ids of the annotations"
                )
    return None
