"""Outputs with NaN and infinity become outputs of numbers, and gradients still reach what made them."""

from dataclasses import dataclass

import torch
from torch import Tensor

from detcli.structures.network_io import Outputs
from detcli.training.optimization.finite_outputs import with_finite_numbers


@dataclass(frozen=True)
class _Details:
    layers: tuple[Tensor, ...]
    tables: dict[str, list[Tensor]]
    indices: Tensor
    missing: Tensor | None = None


def test_all_tensors_become_finite_and_the_rest_stays() -> None:
    bad = torch.tensor([1.0, float("nan"), float("inf"), -float("inf")])
    details = _Details((bad, bad), {"a": [bad]}, torch.arange(3))
    made = with_finite_numbers(Outputs(bad, bad, details))
    expected = torch.tensor([1.0, 0.0, 0.0, 0.0])
    assert isinstance(made.details, _Details)
    found = [made.logits, made.boxes_cxcywh, *made.details.layers, *made.details.tables["a"]]
    assert len(found) == 5
    assert all(torch.equal(tensor, expected) for tensor in found)
    assert torch.equal(made.details.indices, torch.arange(3))
    assert (made.details.missing, made.masks) == (None, None)


def test_gradients_pass_through() -> None:
    weight = torch.ones(2, requires_grad=True)
    (layer,) = with_finite_numbers((weight * torch.tensor([2.0, float("nan")]),))
    layer.sum().backward()
    assert weight.grad is not None
    assert weight.grad[0] == 2
