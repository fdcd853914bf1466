"""Operators for which host and device wait for each other are found, and no others."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from detcli.runtimes.operator_modes import HostWaits, OutsideTensors

X = torch.arange(6.0).reshape(2, 3)
ROWS = torch.tensor([1, 0])


@pytest.mark.parametrize(
    "work",
    [
        lambda: X.sum().item(),
        lambda: bool(X.sum() > 0),
        lambda: X.nonzero(),
        lambda: X[X > 2],
        lambda: torch.where(X > 2),
        lambda: X.masked_select(X > 2),
        lambda: X.unique(),
        lambda: torch.tensor([1.0, 2.0]),
        lambda: X.new_tensor((1, 2)),
        lambda: X[[1, 0]],
        lambda: X.to("meta"),
        lambda: torch.empty(2, 3, device="meta").copy_(X),
        lambda: torch.equal(X, X),
        lambda: X.clone().index_put_((X > 2,), torch.zeros(())),
        lambda: X.repeat_interleave(ROWS, dim=0),
    ],
)
def test_operators_that_wait_are_found(work: Callable[[], object]) -> None:
    with HostWaits() as waits:
        work()
    assert waits.names


@pytest.mark.parametrize(
    "work",
    [
        lambda: X[ROWS],
        lambda: X[0, ROWS],
        lambda: X[:, 1:].clone(),
        lambda: X.to(torch.float64),
        lambda: torch.empty(2, 3).copy_(X),
        lambda: X.where(X > 2, -torch.inf),
        lambda: X.topk(2),
        lambda: X.masked_fill(X > 2, 0.0),
        lambda: torch.full((2,), 3.0) * 2 + torch.arange(2),
        lambda: 10000.0 ** (X / 4),
        lambda: X.repeat_interleave(2, dim=0),
        lambda: X.repeat_interleave(ROWS, dim=0, output_size=1),
        lambda: X.clone().index_fill_(0, ROWS, 1.0),
    ],
)
def test_operators_of_the_device_alone_are_only_counted(work: Callable[[], object]) -> None:
    with HostWaits() as waits:
        work()
    assert waits.names == []
    assert waits.count > 0


def test_tensors_from_outside_are_those_that_were_there_before() -> None:
    weight, bias, unused = torch.rand(3), torch.rand(3), torch.rand(3)

    def network(x: Tensor) -> Tensor:
        x = torch.cat([x * weight.view(1, 3), x])
        return (x + bias[None]) * torch.full((3,), 2.0)

    with OutsideTensors() as outside:
        network(X)
    found = {tensor.untyped_storage().data_ptr() for tensor in outside.tensors.values()}
    assert found == {x.untyped_storage().data_ptr() for x in (X, weight, bias)}
    assert unused.untyped_storage().data_ptr() not in found


def test_a_view_that_is_written_to_is_still_from_outside() -> None:
    cells = torch.zeros(2, 3)
    with OutsideTensors() as outside:
        cells[0].add_(X[0])
        cells[1].mul_(2)
    found = {tensor.untyped_storage().data_ptr() for tensor in outside.tensors.values()}
    assert found == {X.untyped_storage().data_ptr(), cells.untyped_storage().data_ptr()}
