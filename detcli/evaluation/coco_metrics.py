"""The twelve figures of COCO and their parts, by the reference library; knows no file and no network.

pycocotools is the reference; faster-coco-eval computes the same numbers in C++ and evaluates where it is installed.
"""

import contextlib
import io
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from detcli.structures.masks import Rle

Json = Mapping[str, Any]
Evaluator = Literal["faster-coco-eval", "pycocotools"]
IouType = Literal["bbox", "segm"]
Array = npt.NDArray[np.float64]


class _MetricField(NamedTuple):
    """Which mean a figure is: `iou` None is the mean over 0.50 … 0.95, `most` so many detections an image."""

    kind: Literal["precision", "recall"]
    iou: float | None = None
    size: str = "all"
    most: int = 100


_METRIC_FIELDS = {
    "AP": _MetricField("precision"),
    "AP50": _MetricField("precision", iou=0.5),
    "AP75": _MetricField("precision", iou=0.75),
    "APs": _MetricField("precision", size="small"),
    "APm": _MetricField("precision", size="medium"),
    "APl": _MetricField("precision", size="large"),
    "AR1": _MetricField("recall", most=1),
    "AR10": _MetricField("recall", most=10),
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


@dataclass(frozen=True, slots=True)
class ClassMetrics:
    """The figures of one category; None where there is nothing true to find.

    ground_truth      boxes that can be found, crowds aside
    detections  results of this category
    ap ap50 ar  mean over IoU 0.50 … 0.95, at IoU 0.50, and the greatest recall with 100 detections an image
    precision   float64 [10, 101] at the IoUs and RECALLS; NaN where there is nothing true to find
    """

    name: str
    category_id: int
    ground_truth: int
    detections: int
    ap: float | None
    ap50: float | None
    ar: float | None
    precision: Array


@dataclass(frozen=True, slots=True)
class Metrics:
    """How good results are.

    figures   the twelve by name (`METRIC_NAMES`), 0 … 1; None where there is nothing true of that size
    classes   one a category of the truth, by id
    images  in the truth, those without boxes among them
    evaluator     library and version that computed them
    iou_type  what overlaps were measured of: boxes, or masks
    """

    by_name: dict[str, float | None]
    classes: tuple[ClassMetrics, ...]
    images: int
    evaluator: str
    iou_type: IouType = "bbox"

    @property
    def ap(self) -> float:
        """AP over IoU 0.50 … 0.95, the figure that models are chosen by; 0 where there is nothing true at all."""
        return self.by_name["AP"] or 0.0


def evaluate_coco(
    truth: Json, results: Iterable[Json], *, iou_type: IouType = "bbox", by: Evaluator | None = None
) -> Metrics:
    """Evaluate boxes, or masks, as COCO does.

    ground_truth    COCO annotations: images (id), annotations (image_id, category_id, bbox; area and iscrowd where they are
             not the box's own and 0; their ids do not matter), categories (id, name). Left as it is
    results  image_id, category_id, bbox (left, top, width, height) and score of each detection; may be none at all
    iou_type  "segm": entries of both have a segmentation too, results one of compressed runs; sizes are those of masks
    by       the library to ask; None: faster-coco-eval where it is installed, else pycocotools

    Nothing is printed: what the libraries say on standard output is swallowed, of other threads too.
    Raises ValueError for a result whose image or category the ground truth does not have, and for a mask that is missing;
    `matching.py` looks for them.
    """
    categories = sorted(truth["categories"], key=lambda category: category["id"])
    image_ids = {image["id"] for image in truth["images"]}
    masks = iou_type == "segm"
    ground_truth = [_truth(number, entry, masks) for number, entry in enumerate(truth["annotations"], 1)]
    found = [_result(number, entry, masks) for number, entry in enumerate(results, 1)]
    known = {category["id"] for category in categories}
    for entry in found:
        if entry["image_id"] not in image_ids or entry["category_id"] not in known:
            raise ValueError(f"no such image or category in the ground truth: {entry}")
    library = by or ("faster-coco-eval" if _is_installed("faster_coco_eval") else "pycocotools")
    precision, recall = _evaluate(library, truth, ground_truth, found, iou_type)  # [T, R, K, A, M], [T, K, A, M]
    arrays = {"precision": precision, "recall": recall[:, None]}
    counts = _counts(ground_truth), _counts(found)
    return Metrics(
        by_name={name: _mean(_part(arrays[figure.kind], figure)) for name, figure in _METRIC_FIELDS.items()},
        classes=tuple(
            ClassMetrics(
                name=str(category["name"]),
                category_id=category["id"],
                ground_truth=counts[0][category["id"]],
                detections=counts[1][category["id"]],
                ap=_mean(precision[:, :, index, 0, 2]),
                ap50=_mean(precision[0, :, index, 0, 2]),
                ar=_mean(recall[:, index, 0, 2]),
                precision=np.where(precision[:, :, index, 0, 2] < 0, np.nan, precision[:, :, index, 0, 2]),
            )
            for index, category in enumerate(categories)
        ),
        images=len(image_ids),
        evaluator=f"{library} {version(library)}",
        iou_type=iou_type,
    )


def _evaluate(
    library: Evaluator,
    truth: Json,
    ground_truth: Sequence[dict[str, Any]],
    found: Sequence[dict[str, Any]],
    iou_type: IouType,
) -> tuple[Array, Array]:
    """Precision [10, 101, K, 4, 3] and recall [10, K, 4, 3] over IoU, recall, category, size and detections; -1: none."""
    if not truth["images"] or not truth["categories"]:
        return np.full((10, 101, 0, 4, 3), -1.0), np.full((10, 0, 4, 3), -1.0)
    if library == "pycocotools":
        coco, evaluator = import_module("pycocotools.coco").COCO, import_module("pycocotools.cocoeval").COCOeval
    else:
        faster = import_module("faster_coco_eval")
        coco, evaluator = faster.COCO, faster.COCOeval_faster
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = evaluator(_index(coco(), truth, ground_truth), _index(coco(), truth, found), iou_type)
        evaluation.evaluate()
        evaluation.accumulate()
    shape = (10, 101, len(truth["categories"]), 4, 3)
    precision: Array = np.asarray(evaluation.eval["precision"], np.float64).reshape(shape)
    recall: Array = np.asarray(evaluation.eval["recall"], np.float64).reshape(shape[:1] + shape[2:])
    return precision, recall


def _index(coco: Any, truth: Json, annotations: Sequence[dict[str, Any]]) -> Any:
    """Give a library's empty COCO object its annotations: what its own readers do with several copies of each."""
    coco.dataset = {"images": truth["images"], "categories": truth["categories"], "annotations": annotations}
    coco.imgs = {image["id"]: image for image in truth["images"]}
    coco.cats = {category["id"]: category for category in truth["categories"]}
    coco.anns = {entry["id"]: entry for entry in annotations}
    of_image, with_category = defaultdict(list), defaultdict(list)
    for entry in annotations:
        of_image[entry["image_id"]].append(entry)
        with_category[entry["category_id"]].append(entry["image_id"])
    coco.imgToAnns, coco.catToImgs = of_image, with_category
    return coco


def _truth(number: int, entry: Json, masks: bool) -> dict[str, Any]:
    """What the libraries look at, under an id of ours: to them the id 0 means "not matched"."""
    left, top, width, height = map(float, entry["bbox"])
    return {
        "id": number,
        "image_id": entry["image_id"],
        "category_id": entry["category_id"],
        "bbox": [left, top, width, height],
        "area": float(entry.get("area", width * height)),
        "iscrowd": int(bool(entry.get("iscrowd", 0))),
        **(_segmentation(entry) if masks else {}),
    }


def _segmentation(entry: Json) -> dict[str, Any]:
    if not entry.get("segmentation"):
        raise ValueError(f"there is no mask: {entry}")
    return {"segmentation": entry["segmentation"]}


def _result(number: int, entry: Json, masks: bool) -> dict[str, Any]:
    box = entry["bbox"]
    mask = _segmentation(entry) if masks else {}
    return {
        "id": number,
        "image_id": entry["image_id"],
        "category_id": entry["category_id"],
        "bbox": box if isinstance(box, list) else list(box),  # not copied: there may be millions
        "area": float(Rle.from_json(mask["segmentation"]).area if masks else box[2] * box[3]),
        "iscrowd": 0,
        "score": float(entry["score"]),
        **mask,
    }


def _part(values: Array, figure: _MetricField) -> Array:
    """The part of [T, R, K, A, M] that a figure is the mean of."""
    chosen = values if figure.iou is None else values[[int(np.abs(IOUS - figure.iou).argmin())]]
    return chosen[..., _SIZES.index(figure.size), _COUNTS.index(figure.most)]


def _mean(values: Array) -> float | None:
    there = values[values > -1]
    return float(there.mean()) if there.size else None


def _counts(entries: Iterable[Json]) -> dict[int, int]:
    counts: dict[int, int] = defaultdict(int)
    for entry in entries:
        counts[entry["category_id"]] += not entry["iscrowd"]
    return counts


def _is_installed(module: str) -> bool:
    try:
        import_module(module)
    except ImportError:
        return False
    return True
