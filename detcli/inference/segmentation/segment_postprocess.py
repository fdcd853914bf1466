"""Outputs with masks in, segments at each image's own size out."""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from detcli.inference.postprocess import NotFiniteError
from detcli.inference.segmentation.mask_merging import (
    ImagePrediction,
    Segment,
    SegmentMap,
    original_instances,
    original_masks,
    original_panoptic,
    semantic,
    transformers_division,
)
from detcli.inference.segmentation.segmentation_settings import Rule as Rule
from detcli.inference.segmentation.segmentation_settings import SegmentationSettings as SegmentationSettings
from detcli.inference.segmentation.segmentation_settings import Task as Task
from detcli.structures.batch import Batch
from detcli.structures.boxes import cxcywh_to_xyxy
from detcli.structures.detections import Detections
from detcli.structures.masks import Rle
from detcli.structures.outputs import Outputs


def to_segments(outputs: Outputs, batch: Batch, segmenting: SegmentationSettings) -> list[Detections | NotFiniteError]:
    """Segments of each image, in its own pixels, the best score first; an error where an answer is not finite.

    outputs  of a network whose scores are softmax, with masks over the batch's pixels

    Each segment covers a pixel or more. Of panoptic and semantic ones, and of all by transformers' rule, no two
    overlap and the boxes are what the masks cover; else boxes are the network's. What lies over padding is cut off
    before anything is enlarged: an answer gives the same segments alone and in a padded batch.

    Raises ValueError where the network gave no masks.
    """
    if outputs.masks is None:
        raise ValueError("the network gave no masks")
    masks = outputs.masks
    answers = (_answer(outputs, masks[place], batch, place) for place in range(len(masks)))
    return [
        NotFiniteError("the network's answer holds numbers that are not finite")
        if answer is None
        else _segments(answer, segmenting)
        for answer in answers
    ]


def _segments(answer: ImagePrediction, segmenting: SegmentationSettings) -> Detections:
    if segmenting.task == "instance" and segmenting.rule == "original":
        every = original_instances(answer, segmenting.score_threshold, segmenting.stuff)
        chosen = _choose(every, segmenting)
        masks = list(original_masks(answer, chosen, segmenting.mask_threshold))
        boxes = answer.boxes_xyxy[[segment.query for segment in chosen]]
        return _detections(chosen, masks, boxes)
    division = _divide(answer, segmenting)
    chosen = _choose(division.segments, segmenting)
    masks = division.masks_of(chosen)
    return _detections(chosen, masks, np.array([mask.box_xyxy for mask in masks]))


def _divide(answer: ImagePrediction, segmenting: SegmentationSettings) -> SegmentMap:
    if segmenting.task == "semantic":
        return semantic(answer)
    if segmenting.rule == "original":
        return original_panoptic(answer, segmenting)
    return transformers_division(answer, segmenting)


def _choose(segments: list[Segment], segmenting: SegmentationSettings) -> list[Segment]:
    """The best of those that are wanted, the surest first."""
    wanted = [
        segment
        for segment in segments
        if segment.score > segmenting.score_threshold
        and (segmenting.class_ids is None or segment.class_id in segmenting.class_ids)
    ]
    return sorted(wanted, key=lambda segment: -segment.score)[: segmenting.max_detections]


def _detections(segments: list[Segment], masks: list[Rle], boxes_xyxy: npt.NDArray[np.float64]) -> Detections:
    seen = [number for number, mask in enumerate(masks) if mask.area > 0]
    return Detections(
        boxes_xyxy.reshape(-1, 4)[seen].astype(np.float64),
        np.array([segments[number].score for number in seen], np.float32),
        np.array([segments[number].class_id for number in seen], np.int64),
        tuple(masks[number] for number in seen),
    )


def _answer(outputs: Outputs, masks: Tensor, batch: Batch, place: int) -> ImagePrediction | None:
    """One image's part of the outputs, with its masks [Q, h, w]; None where it is not finite."""
    height, width = batch.sizes_hw[place].tolist()
    resized_height, resized_width = batch.resized_hw[place].tolist()
    rows = _real_cells(masks.shape[-2], batch.pixels.shape[-2], resized_height)
    columns = _real_cells(masks.shape[-1], batch.pixels.shape[-1], resized_width)
    masks = masks[:, :rows, :columns]
    logits, boxes = outputs.logits[place].cpu().double(), outputs.boxes_cxcywh[place].cpu().double()
    if not all(bool(part.isfinite().all()) for part in (logits, boxes, masks)):
        return None
    limits = torch.tensor([width, height, width, height], dtype=torch.float64)
    return ImagePrediction(
        probabilities=logits.softmax(-1).numpy(),
        boxes_xyxy=(cxcywh_to_xyxy(boxes) * limits).clamp(min=0).minimum(limits).numpy(),
        masks=masks,
        resized_hw=(resized_height, resized_width),
        size_hw=(height, width),
    )


def _real_cells(cells: int, padded: int, resized: int) -> int:
    """How many rows or columns of a map lie over the image: as many as it would have without padding."""
    if resized == padded:
        return cells
    stride = 1  # the networks' strides are powers of two, and what is left over makes a cell of its own
    while -(-padded // stride) > cells:
        stride *= 2
    exact = -(-padded // stride) == cells
    return -(-resized // stride) if exact else -(-resized * cells // padded)
