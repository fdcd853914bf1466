"""Overlaps of detections with ground truth, of boxes or masks, computed as COCO does."""

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt

from detcli.evaluation.coco_library import IouType

Json = Mapping[str, Any]
Array = npt.NDArray[np.float64]


def pair_overlaps(
    detections: Sequence[Json],
    truth: Sequence[Json],
    crowds: npt.NDArray[np.bool_],
    *,
    iou_type: IouType,
    size_hw: tuple[Any, Any],
) -> Array:
    """Intersection over union [M, G]; with crowds, intersection over the area of the detection.

    crowds   bool [G]
    size_hw  height and width of the image, which masks need
    """
    if not detections or not truth:
        return np.zeros((len(detections), len(truth)))
    if iou_type == "segm":
        return _mask_overlaps(detections, truth, crowds, size_hw)
    return box_overlaps(boxes_xywh(detections), boxes_xywh(truth), crowds)


def boxes_xywh(entries: Sequence[Json]) -> Array:
    """The boxes of entries: left, top, width, height, float64 [N, 4]."""
    return np.array([entry["bbox"] for entry in entries], np.float64).reshape(-1, 4)


def box_overlaps(first: Array, second: Array, crowds: npt.NDArray[np.bool_]) -> Array:
    """Overlaps [M, N] of boxes, left, top, width, height; `crowds`, bool [N], are of the second."""
    start = np.maximum(first[:, None, :2], second[None, :, :2])
    end = np.minimum((first[:, :2] + first[:, 2:])[:, None], (second[:, :2] + second[:, 2:])[None])
    shared = np.clip(end - start, 0, None).prod(axis=-1)
    first_area, second_area = first[:, 2:].prod(axis=-1), second[:, 2:].prod(axis=-1)
    union = np.where(crowds[None], first_area[:, None], first_area[:, None] + second_area[None] - shared)
    overlaps: Array = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return overlaps


def _mask_overlaps(
    detections: Sequence[Json], truth: Sequence[Json], crowds: npt.NDArray[np.bool_], size_hw: tuple[Any, Any]
) -> Array:
    masks = import_module("pycocotools.mask")
    outlines = [
        [_encoded(masks, entry["segmentation"], size_hw) for entry in entries] for entries in (detections, truth)
    ]
    overlaps = masks.iou(outlines[0], outlines[1], crowds.astype(np.uint8).tolist())
    return np.asarray(overlaps, np.float64).reshape(len(detections), len(truth))


def _encoded(masks: Any, segmentation: Any, size_hw: tuple[Any, Any]) -> Any:
    """A segmentation of polygons or RLE as compressed RLE."""
    height, width = size_hw
    if isinstance(segmentation, list):
        return masks.merge(masks.frPyObjects(segmentation, height, width))
    if isinstance(segmentation["counts"], list):
        return masks.frPyObjects(segmentation, height, width)
    return segmentation
