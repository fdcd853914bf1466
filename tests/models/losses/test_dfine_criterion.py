"""D-FINE's criterion against the numbers of the original's, and where those do not reach."""

import pytest
import torch
from original_case import original_case

from detcli.models.dfine.criterion import DFineCriterion


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_every_loss_is_the_originals(dtype: torch.dtype) -> None:
    case = original_case(dtype)
    losses = DFineCriterion()(case.outputs, case.targets)
    assert losses.keys() == case.losses.keys()
    assert {name: loss.item() for name, loss in losses.items()} == pytest.approx(case.losses, rel=1e-5)
    assert sum(losses.values()).item() == pytest.approx(case.total, rel=1e-5)  # type: ignore[union-attr]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_every_gradient_is_the_originals(dtype: torch.dtype) -> None:
    case = original_case(dtype)
    torch.stack(list(DFineCriterion()(case.outputs, case.targets).values())).sum().backward()
    for name, wanted in case.gradients.items():
        gradient = case.inputs[name].grad
        assert gradient is not None, name
        assert (gradient - wanted).abs().max() <= 1e-4 * wanted.abs().max(), name
