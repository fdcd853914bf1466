"""The twelve COCO metrics, computed by the reference library or one that agrees with it."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Literal, NamedTuple

import numpy as np

from detcli.evaluation.coco_library import (
    Array,
    Evaluator,
    IouType,
    Json,
    compute_arrays,
    ground_truth_entry,
    installed_library,
    result_entry,
)


class _MetricField(NamedTuple):
    """Which mean a metric is: `iou` None is the mean over 0.50 … 0.95."""

    kind: Literal["precision", "recall"]
    iou: float | None = None
    size: str = "all"
    max_detections: int = 100


_METRIC_FIELDS = {
    "AP": _MetricField("precision"),
    "AP50": _MetricField("precision", iou=0.5),
    "AP75": _MetricField("precision", iou=0.75),
    "APs": _MetricField("precision", size="small"),
    "APm": _MetricField("precision", size="medium"),
    "APl": _MetricField("precision", size="large"),
    "AR1": _MetricField("recall", max_detections=1),
    "AR10": _MetricField("recall", max_detections=10),
    "AR100": _MetricField("recall"),
    "ARs": _MetricField("recall", size="small"),
    "ARm": _MetricField("recall", size="medium"),
    "ARl": _MetricField("recall", size="large"),
}  # in COCO's order
METRIC_NAMES = tuple(_METRIC_FIELDS)
IOUS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0, 1, 101)
_SIZES = ("all", "small", "medium", "large")
_COUNTS = (1, 10, 100)


_MAX_CATEGORIES = 1000  # that are evaluated together


@dataclass(frozen=True, slots=True)
class ClassMetrics:
    """The metrics of one category; None without ground truth.

    ground_truth  number of ground-truth boxes, without crowds
    detections    number of results
    ap ap50 ar    mean over IoU 0.50 … 0.95, at IoU 0.50, and the highest recall with 100 detections per image
    precision     float64 [10, 101] at the IoUs and RECALLS; NaN without ground truth
    scores        float64 [101] at IoU 0.50 and the RECALLS: the lowest score that reaches it; 0 if none does
    """

    name: str
    category_id: int
    ground_truth: int
    detections: int
    ap: float | None
    ap50: float | None
    ar: float | None
    precision: Array
    scores: Array


class _Curves(NamedTuple):
    """The fields of ClassMetrics that the library computes."""

    ap: float | None
    ap50: float | None
    ar: float | None
    precision: Array
    scores: Array


# Of all classes without ground truth, of which there may be thousands.
_NO_CURVES = _Curves(None, None, None, np.full((len(IOUS), len(RECALLS)), np.nan), np.zeros(len(RECALLS)))


@dataclass(frozen=True, slots=True)
class Metrics:
    """The COCO metrics of results.

    by_name    the twelve by name (`METRIC_NAMES`), 0 … 1; None without ground truth of that size
    classes    one per category of the ground truth, by id
    images     number of images of the ground truth, also those without boxes
    evaluator  library and version that computed them
    iou_type   overlap of boxes or of masks
    """

    by_name: dict[str, float | None]
    classes: tuple[ClassMetrics, ...]
    images: int
    evaluator: str
    iou_type: IouType = "bbox"

    @property
    def ap(self) -> float:
        """AP over IoU 0.50 … 0.95, by which models are chosen; 0 without any ground truth."""
        return self.by_name["AP"] or 0.0


def evaluate_coco(
    annotations: Json, results: Iterable[Json], *, iou_type: IouType = "bbox", by: Evaluator | None = None
) -> Metrics:
    """Evaluate boxes or masks as COCO does.

    annotations  COCO annotations: images (id), annotations (image_id, category_id, bbox; area and iscrowd if they are not
                 the area of the box and 0; their ids do not matter), categories (id, name). Not changed
    results      image_id, category_id, bbox (left, top, width, height) and score of each detection; may be empty
    iou_type     "segm": entries of both have a segmentation too, results one in compressed RLE; sizes are those of masks
    by           the library that computes; None: faster-coco-eval if it is installed, else pycocotools

    What the libraries print on standard output is discarded, also that of other threads.
    Raises ValueError for a result of an unknown image or category, and for a missing mask; `result_matching.py` finds
    them before.
    """
    categories = sorted(annotations["categories"], key=lambda category: category["id"])
    image_ids = {image["id"] for image in annotations["images"]}
    masks = iou_type == "segm"
    ground_truth = [
        ground_truth_entry(number, entry, masks) for number, entry in enumerate(annotations["annotations"], 1)
    ]
    detections = [result_entry(number, entry, masks) for number, entry in enumerate(results, 1)]
    known = {category["id"] for category in categories}
    for entry in detections:
        if entry["image_id"] not in image_ids or entry["category_id"] not in known:
            raise ValueError(f"no such image or category in the ground truth: {entry}")
    images, categories, own_ids = _numbered(annotations["images"], categories, (*ground_truth, *detections))
    library = by or installed_library()
    expected_counts, detection_counts = _counts(ground_truth), _counts(detections)
    means = {name: _RunningMean() for name in _METRIC_FIELDS}
    classes: dict[int, _Curves] = {}
    with_ground_truth = {entry["category_id"] for entry in ground_truth}  # others have no metrics
    evaluated = [category for category in categories if category["id"] in with_ground_truth]
    to_match = [entry for entry in detections if entry["category_id"] in with_ground_truth]
    for group, *entries in _grouped(evaluated, ground_truth, to_match):
        # [T, R, K, A, M], [T, K, A, M] and [T, R, K, A, M]
        document = {"images": images, "categories": group}
        precision, recall, scores = compute_arrays(library, document, entries[0], entries[1], iou_type)
        arrays = {"precision": precision, "recall": recall[:, None]}
        for name, field in _METRIC_FIELDS.items():
            means[name].add(_select(arrays[field.kind], field))
        classes |= {
            category["id"]: _Curves(
                ap=_mean(precision[:, :, index, 0, 2]),
                ap50=_mean(precision[0, :, index, 0, 2]),
                ar=_mean(recall[:, index, 0, 2]),
                precision=np.where(precision[:, :, index, 0, 2] < 0, np.nan, precision[:, :, index, 0, 2]),
                scores=scores[0, :, index, 0, 2].clip(0),
            )
            for index, category in enumerate(group)
        }
    return Metrics(
        by_name={name: mean.value for name, mean in means.items()},
        classes=tuple(
            ClassMetrics(
                str(category["name"]),
                own_ids[category["id"]],
                expected_counts[category["id"]],
                detection_counts[category["id"]],
                *classes.get(category["id"], _NO_CURVES),
            )
            for category in categories
        ),
        images=len(image_ids),
        evaluator=f"{library} {version(library)}",
        iou_type=iou_type,
    )


def _numbered(
    images: Sequence[Json], categories: Sequence[Json], entries: Sequence[dict[str, Any]]
) -> tuple[list[Json], list[Json], dict[int, int]]:
    """Images and categories numbered from 1 in the order of their ids, and the own id of each number of a category.

    The libraries keep ids as floating-point numbers, which are exact up to 2**53 only. The entries are changed.
    """
    image_numbers, category_numbers = (
        {own: number for number, own in enumerate(sorted({entry["id"] for entry in records}), 1)}
        for records in (images, categories)
    )
    for entry in entries:
        entry["image_id"] = image_numbers[entry["image_id"]]
        entry["category_id"] = category_numbers[entry["category_id"]]
    return (
        [{**image, "id": image_numbers[image["id"]]} for image in images],
        [{**category, "id": category_numbers[category["id"]]} for category in categories],
        {number: own for own, number in category_numbers.items()},
    )


def _select(values: Array, field: _MetricField) -> Array:
    """The part of [T, R, K, A, M] whose mean is a metric."""
    chosen = values if field.iou is None else values[[int(np.abs(IOUS - field.iou).argmin())]]
    return chosen[..., _SIZES.index(field.size), _COUNTS.index(field.max_detections)]


@dataclass(slots=True)
class _RunningMean:
    """The mean of all values above -1 that were added; None without any."""

    total: float = 0.0
    count: int = 0

    def add(self, values: Array) -> None:
        valid = values[values > -1]
        self.total += float(valid.sum())
        self.count += valid.size

    @property
    def value(self) -> float | None:
        return self.total / self.count if self.count else None


def _grouped(
    categories: Sequence[Any], ground_truth: Sequence[dict[str, Any]], detections: Sequence[dict[str, Any]]
) -> Iterator[tuple[Sequence[Any], Sequence[dict[str, Any]], Sequence[dict[str, Any]]]]:
    """Categories with their ground truth and results, so many at a time that the libraries' tables stay small.

    A table has 12,120 numbers per category, and the libraries make several.
    """
    if len(categories) <= _MAX_CATEGORIES:
        yield categories, ground_truth, detections
        return
    group_of = {category["id"]: index // _MAX_CATEGORIES for index, category in enumerate(categories)}
    split: list[dict[int, list[dict[str, Any]]]] = [defaultdict(list), defaultdict(list)]
    for by_group, entries in zip(split, (ground_truth, detections), strict=True):
        for entry in entries:
            by_group[group_of[entry["category_id"]]].append(entry)
    for start in range(0, len(categories), _MAX_CATEGORIES):
        group = start // _MAX_CATEGORIES
        yield categories[start : start + _MAX_CATEGORIES], split[0][group], split[1][group]


def _mean(values: Array) -> float | None:
    valid = values[values > -1]
    return float(valid.mean()) if valid.size else None


def _counts(entries: Iterable[Json]) -> dict[int, int]:
    counts: dict[int, int] = defaultdict(int)
    for entry in entries:
        counts[entry["category_id"]] += not entry["iscrowd"]
    return counts
