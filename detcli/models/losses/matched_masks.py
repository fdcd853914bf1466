"""Mask losses of the matched queries, computed in chunks: float masks of full images need much memory."""

from collections.abc import Sequence
from itertools import accumulate

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from detcli.models.losses.assignment import Pairs
from detcli.models.losses.loss_terms import mask_terms
from detcli.structures.network_io import Targets

_PIXELS_AT_ONCE = 8_000_000  # of masks in one chunk, which needs about ten floats per pixel until it is done


def mask_sums(
    logits: Tensor, targets: Sequence[Targets], pairs: Pairs, *, size_hw: Sequence[int] | None = None
) -> tuple[Tensor, Tensor]:
    """Focal and Dice losses of masks, in float32 at least, summed over all pairs whose image has masks.

    logits   [B, Q, h, w] before sigmoid, over the network's input with its padding
    targets  of the B images
    pairs    [P] matched queries and ground-truth boxes, indexed over the complete batch, in the order of images
    size_hw  of the network's input with its padding; None: that of the largest masks

    Masks are empty in the padding. Every mask has the same weight, whatever its size.
    """
    queries, masks = _matched(targets, pairs, logits.shape[1], size_hw)
    logits = logits.flatten(0, 1)[queries].to(torch.promote_types(logits.dtype, torch.float32))  # [P, h, w]
    focal = dice = logits[:0].sum()  # without matches, the loss still depends on the network
    at_once = max(1, _PIXELS_AT_ONCE // max(1, masks.shape[-2] * masks.shape[-1]))
    for first in range(0, len(queries), at_once):
        some = slice(first, first + at_once)
        more = checkpoint(_summed, logits[some], masks[some], use_reentrant=False, preserve_rng_state=False)
        focal, dice = focal + more[0], dice + more[1]
    return focal, dice


def _summed(logits: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
    focal, dice = mask_terms(logits, masks.to(logits.dtype))
    return focal.sum(), dice.sum()


def _matched(
    targets: Sequence[Targets], pairs: Pairs, queries: int, size_hw: Sequence[int] | None
) -> tuple[Tensor, Tensor]:
    """Queries [P] whose target has a mask, indexed over all images, and the masks bool [P, H, W], padded."""
    counts = [len(target.class_ids) for target in targets]
    taken = [min(queries, count) for count in counts]
    starts = accumulate(counts, initial=0)
    parts = zip(targets, starts, torch.split(pairs.queries, taken), torch.split(pairs.targets, taken), strict=False)
    known = [(image.masks, query, target - first) for image, first, query, target in parts if image.masks is not None]
    if size_hw is None:
        size_hw = [max((masks.shape[side] for masks, _, _ in known), default=0) for side in (1, 2)]
    if not known:
        return pairs.queries[:0], pairs.queries.new_zeros((0, *size_hw), dtype=torch.bool)
    masks = [_padded(masks[target], size_hw) for masks, _, target in known]
    return torch.cat([query for _, query, _ in known]), torch.cat(masks)


def _padded(masks: Tensor, size_hw: Sequence[int]) -> Tensor:
    """Masks bool [N, H, W], padded on the right and at the bottom up to a size."""
    down, across = (full - own for full, own in zip(size_hw, masks.shape[1:], strict=True))
    if min(down, across) < 0:
        raise ValueError(f"masks of {tuple(masks.shape[1:])} pixels are larger than the input of {tuple(size_hw)}")
    return F.pad(masks, (0, across, 0, down))
