"""Network outputs -> detections in the pixels of each image."""

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache, partial

import numpy as np
import torch
from torch import Tensor

from detcli.inference.batches.host_copy import EarlierWork, HostCopy, upload
from detcli.inference.postprocessing.selection import NotFiniteError, Selection, to_image_detections
from detcli.inference.preprocessing.letterbox import without_border
from detcli.inference.preprocessing.preprocessing import Preprocessing
from detcli.inference.preprocessing.resize_rules import Letterbox
from detcli.inference.segmentation.segment_postprocess import to_segments
from detcli.inference.segmentation.segmentation_settings import SegmentationSettings
from detcli.models.layers.graph_capture import exact_dtype, lower_size
from detcli.structures.detections import Detections
from detcli.structures.network_io import Batch, Outputs


def start_tensor_results(
    outputs: Outputs,
    batch: Batch,
    preprocessing: Preprocessing,
    selection: Selection,
    segmentation: SegmentationSettings | None,
) -> Callable[[], list[Detections | NotFiniteError]]:
    """Start to make boxes or, with settings of segmentation, segments of each image of a batch.

    On a GPU, the selection and one transfer are in its queue when this returns; the function that is returned waits for
    them and makes the detections.
    """
    if preprocessing.pad_size_hw is not None:
        outputs = without_padding(outputs, batch)
    elif isinstance(preprocessing.sizing, Letterbox):
        outputs = _without_border(outputs, batch, preprocessing.sizing)
    if segmentation is not None:
        return partial(_segments, outputs, batch, segmentation, EarlierWork(outputs.logits.device))
    rows = HostCopy(select(outputs, selection))
    return lambda: rows_to_detections(rows.wait(), batch.sizes_hw, selection)


def _segments(
    outputs: Outputs, batch: Batch, segmentation: SegmentationSettings, network: EarlierWork
) -> list[Detections | NotFiniteError]:
    with network.only():
        return to_segments(outputs, batch, segmentation)


def select(outputs: Outputs, selection: Selection) -> Tensor:
    """Return the best predictions of each image on the device: float [B, k, 6], or [B, k, 10] with box_std."""
    return (best_classes if selection.scores == "softmax" else top_k)(outputs, selection)


def rows_to_detections(rows: Tensor, sizes_hw: Tensor, selection: Selection) -> list[Detections | NotFiniteError]:
    """Return the detections of each image in its pixels; an error for an image whose outputs have NaN or infinity.

    rows      of `select`, on the CPU
    sizes_hw  int64 [B, 2] on the CPU
    """
    return [
        to_image_detections(of_image, (height, width), selection)
        for of_image, (height, width) in zip(rows.numpy(), sizes_hw.tolist(), strict=True)
    ]


def top_k(outputs: Outputs, selection: Selection) -> Tensor:
    """Return the best predictions of each image, over queries and classes together.

    returns float [B, k, 6]: cx cy w h as fractions, logit of the score, class id; sorted by score; where the outputs have
            box_std, [B, k, 10] with it

    Source: Deformable DETR (Zhu et al. 2021) and D-FINE's evaluation: sigmoid, then top k of Q x K.
    """
    logits = outputs.logits.float()  # [B, Q, K]
    if selection.class_ids is None:
        selected = torch.arange(logits.shape[2], device=logits.device)
        chosen = logits
    else:
        selected = _class_ids(tuple(sorted(set(selection.class_ids))), logits.device)
        is_number = (logits < torch.inf).all(2, keepdim=True)  # [B, Q, 1]
        # Classes that are not selected must not take places; a query with NaN stays the first, as without a selection.
        chosen = logits[:, :, selected].where(is_number, torch.nan)
    _, queries, classes = chosen.shape
    if selection.class_thresholds:  # predictions below the threshold of their class must not take places; NaN stays
        ids = np.arange(classes) if selection.class_ids is None else np.array(sorted(set(selection.class_ids)))
        least = torch.from_numpy(selection.least_logits(ids)).to(chosen.device)
        chosen = chosen.masked_fill(chosen < least, -torch.inf)
    # Sigmoid is monotonic: logits have the order of the scores, without the ties that rounding to 1.0 makes.
    count = queries if selection.needs_spares else lower_size(selection.max_detections, queries)
    best, indices = chosen.flatten(1).topk(count, dim=1)  # [B, k]
    return _rows(outputs, indices // classes, best, selected[indices % classes])


def best_classes(outputs: Outputs, selection: Selection) -> Tensor:
    """Return the best class of each query, for the queries with the highest scores.

    returns float [B, k, 6]: cx cy w h as fractions, logarithm of the score, class id; sorted by score. The logarithm is
    -inf for queries whose best class is not selected

    Source: DETR (Carion et al. 2020) and its evaluation: softmax, without the last column, the maximum of each query.
    """
    # In float64 if the device has it: as for the sigmoid below, a score must not depend on its position in memory.
    probabilities = outputs.logits.to(exact_dtype(outputs.logits.device)).log_softmax(-1)[..., :-1]  # [B, Q, K]
    scores, class_ids = probabilities.max(-1)  # [B, Q]
    if selection.class_ids is not None:
        # Other queries must not take places; those with NaN stay, as without a selection.
        is_selected = torch.zeros(probabilities.shape[2], dtype=torch.bool, device=scores.device)
        is_selected.index_fill_(0, _class_ids(tuple(sorted(set(selection.class_ids))), scores.device), True)
        scores = scores.where(is_selected[class_ids] | scores.isnan(), -torch.inf)
    count = scores.shape[1] if selection.needs_spares else lower_size(selection.max_detections, scores.shape[1])
    best, query = scores.topk(count, dim=1)  # [B, k]
    return _rows(outputs, query, best, class_ids.gather(1, query))


@lru_cache(maxsize=16)
def _class_ids(class_ids: tuple[int, ...], device: torch.device) -> Tensor:
    """Class ids that are copied to a GPU only once: each copy would wait for it."""
    with torch.inference_mode(False):
        return torch.tensor(class_ids, dtype=torch.int64, device=device)


def _rows(outputs: Outputs, query: Tensor, best: Tensor, class_ids: Tensor) -> Tensor:
    four = query.unsqueeze(-1).expand(-1, -1, 4)
    boxes = outputs.boxes_cxcywh.to(best.dtype).gather(1, four)
    columns = [boxes, best.unsqueeze(-1), class_ids.unsqueeze(-1).to(best.dtype)]
    if outputs.box_std is not None:
        columns.append(outputs.box_std.to(best.dtype).gather(1, four))
    return torch.cat(columns, dim=-1)


def _without_border(outputs: Outputs, batch: Batch, sizing: Letterbox) -> Outputs:
    """Return outputs whose boxes are fractions of the images, of those whose boxes are fractions of the letterboxed input."""
    boxes = outputs.boxes_cxcywh
    height_width = [(height, width) for height, width in batch.sizes_hw.tolist()]
    offset, factor = (
        torch.from_numpy(array).to(boxes.device, boxes.dtype) for array in without_border(sizing, height_width)
    )
    box_std = None if outputs.box_std is None else outputs.box_std * factor
    return replace(outputs, boxes_cxcywh=(boxes - offset) * factor, box_std=box_std)


def without_padding(outputs: Outputs, batch: Batch) -> Outputs:
    """Return outputs whose boxes are fractions of the images, of those whose boxes are fractions of the padded input."""
    padded = torch.tensor(batch.pixels.shape[-2:], dtype=torch.float64)
    height, width = (padded / batch.resized_hw).unbind(1)  # [B] each
    factors = torch.stack((width, height, width, height), dim=1)[:, None]  # [B, 1, 4]
    boxes = outputs.boxes_cxcywh
    factors = upload(factors.to(boxes.dtype), boxes.device)
    box_std = None if outputs.box_std is None else outputs.box_std * factors
    return replace(outputs, boxes_cxcywh=boxes * factors, box_std=box_std)
