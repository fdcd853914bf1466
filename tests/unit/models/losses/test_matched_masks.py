"""Masks are mask_losses some at a time, and only those of queries that answer for a box."""

import pytest
import torch
from torch import Tensor

from detcli.models.losses import matched_masks
from detcli.models.losses.assignment import Pairs
from detcli.models.losses.matched_masks import mask_sums
from tests.helpers.set_predictions import make_targets

PAIRS = Pairs(torch.tensor([2, 4, 0, 6, 9]), torch.tensor([1, 0, 2, 4, 3]))  # two images of 5 queries


def mask_losses(logits: Tensor) -> tuple[Tensor, Tensor]:
    return mask_sums(logits, make_targets(3, 2), PAIRS)


def logits() -> Tensor:
    return torch.randn(2, 5, 6, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()


def test_the_chunk_size_does_not_change_mask_losses(monkeypatch: pytest.MonkeyPatch) -> None:
    complete, chunked = logits(), logits()
    torch.stack(mask_losses(complete)).sum().backward()
    monkeypatch.setattr(matched_masks, "_PIXELS_AT_ONCE", 2 * 24 * 32)  # two masks, then two, then one
    assert torch.allclose(torch.stack(mask_losses(chunked)), torch.stack(mask_losses(complete)), rtol=1e-12)
    torch.stack(mask_losses(chunked)).sum().backward()
    assert complete.grad is not None
    assert chunked.grad is not None
    assert torch.allclose(chunked.grad, complete.grad, rtol=1e-10)


def test_unmatched_queries_have_no_mask_loss() -> None:
    predicted = logits()
    torch.stack(mask_losses(predicted)).sum().backward()
    assert predicted.grad is not None
    reached = predicted.grad.flatten(0, 1).abs().amax((1, 2)) > 0
    assert reached.nonzero().flatten().tolist() == sorted(PAIRS.queries.tolist())


def test_no_float_masks_are_kept_for_the_backward_pass() -> None:
    predicted, kept = logits(), []

    def keep(tensor: Tensor) -> Tensor:
        kept.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        mask_losses(predicted)
    assert all(tensor.numel() <= predicted.numel() for tensor in kept if tensor.is_floating_point())
