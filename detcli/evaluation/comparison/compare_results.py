"""Compares two results on the same images: metrics with intervals of the differences, objects and images."""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from detcli.errors import DataError
from detcli.evaluation.analysis.average_precision import average_precisions
from detcli.evaluation.analysis.bootstrap import MIN_IMAGES, Interval, MetricMeans, image_weights, mean_over_ious
from detcli.evaluation.analysis.class_matches import match_classes
from detcli.evaluation.box_matching import IOU, BoxMatches, match_boxes
from detcli.evaluation.coco_ground_truth import quoted_names
from detcli.evaluation.comparison.comparison_report import (
    ClassComparison,
    ComparedSide,
    ComparedValue,
    ComparisonReport,
    Disagreement,
    ImageComparison,
)
from detcli.evaluation.results.evaluate_results import EvaluatedResults, scores_by_id
from detcli.structures.run_info import now

Array = npt.NDArray[np.float64]
_MATCHED, _MISCLASSIFIED, _MISSED = range(3)
_NAMED = 3
_NOT_FOUND = -(2**63)  # no category id


def compare_results(
    first: EvaluatedResults, second: EvaluatedResults, sides: tuple[ComparedSide, ComparedSide], *, samples: int
) -> ComparisonReport:
    """Compare two results that were evaluated with the same ground truth.

    sides    their names, and the score of each above which detections count for objects and images
    samples  of the paired bootstrap: both results are evaluated on the same drawn images; 0: no intervals

    Raises DataError if they are of different images or have no class in common.
    """
    notes = [*_check_images(first, second, sides), *_check_classes(first, second, sides)]
    annotations = first.ground_truth.annotations
    metrics, classes = _intervals(first, second, samples)
    values = (first.metrics.by_name, second.metrics.by_name)
    by_id = {each.category_id: each for each in second.metrics.classes}
    images = _compared_images(first, second, sides)
    names = {image["id"]: image["file_name"] for image in annotations["images"]}
    return ComparisonReport(
        sides=sides,
        metrics={name: ComparedValue(values[0][name], values[1][name], metrics.get(name)) for name in values[0]},
        classes=tuple(
            ClassComparison(
                each.name,
                each.category_id,
                each.ground_truth,
                ComparedValue(each.ap, by_id[each.category_id].ap, classes.get(each.category_id)),
            )
            for each in first.metrics.classes
        ),
        outcomes=sum((image.outcomes for image in images), np.zeros((3, 3), np.int64)),
        disagreements=_disagreements(images, first.ground_truth.categories),
        images=tuple(images),
        file_names=names,
        samples=samples,
        evaluator=first.metrics.evaluator,
        iou_type=first.metrics.iou_type,
        iou=IOU,
        settings=first.settings,
        created=now(),
        notes=(*first.ground_truth.notes, *notes),
    )


def _check_images(
    first: EvaluatedResults, second: EvaluatedResults, sides: tuple[ComparedSide, ComparedSide]
) -> list[str]:
    """Raise DataError if both list their images, and these differ, or if no image has detections of both."""
    names = {image["id"]: image["file_name"] for image in first.ground_truth.images}
    if first.listed_images is not None and second.listed_images is not None:
        only = [sorted(first.listed_images - second.listed_images), sorted(second.listed_images - first.listed_images)]
        if any(only):
            parts = [
                f"{len(ids):,} only in '{side.name}' ({quoted_names([names[one] for one in ids], limit=_NAMED)})"
                for ids, side in zip(only, sides, strict=True)
                if ids
            ]
            raise DataError(
                f"cannot compare results of different images: {' and '.join(parts)}; detect in the same images, or "
                "give annotations of the images that both have"
            )
        return []
    found = [{entry["image_id"] for entry in side.results} for side in (first, second)]
    if all(found) and not found[0] & found[1]:
        raise DataError(
            f"cannot compare results of different images: no image has detections in both '{sides[0].name}' and "
            f"'{sides[1].name}'"
        )
    return []


def _check_classes(
    first: EvaluatedResults, second: EvaluatedResults, sides: tuple[ComparedSide, ComparedSide]
) -> list[str]:
    """Notes on classes that only one of them detects. Raises DataError if they have none in common."""
    categories = first.ground_truth.categories
    found = [{entry["category_id"] for entry in side.results} for side in (first, second)]
    if all(found) and not found[0] & found[1]:
        own = [quoted_names([categories[one] for one in sorted(ids)], limit=_NAMED) for ids in found]
        raise DataError(
            f"cannot compare results of different classes: '{sides[0].name}' has {own[0]}, '{sides[1].name}' has {own[1]}"
        )
    return [
        f"only '{side.name}' has detections of {quoted_names([categories[one] for one in sorted(ids - others)])}"
        for side, ids, others in ((sides[0], found[0], found[1]), (sides[1], found[1], found[0]))
        if ids - others
    ]


def _intervals(
    first: EvaluatedResults, second: EvaluatedResults, samples: int
) -> tuple[Mapping[str, Interval | None], Mapping[int, Interval | None]]:
    """Intervals of the differences, second minus first: of metrics by name, and of the AP of classes by id."""
    annotations = first.ground_truth.annotations
    if not samples or len(annotations["images"]) < MIN_IMAGES:
        return {}, {}
    matches = [match_classes(annotations, side.results, iou_type=side.metrics.iou_type) for side in (first, second)]
    weights = image_weights(len(matches[0].image_ids), samples)
    means, classes = (MetricMeans(samples), MetricMeans(samples)), {}
    pairs = zip(*(average_precisions(each, weights) for each in matches), strict=True)
    for (category, own), (_, other) in pairs:
        means[0].add(own)
        means[1].add(other)
        classes[int(matches[0].category_ids[category])] = Interval.of(mean_over_ious(other) - mean_over_ious(own))
    compared = zip(means[0].values(), means[1].values(), strict=True)
    return {name: Interval.of(other - own) for (name, own), (_, other) in compared}, classes


def _compared_images(
    first: EvaluatedResults, second: EvaluatedResults, sides: tuple[ComparedSide, ComparedSide]
) -> list[ImageComparison]:
    annotations, categories = first.ground_truth.annotations, first.ground_truth.categories
    matches = (
        match_boxes(
            annotations,
            evaluated.results,
            score=side.score,
            class_scores=scores_by_id(side.class_scores, categories),
        )
        for evaluated, side in zip((first, second), sides, strict=True)
    )
    pairs = zip(*matches, strict=True)
    return [ImageComparison(own, other, _outcome_table(own, other)) for own, other in pairs]


def _outcome_table(first: BoxMatches, second: BoxMatches) -> npt.NDArray[np.int64]:
    """Number of objects by what became of them in the first (row) and in the second (column)."""
    table = np.zeros((3, 3), np.int64)
    np.add.at(table, (_outcomes(first), _outcomes(second)), 1)
    return table


def _disagreements(images: Sequence[ImageComparison], categories: Mapping[int, str]) -> tuple[Disagreement, ...]:
    """Objects that both detect with different classes, or only one of them detects; the most frequent first."""
    counts: Counter[tuple[int, int, int]] = Counter()
    for image in images:
        columns = (image.first.ground_truth_category_ids, _found_classes(image.first), _found_classes(image.second))
        counts.update(zip(*(column.tolist() for column in columns), strict=True))
    names: dict[int, str | None] = {**categories, _NOT_FOUND: None}
    return tuple(
        Disagreement(categories[truth], names[own], names[other], count)
        for (truth, own, other), count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        if own != other
    )


def _found_classes(image: BoxMatches) -> npt.NDArray[np.int64]:
    """The category id with which each object is detected, [N]."""
    found = np.full(len(image.ground_truth_category_ids), _NOT_FOUND, np.int64)
    is_matched = image.ground_truth_index >= 0
    found[image.ground_truth_index[is_matched]] = image.category_ids[is_matched]
    return found


def _outcomes(image: BoxMatches) -> npt.NDArray[np.int64]:
    """What became of each object, [N]."""
    outcomes = np.full(len(image.ground_truth_category_ids), _MISSED, np.int64)
    outcomes[image.ground_truth_index[image.misclassified]] = _MISCLASSIFIED
    outcomes[image.ground_truth_index[image.true_positives]] = _MATCHED
    return outcomes


def changed_images(
    images: Sequence[ImageComparison], count: int
) -> tuple[list[ImageComparison], list[ImageComparison]]:
    """The images that got better and worse, those with the largest change of mistakes first; `count` of each at most."""
    better = sorted((one for one in images if one.change < 0), key=lambda one: one.change)
    worse = sorted((one for one in images if one.change > 0), key=lambda one: -one.change)
    return better[:count], worse[:count]
