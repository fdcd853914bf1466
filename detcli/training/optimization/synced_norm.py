"""Batch norm with the statistics of all processes, so that N processes normalize as one would."""

from typing import Any, cast

import torch
from torch import Tensor, distributed, nn


class SyncedBatchNorm2d(nn.BatchNorm2d):
    """Batch norm over the images of all processes, on any device; each process has equally many, of one size.

    torch.nn.SyncBatchNorm does the same only on GPUs.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Normalize x [B, C, H, W]."""
        if not self.training:
            return super().forward(x)
        mean = _mean_of_all(x.mean((0, 2, 3)))
        centered = x - mean[:, None, None]
        variance = _mean_of_all(centered.square().mean((0, 2, 3)))
        self._update_statistics(
            mean.detach(), variance.detach(), x.numel() // x.shape[1] * distributed.get_world_size()
        )
        scale = self.weight * torch.rsqrt(variance + self.eps)
        return centered * scale[:, None, None] + self.bias[:, None, None]

    @torch.no_grad()
    def _update_statistics(self, mean: Tensor, variance: Tensor, count: int) -> None:
        """Update the running statistics."""
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked.add_(1)
        part = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, part)
        self.running_var.lerp_(variance * count / max(count - 1, 1), part)


def with_synced_norms(network: nn.Module, device: torch.device) -> nn.Module:
    """The network with its batch norms synced, in place; parameters and names stay the same."""
    if device.type == "cuda":
        return cast("nn.Module", nn.SyncBatchNorm.convert_sync_batchnorm(network))  # type: ignore[no-untyped-call]
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if type(child) is nn.BatchNorm2d:
                setattr(parent, name, _synced(child))
    return network


def _synced(norm: nn.BatchNorm2d) -> SyncedBatchNorm2d:
    made = SyncedBatchNorm2d(norm.num_features, norm.eps, norm.momentum, device="meta")
    made.weight, made.bias = norm.weight, norm.bias
    made.running_mean, made.running_var = norm.running_mean, norm.running_var
    made.num_batches_tracked = norm.num_batches_tracked
    return made.train(norm.training)


def _mean_of_all(x: Tensor) -> Tensor:
    total: Tensor = _AllReduceSum.apply(x)  # type: ignore[no-untyped-call]
    return total / distributed.get_world_size()


class _AllReduceSum(torch.autograd.Function):
    """The sum over processes; what each one's sum changes comes back to all of them."""

    @staticmethod
    def forward(_: Any, x: Tensor) -> Tensor:
        """Add up."""
        total = x.contiguous().clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(_: Any, gradient: Tensor) -> Tensor:
        """Add up what comes back."""
        total = gradient.contiguous().clone()
        distributed.all_reduce(total)
        return total
