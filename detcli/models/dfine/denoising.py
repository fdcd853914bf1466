"""Denoising: queries made from the true boxes, with noise, that teach the decoder to find the way back.

Source: DINO (Zhang et al. 2022), section 3.3, as RT-DETR and D-FINE have it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from detcli.models.layers.position import inverse_sigmoid
from detcli.models.losses.assignment import Assignment
from detcli.models.losses.target_boxes import TargetBoxes, largest_everywhere
from detcli.structures.boxes import cxcywh_to_xyxy, xyxy_to_cxcywh
from detcli.structures.network_io import Targets

_DRAWS = 10  # of each noisy query: whether its label changes, to which, four signs, four distances


@dataclass(frozen=True, slots=True)
class DenoisingLayout:
    """Where the denoising queries of a batch are.

    Each group has one query close to each true box (positives), then one farther away from each (negatives); images
    with fewer boxes than the fullest one of all processes are filled up. All images have the same layout:

        [ positives | negatives ] [ positives | negatives ] …      each of `max_boxes`, in `groups` groups

    counts  how many true boxes each image has
    """

    groups: int
    max_boxes: int
    counts: tuple[int, ...]

    @property
    def queries(self) -> int:
        """How many denoising queries each image has."""
        return 2 * self.groups * self.max_boxes

    def positives(self) -> Assignment:
        """Which positive query was made from which true box."""
        group = np.arange(self.groups)[:, None] * 2 * self.max_boxes
        first, queries, targets = 0, [], []
        for image, count in enumerate(self.counts):
            own = np.arange(count)
            queries.append((image * self.queries + group + own).ravel())
            targets.append(np.tile(first + own, self.groups))
            first += count
        return Assignment(np.concatenate(queries), np.concatenate(targets))

    def mask(self, others: int, device: torch.device) -> Tensor:
        """Who may look at whom, for the denoising queries and as many others after them: bool [queries + others] twice.

        Denoising queries see their own group, what fills it up included as in the original, and the others; the others
        see none of them.
        """
        group = torch.arange(self.queries, device=device) // (2 * self.max_boxes)
        mask = torch.ones([self.queries + others] * 2, dtype=torch.bool, device=device)
        mask[: self.queries, : self.queries] = group[:, None] == group
        mask[self.queries :, : self.queries] = False
        return mask


@dataclass(frozen=True, slots=True)
class DenoisingNoise:
    """How much of it.

    label  twice the chance that a query's label is uniform again
    box    how far an edge moves at max_boxes, in halves of the box: once that for positives, once to twice for negatives
    """

    label_ratio: float = 0.5
    box_scale: float = 1.0


@dataclass(frozen=True, slots=True)
class NoisyQueries:
    """The denoising queries of a batch.

    class_ids   int64 [B, Q]; the number of classes where an image is filled up
    references  float [B, Q, 4] logits of boxes
    """

    layout: DenoisingLayout
    class_ids: Tensor
    references: Tensor


def make_denoising_queries(
    targets: Sequence[Targets], *, classes: int, total: int, noise: DenoisingNoise, dtype: torch.dtype
) -> NoisyQueries | None:
    """Draw the denoising queries of a batch; None where no image of any process has a true box.

    total  how many positives an image should have: as many groups are made, but one at least
    dtype  of the references

    An image's noise follows from its seed alone: more groups, or fuller images next to it, do not change it.
    """
    target_boxes = TargetBoxes.of(targets, dtype)
    device = target_boxes.class_ids.device
    max_boxes = largest_everywhere(max(target_boxes.counts), device)
    if not max_boxes:
        return None
    layout = DenoisingLayout(max(1, total // max_boxes), max_boxes, target_boxes.counts)
    uniform = torch.zeros((len(targets), layout.groups, 2, max_boxes, _DRAWS))
    for image, target in enumerate(targets):
        own = _uniform(target.seed, layout.groups, target_boxes.counts[image])
        uniform[image, :, :, : own.shape[2]] = own
    uniform = uniform.to(device, non_blocking=True)
    labels, boxes = target_boxes.padded(max_boxes, padding_class=classes)
    class_ids = _noisy_labels(labels[:, None, None], uniform, classes, noise.label_ratio)
    boxes = _noisy_boxes(boxes[:, None, None], uniform.to(dtype), noise.box_scale)
    return NoisyQueries(layout, class_ids.flatten(1), inverse_sigmoid(boxes).flatten(1, 3))


def _uniform(seed: int, groups: int, count: int) -> Tensor:
    """Uniform numbers [groups, 2, count, 10], group by group: the first groups are the same however many follow."""
    generator = torch.Generator().manual_seed(seed)
    return torch.rand((groups, 2, count, _DRAWS), generator=generator)


def _noisy_labels(labels: Tensor, uniform: Tensor, classes: int, ratio: float) -> Tensor:
    """Labels [B, 1, 1, N] for each group [B, G, 2, N], each uniform again with a chance of half the ratio; the padding_class stays."""
    other = (uniform[..., 1] * classes).long().clamp(max=classes - 1)
    return torch.where((uniform[..., 0] < 0.5 * ratio) & (labels < classes), other, labels)


def _noisy_boxes(boxes_cxcywh: Tensor, uniform: Tensor, scale: float) -> Tensor:
    """Boxes [B, 1, 1, N, 4] for each group [B, G, 2, N, 4], with every edge moved, held within the image; positives first, then negatives."""
    signs = (uniform[..., 2:6] < 0.5).to(uniform.dtype) * 2 - 1
    farther = torch.arange(2, device=uniform.device, dtype=uniform.dtype)[:, None, None]  # negatives move one more
    halves = 0.5 * scale * boxes_cxcywh[..., 2:].repeat(1, 1, 1, 1, 2)
    moved = cxcywh_to_xyxy(boxes_cxcywh) + signs * (uniform[..., 6:] + farther) * halves
    return xyxy_to_cxcywh(moved.clamp(0, 1)).abs()  # edges may have passed each other; a size is never below zero
