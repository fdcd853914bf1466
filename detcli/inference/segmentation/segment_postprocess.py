"""Network outputs with masks -> segments at the size of each image."""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from detcli.inference.postprocessing.non_maximum_suppression import suppress_duplicates
from detcli.inference.postprocessing.selection import NOT_FINITE, NotFiniteError
from detcli.inference.segmentation.mask_merging import (
    ImagePrediction,
    Segment,
    SegmentMap,
    original_instances,
    original_masks,
    original_panoptic,
    semantic,
    transformers_segments,
)
from detcli.inference.segmentation.segmentation_settings import Rule as Rule
from detcli.inference.segmentation.segmentation_settings import SegmentationSettings as SegmentationSettings
from detcli.inference.segmentation.segmentation_settings import Task as Task
from detcli.structures.boxes import cxcywh_to_xyxy
from detcli.structures.detections import Detections
from detcli.structures.masks import Rle
from detcli.structures.network_io import Batch, Outputs


def to_segments(
    outputs: Outputs, batch: Batch, segmentation: SegmentationSettings
) -> list[Detections | NotFiniteError]:
    """Return the segments of each image in its pixels, sorted by score; an error for outputs with NaN or infinity.

    outputs  of a network with softmax scores, with masks over the pixels of the batch

    Each segment covers at least one pixel. Panoptic and semantic segments, and all segments of transformers' rule, do
    not overlap, and their boxes are the bounding boxes of their masks; other boxes are those of the network. Padding is
    cut off before masks are upsampled: an image gives the same segments alone and in a padded batch.

    Raises ValueError if the network returned no masks.
    """
    if outputs.masks is None:
        raise ValueError("the network returned no masks")
    masks = outputs.masks
    predictions = (_prediction(outputs, masks[index], batch, index) for index in range(len(masks)))
    return [
        NotFiniteError(NOT_FINITE)
        if prediction is None
        else _without_duplicates(_segments(prediction, segmentation), segmentation)
        for prediction in predictions
    ]


def _segments(prediction: ImagePrediction, segmentation: SegmentationSettings) -> Detections:
    if segmentation.task == "instance" and segmentation.rule == "original":
        objects = original_instances(prediction, segmentation)
        chosen = _choose(objects, segmentation)
        masks = list(original_masks(prediction, chosen, segmentation.mask_threshold))
        boxes = prediction.boxes_xyxy[[segment.query for segment in chosen]]
        return _detections(chosen, masks, boxes)
    segment_map = _segment_map(prediction, segmentation)
    chosen = _choose(segment_map.segments, segmentation)
    masks = segment_map.masks_of(chosen)
    return _detections(chosen, masks, np.array([mask.box_xyxy for mask in masks]))


def _segment_map(prediction: ImagePrediction, segmentation: SegmentationSettings) -> SegmentMap:
    if segmentation.task == "semantic":
        return semantic(prediction)
    if segmentation.rule == "original":
        return original_panoptic(prediction, segmentation)
    return transformers_segments(prediction, segmentation)


def _choose(segments: list[Segment], segmentation: SegmentationSettings) -> list[Segment]:
    """Return the segments above the threshold and of the selected classes, sorted by score; at most the maximum number.

    All of them where duplicates are removed later.
    """
    thresholds = dict(segmentation.class_thresholds)
    selected = [
        segment
        for segment in segments
        if segment.score > thresholds.get(segment.class_id, segmentation.score_threshold)
        and (segmentation.class_ids is None or segment.class_id in segmentation.class_ids)
    ]
    ordered = sorted(selected, key=lambda segment: -segment.score)
    return ordered if segmentation.nms is not None else ordered[: segmentation.max_detections]


def _without_duplicates(segments: Detections, segmentation: SegmentationSettings) -> Detections:
    if segmentation.nms is None:
        return segments
    across_classes = segmentation.nms_agnostic
    return suppress_duplicates(segments, segmentation.nms, across_classes=across_classes)[: segmentation.max_detections]


def _detections(segments: list[Segment], masks: list[Rle], boxes_xyxy: npt.NDArray[np.float64]) -> Detections:
    seen = [number for number, mask in enumerate(masks) if mask.area > 0]
    return Detections(
        boxes_xyxy.reshape(-1, 4)[seen].astype(np.float64),
        np.array([segments[number].score for number in seen], np.float32),
        np.array([segments[number].class_id for number in seen], np.int64),
        tuple(masks[number] for number in seen),
    )


def _prediction(outputs: Outputs, masks: Tensor, batch: Batch, index: int) -> ImagePrediction | None:
    """Return the outputs of one image with its masks [Q, h, w]; None if they have NaN or infinity."""
    height, width = batch.sizes_hw[index].tolist()
    resized_height, resized_width = batch.resized_hw[index].tolist()
    rows = _real_cells(masks.shape[-2], batch.pixels.shape[-2], resized_height)
    columns = _real_cells(masks.shape[-1], batch.pixels.shape[-1], resized_width)
    masks = masks[:, :rows, :columns]
    logits, boxes = outputs.logits[index].cpu().double(), outputs.boxes_cxcywh[index].cpu().double()
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
    """Return how many rows or columns of a map belong to the image: as many as it would have without padding."""
    if resized == padded:
        return cells
    stride = 1  # strides of the networks are powers of two, and a remainder makes one more cell
    while -(-padded // stride) > cells:
        stride *= 2
    exact = -(-padded // stride) == cells
    return -(-resized // stride) if exact else -(-resized * cells // padded)
