"""Outputs of exported networks -> detections in the pixels of each image, with numpy: the rules of `postprocess.py`."""

from typing import Any

import numpy as np
import numpy.typing as npt

from detcli.errors import DamagedModelError
from detcli.inference.postprocessing.selection import NotFiniteError, Selection, to_image_detections
from detcli.inference.preprocessing.letterbox import without_border
from detcli.inference.preprocessing.preprocessing import Preprocessing
from detcli.inference.preprocessing.resize_rules import Letterbox
from detcli.inference.segmentation.segmentation_settings import SegmentationSettings
from detcli.runtimes.exported.array_io import ArrayBatch, ArrayOutputs
from detcli.structures.detections import Detections

Rows = npt.NDArray[np.float64]


def array_results(
    outputs: ArrayOutputs,
    batch: ArrayBatch,
    preprocessing: Preprocessing,
    selection: Selection,
    segmentation: SegmentationSettings | None,
) -> list[Detections | NotFiniteError]:
    """Return boxes or, with settings of segmentation, segments of each image of a batch; segments need torch.

    Raises DamagedModelError for outputs of another number of images.
    """
    if len(outputs.logits) != len(batch.sizes_hw):
        raise DamagedModelError(
            f"the exported file gives results of {len(outputs.logits)} images for {len(batch.sizes_hw)}: export it again"
        )
    if preprocessing.pad_size_hw is not None:
        outputs = without_array_padding(outputs, preprocessing.pad_size_hw, batch.resized_hw)
    elif isinstance(preprocessing.sizing, Letterbox):
        offset, factor = without_border(
            preprocessing.sizing, [(height, width) for height, width in batch.sizes_hw.tolist()]
        )
        boxes = ((outputs.boxes_cxcywh - offset) * factor).astype(np.float32)
        box_std = None if outputs.box_std is None else (outputs.box_std * factor).astype(np.float32)
        outputs = ArrayOutputs(outputs.logits, boxes, outputs.masks, box_std)
    if segmentation is not None:
        return _segments(outputs, batch, segmentation)
    return array_detections(outputs, batch.sizes_hw, selection)


def _segments(
    outputs: ArrayOutputs, batch: ArrayBatch, segmentation: SegmentationSettings
) -> list[Detections | NotFiniteError]:
    import torch

    from detcli.inference.segmentation.segment_postprocess import to_segments
    from detcli.structures.network_io import Batch, Outputs

    masks = None if outputs.masks is None else torch.from_numpy(outputs.masks)
    tensors = Outputs(torch.from_numpy(outputs.logits), torch.from_numpy(outputs.boxes_cxcywh), masks=masks)
    pixels = torch.from_numpy(batch.pixels).permute(0, 3, 1, 2)
    sizes, resized = torch.from_numpy(batch.sizes_hw), torch.from_numpy(batch.resized_hw)
    return to_segments(tensors, Batch(pixels, None, sizes, resized), segmentation)


def array_detections(
    outputs: ArrayOutputs, sizes_hw: npt.NDArray[np.int64], selection: Selection
) -> list[Detections | NotFiniteError]:
    """Return the detections of each image in its pixels; an error for an image whose outputs have NaN or infinity.

    sizes_hw  int64 [B, 2]
    """
    select = best_classes if selection.scores == "softmax" else top_k
    return [
        to_image_detections(select(logits, boxes, selection), tuple(size), selection)
        for logits, boxes, size in zip(outputs.logits, _with_std(outputs), sizes_hw.tolist(), strict=True)
    ]


def _with_std(outputs: ArrayOutputs) -> npt.NDArray[Any]:
    """The boxes, and the standard deviations of their edges where there are any: [B, Q, 4] or [B, Q, 8]."""
    if outputs.box_std is None:
        return outputs.boxes_cxcywh
    return np.concatenate((outputs.boxes_cxcywh, outputs.box_std), axis=2)


def top_k(logits: npt.NDArray[Any], boxes: npt.NDArray[Any], selection: Selection) -> Rows:
    """The best predictions of an image, over queries and classes together.

    logits   [Q, K]
    boxes    [Q, 4], or [Q, 8] with the standard deviation of each edge
    returns  float64 [k, 6]: cx cy w h as fractions, logit of the score, class id; sorted by score; or [k, 10]
    """
    class_ids = np.arange(logits.shape[1])
    if selection.class_ids is not None:
        class_ids = np.array(sorted(set(selection.class_ids)))
    values = logits[:, class_ids]
    if selection.class_thresholds:  # predictions below the threshold of their class must not take places
        values = np.where(values < selection.least_logits(class_ids), -np.inf, values)
    is_number = ~np.isnan(logits).any(1, keepdims=True)
    chosen = np.where(is_number, values, np.inf).reshape(-1)  # NaN is the first, and an error later
    best = _largest(chosen, len(logits) if selection.needs_spares else min(selection.max_detections, len(logits)))
    query, position = np.divmod(best, len(class_ids))
    return _rows(boxes[query], logits[query, class_ids[position]], class_ids[position])


def best_classes(logits: npt.NDArray[Any], boxes: npt.NDArray[Any], selection: Selection) -> Rows:
    """The best class of each query, for the queries with the highest scores.

    logits   [Q, K + 1], the last one for "no object"
    boxes    as for `top_k`
    returns  float64 [k, 6] or [k, 10]: the same with the logarithm of the score; sorted by score. The logarithm is -inf
             for queries whose best class is not selected
    """
    exact = logits.astype(np.float64)
    with np.errstate(invalid="ignore"):
        shifted = exact - exact.max(1, keepdims=True)
        logarithms = (shifted - np.log(np.exp(shifted).sum(1, keepdims=True)))[:, :-1]
    class_ids = logarithms.argmax(1)
    scores = logarithms[np.arange(len(logarithms)), class_ids]
    if selection.class_ids is not None:
        scores = np.where(np.isin(class_ids, selection.class_ids) | np.isnan(scores), scores, -np.inf)
    count = len(scores) if selection.needs_spares else min(selection.max_detections, len(scores))
    best = _largest(np.where(np.isnan(scores), np.inf, scores), count)
    return _rows(boxes[best], scores[best], class_ids[best])


def _largest(values: npt.NDArray[Any], count: int) -> npt.NDArray[np.int64]:
    """Positions of the largest values, in descending order; the first of equal ones."""
    if count < len(values):
        smallest = np.partition(values, len(values) - count)[len(values) - count]
        candidates = np.flatnonzero(values >= smallest)
    else:
        candidates = np.arange(len(values))
    order: npt.NDArray[np.int64] = candidates[np.argsort(-values[candidates], kind="stable")][:count]
    return order


def _rows(boxes: npt.NDArray[Any], best: npt.NDArray[Any], class_ids: npt.NDArray[Any]) -> Rows:
    columns = (boxes[:, :4], best[:, None], class_ids[:, None], boxes[:, 4:])
    return np.concatenate(columns, axis=1, dtype=np.float64)


def without_array_padding(
    outputs: ArrayOutputs, padded_hw: tuple[int, int], resized_hw: npt.NDArray[np.int64]
) -> ArrayOutputs:
    """Return outputs whose boxes are fractions of the images, of those whose boxes are fractions of the padded input."""
    height, width = (np.array(padded_hw, np.float64) / resized_hw).T  # [B] each
    factors = np.stack((width, height, width, height), axis=1)[:, None].astype(np.float32)  # [B, 1, 4]
    box_std = None if outputs.box_std is None else outputs.box_std * factors
    return ArrayOutputs(outputs.logits, outputs.boxes_cxcywh * factors, outputs.masks, box_std)
