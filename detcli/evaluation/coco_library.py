"""The libraries that compute the COCO metrics: pycocotools is the reference, faster-coco-eval computes the same numbers in C++."""

import contextlib
import io
from collections import defaultdict
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from detcli.libraries import is_machine_fault
from detcli.structures.masks import Rle

Json = Mapping[str, Any]
Evaluator = Literal["faster-coco-eval", "pycocotools"]
IouType = Literal["bbox", "segm"]
Array = npt.NDArray[np.float64]


def installed_library() -> Evaluator:
    """faster-coco-eval if it is installed, else pycocotools."""
    return "faster-coco-eval" if _is_installed("faster_coco_eval") else "pycocotools"


def compute_arrays(
    library: Evaluator,
    annotations: Json,
    ground_truth: Sequence[dict[str, Any]],
    detections: Sequence[dict[str, Any]],
    iou_type: IouType,
) -> tuple[Array, Array, Array]:
    """Precision [10, 101, K, 4, 3], recall [10, K, 4, 3] and scores, as precision; -1: none.

    Their axes are IoU, recall, category, size and number of detections.
    """
    if not annotations["images"] or not annotations["categories"]:
        return np.empty((10, 101, 0, 4, 3)), np.empty((10, 0, 4, 3)), np.empty((10, 101, 0, 4, 3))
    if library == "pycocotools":
        coco, evaluator = import_module("pycocotools.coco").COCO, import_module("pycocotools.cocoeval").COCOeval
    else:
        faster = import_module("faster_coco_eval")
        coco, evaluator = faster.COCO, faster.COCOeval_faster
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = evaluator(
            _index(coco(), annotations, ground_truth), _index(coco(), annotations, detections), iou_type
        )
        evaluation.evaluate()
        evaluation.accumulate()
    shape = (10, 101, len(annotations["categories"]), 4, 3)
    precision: Array = np.asarray(evaluation.eval["precision"], np.float64).reshape(shape)
    recall: Array = np.asarray(evaluation.eval["recall"], np.float64).reshape(shape[:1] + shape[2:])
    scores: Array = np.asarray(evaluation.eval["scores"], np.float64).reshape(shape)
    return precision, recall, scores


def ground_truth_entry(number: int, entry: Json, masks: bool) -> dict[str, Any]:
    """The keys that the libraries read, under a new id: for them, the id 0 means "not matched"."""
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


def result_entry(number: int, entry: Json, masks: bool) -> dict[str, Any]:
    """The same of a result, whose area is that of its mask or box."""
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


def _segmentation(entry: Json) -> dict[str, Any]:
    if not entry.get("segmentation"):
        raise ValueError(f"missing mask: {entry}")
    return {"segmentation": entry["segmentation"]}


def _index(coco: Any, document: Json, annotations: Sequence[dict[str, Any]]) -> Any:
    """Fill an empty COCO object of a library; its own readers would make several copies of each annotation."""
    coco.dataset = {"images": document["images"], "categories": document["categories"], "annotations": annotations}
    coco.imgs = {image["id"]: image for image in document["images"]}
    coco.cats = {category["id"]: category for category in document["categories"]}
    coco.anns = {entry["id"]: entry for entry in annotations}
    of_image, with_category = defaultdict(list), defaultdict(list)
    for entry in annotations:
        of_image[entry["image_id"]].append(entry)
        with_category[entry["category_id"]].append(entry["image_id"])
    coco.imgToAnns, coco.catToImgs = of_image, with_category
    return coco


def _is_installed(module: str) -> bool:
    try:
        import_module(module)
    except Exception as error:  # installed but broken: the reference library computes the same
        if is_machine_fault(error):
            raise
        return False
    return True
