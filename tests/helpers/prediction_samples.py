"""Made-up answers of a network with masks, and what comes of them."""

import math

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from detcli.inference.segmentation.segment_postprocess import to_segments
from detcli.inference.segmentation.segmentation_settings import SegmentationSettings
from detcli.structures.detections import Detections
from detcli.structures.network_io import Batch, Outputs

CLASSES = 7


def random_outputs(seed: int, cells_hw: tuple[int, int] = (20, 27), queries: int = 30, sure: float = 6.0) -> Outputs:
    """Blobs of unlike sizes on noise; most queries see something, some of them the same class."""
    generator = torch.Generator().manual_seed(seed)
    height, width = cells_hw
    center, size = torch.rand(2, queries, 2, generator=generator).unbind(0)
    down = (torch.arange(height)[None] / height - center[:, :1]) / (0.1 + 0.3 * size[:, :1])
    across = (torch.arange(width)[None] / width - center[:, 1:]) / (0.1 + 0.3 * size[:, 1:])
    masks = 4 - 4 * (down[:, :, None] ** 2 + across[:, None, :] ** 2)  # [Q, h, w]
    masks = masks.clamp(min=-8) + torch.randn(queries, height, width, generator=generator)
    logits = torch.randn(1, queries, CLASSES + 1, generator=generator)
    seen = torch.randint(0, CLASSES + 1, (1, queries, 1), generator=generator)
    strength = torch.rand(1, queries, 1, generator=generator) * sure
    return Outputs(
        logits.scatter_add(2, seen, strength), torch.rand(1, queries, 4, generator=generator), masks=masks[None]
    )


def outputs_of(
    class_ids: list[int], masks: Tensor, classes: int = CLASSES, scores: list[float] | None = None
) -> Outputs:
    """A query for each class id with its mask [Q, h, w]; sure of it, or as sure as its score says."""
    probabilities = torch.full((len(class_ids), classes + 1), 0.0)
    for query, (class_id, score) in enumerate(zip(class_ids, scores or [0.99] * len(class_ids), strict=True)):
        probabilities[query] = (1 - score) / classes
        probabilities[query, class_id] = score
    boxes = torch.tensor([0.5, 0.5, 1.0, 1.0]).expand(1, len(class_ids), 4)
    return Outputs(probabilities.log()[None], boxes, masks=masks[None].float())


def one_image(size_hw: tuple[int, int], resized_hw: tuple[int, int], padded_hw: tuple[int, int] | None = None) -> Batch:
    """A batch of one, padded or not."""
    padded_hw = padded_hw or resized_hw
    mask = torch.zeros(1, *padded_hw, dtype=torch.bool)
    mask[:, : resized_hw[0], : resized_hw[1]] = True
    return Batch(
        torch.zeros(1, 3, *padded_hw),
        None if padded_hw == resized_hw else mask,
        torch.tensor([size_hw]),
        torch.tensor([resized_hw]),
    )


def segments_of(
    outputs: Outputs,
    segmenting: SegmentationSettings,
    size_hw: tuple[int, int],
    resized_hw: tuple[int, int],
    padded_hw: tuple[int, int] | None = None,
) -> Detections:
    """What is found in a batch of one."""
    [found] = to_segments(outputs, one_image(size_hw, resized_hw, padded_hw), segmenting)
    assert isinstance(found, Detections)
    return found


def masks_of(found: Detections) -> npt.NDArray[np.bool_]:
    """Masks [N, H, W], N > 0."""
    assert found.masks is not None
    return np.stack([mask.decode() for mask in found.masks])


def class_map(found: Detections, size_hw: tuple[int, int]) -> npt.NDArray[np.int64]:
    """The class of each pixel, -1 where there is none."""
    image = np.full(size_hw, -1, np.int64)
    assert found.masks is not None
    for class_id, mask in zip(found.class_ids, found.masks, strict=True):
        image[mask.decode()] = class_id
    return image


def padded(outputs: Outputs, resized_hw: tuple[int, int], padded_hw: tuple[int, int], stride: int = 4) -> Outputs:
    """The same answer as it would lie in a larger batch, with numbers over the padding that would spoil everything."""
    assert outputs.masks is not None
    cells = [math.ceil(length / stride) for length in padded_hw]
    _, _, height, width = outputs.masks.shape
    assert [height, width] == [math.ceil(length / stride) for length in resized_hw]
    masks = F.pad(outputs.masks, (0, cells[1] - width, 0, cells[0] - height), value=50.0)
    return Outputs(outputs.logits, outputs.boxes_cxcywh, masks=masks)
