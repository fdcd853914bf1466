"""Contrastive denoising: queries made from noisy ground-truth boxes, from which the decoder learns to reconstruct them.

Source: DINO (Zhang et al. 2022), section 3.3, as used by RT-DETR and D-FINE.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from detcli.models.layers.position import inverse_sigmoid
from detcli.models.losses.assignment import Assignment
from detcli.models.losses.target_boxes import TargetBoxes, largest_everywhere
from detcli.structures.boxes import cxcywh_to_xyxy, xyxy_to_cxcywh
from detcli.structures.network_io import Targets

_DRAWS = 10  # for each query: whether its label changes, to which, four signs, four distances


@dataclass(frozen=True, slots=True)
class DenoisingLayout:
    """Order of the denoising queries of a batch.

    Each group has one query close to each ground-truth box (positives), then one farther away from each (negatives).
    Images are padded to the largest number of boxes of an image in all processes. All images have the same layout:

        [ positives | negatives ] [ positives | negatives ] …      each of `max_boxes`, in `groups` groups

    counts  number of ground-truth boxes of each image
    """

    groups: int
    max_boxes: int
    counts: tuple[int, ...]

    @property
    def queries(self) -> int:
        """Number of denoising queries of each image."""
        return 2 * self.groups * self.max_boxes

    def positives(self) -> Assignment:
        """Pairs of each positive query and the ground-truth box that it was made from."""
        group = np.arange(self.groups)[:, None] * 2 * self.max_boxes
        first, queries, targets = 0, [], []
        for image, count in enumerate(self.counts):
            own = np.arange(count)
            queries.append((image * self.queries + group + own).ravel())
            targets.append(np.tile(first + own, self.groups))
            first += count
        return Assignment(np.concatenate(queries), np.concatenate(targets))

    def mask(self, others: int, device: torch.device) -> Tensor:
        """Attention mask of the denoising queries and the ordinary ones after them: bool [queries + others] twice.

        Denoising queries attend to their own group (including padding, as in the original) and to ordinary queries;
        ordinary queries do not attend to denoising queries.
        """
        group = torch.arange(self.queries, device=device) // (2 * self.max_boxes)
        mask = torch.ones([self.queries + others] * 2, dtype=torch.bool, device=device)
        mask[: self.queries, : self.queries] = group[:, None] == group
        mask[self.queries :, : self.queries] = False
        return mask


@dataclass(frozen=True, slots=True)
class DenoisingNoise:
    """Amount of noise.

    label_ratio  twice the probability that a query's label is replaced by a random one
    box_scale    largest shift of an edge, in half box sizes: up to once for positives, once to twice for negatives
    """

    label_ratio: float = 0.5
    box_scale: float = 1.0


@dataclass(frozen=True, slots=True)
class NoisyQueries:
    """The denoising queries of a batch.

    class_ids   int64 [B, Q]; the number of classes for padding
    references  float [B, Q, 4] logits of boxes
    """

    layout: DenoisingLayout
    class_ids: Tensor
    references: Tensor


@dataclass(frozen=True, slots=True)
class DecoderStart:
    """What the decoder starts from in training: denoising queries, then the ordinary ones.

    queries     [B, Q', D]
    references  [B, Q', 4] logits of boxes
    mask        bool [Q', Q'], True where the query of the row attends to that of the column; None: all to all
    layout      of the denoising queries; None: there are none
    """

    queries: Tensor
    references: Tensor
    mask: Tensor | None = None
    layout: DenoisingLayout | None = None

    @property
    def denoising(self) -> int:
        """Number of denoising queries of each image."""
        return 0 if self.layout is None else self.layout.queries

    @property
    def max_boxes(self) -> int:
        """Number of ground-truth boxes of the image with most; 0 without denoising."""
        return 0 if self.layout is None else self.layout.max_boxes


def with_denoising(
    queries: Tensor,
    references: Tensor,
    targets: Sequence[Targets],
    labels: nn.Embedding | None,
    *,
    total: int,
    noise: DenoisingNoise,
) -> DecoderStart:
    """Put denoising queries before the ordinary ones.

    queries     [B, Q, D]
    references  [B, Q, 4] logits of boxes, without gradient
    labels      embedding of each class, and of padding; None: no denoising
    total       as in `make_denoising_queries`
    """
    if labels is None:
        return DecoderStart(queries, references)
    made = make_denoising_queries(
        targets, classes=labels.num_embeddings - 1, total=total, noise=noise, dtype=references.dtype
    )
    if made is None:  # no ground-truth box in any process; all parameters still need gradients
        return DecoderStart(queries + 0 * labels.weight.sum(), references)
    return DecoderStart(
        torch.cat((labels(made.class_ids).to(queries.dtype), queries), dim=1),
        torch.cat((made.references, references), dim=1),
        made.layout.mask(queries.shape[1], queries.device),
        made.layout,
    )


def make_denoising_queries(
    targets: Sequence[Targets], *, classes: int, total: int, noise: DenoisingNoise, dtype: torch.dtype
) -> NoisyQueries | None:
    """Make the denoising queries of a batch; None if no image of any process has a ground-truth box.

    total  number of positives of an image, which sets the number of groups; there is at least one group
    dtype  of the references

    The noise of an image depends only on its seed: more groups or other images of the batch do not change it.
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
    """Uniform random numbers [groups, 2, count, 10], group by group: more groups do not change the first ones."""
    generator = torch.Generator().manual_seed(seed)
    return torch.rand((groups, 2, count, _DRAWS), generator=generator)


def _noisy_labels(labels: Tensor, uniform: Tensor, classes: int, ratio: float) -> Tensor:
    """Labels [B, 1, 1, N] for each group [B, G, 2, N], each replaced with a probability of half the ratio; padding is unchanged."""
    other = (uniform[..., 1] * classes).long().clamp(max=classes - 1)
    return torch.where((uniform[..., 0] < 0.5 * ratio) & (labels < classes), other, labels)


def _noisy_boxes(boxes_cxcywh: Tensor, uniform: Tensor, scale: float) -> Tensor:
    """Boxes [B, 1, 1, N, 4] for each group [B, G, 2, N, 4], with every edge shifted, clamped to the image; positives first, then negatives."""
    signs = (uniform[..., 2:6] < 0.5).to(uniform.dtype) * 2 - 1
    farther = torch.arange(2, device=uniform.device, dtype=uniform.dtype)[
        :, None, None
    ]  # negatives are shifted by one more
    halves = 0.5 * scale * boxes_cxcywh[..., 2:].repeat(1, 1, 1, 1, 2)
    moved = cxcywh_to_xyxy(boxes_cxcywh) + signs * (uniform[..., 6:] + farther) * halves
    return xyxy_to_cxcywh(moved.clamp(0, 1)).abs()  # edges may have swapped; sizes stay positive
