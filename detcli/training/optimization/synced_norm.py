"""Batch norm with the statistics of all processes, so that N processes normalize as one would."""

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from detcli.training.optimization.distributed import Processes


class SyncedBatchNorm2d(nn.BatchNorm2d):
    """Batch norm over the images of all processes, on any device; each process has equally many, of one size.

    torch.nn.SyncBatchNorm does the same only on GPUs.
    """

    processes: Processes

    def forward(self, x: Tensor) -> Tensor:
        """Normalize x [B, C, H, W]."""
        if not self.training:
            return super().forward(x)
        output, mean, variance = _Normalize.apply(x, self.weight, self.bias, self.eps, self.processes)  # type: ignore[no-untyped-call]
        self._update_statistics(mean, variance, x.numel() // x.shape[1] * self.processes.size)
        return output  # type: ignore[no-any-return]

    @torch.no_grad()
    def _update_statistics(self, mean: Tensor, variance: Tensor, count: int) -> None:
        """Update the running statistics."""
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked.add_(1)
        part = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, part)
        self.running_var.lerp_(variance * count / max(count - 1, 1), part)


def with_synced_norms(network: nn.Module, device: torch.device, processes: Processes) -> nn.Module:
    """The network with its batch norms synced, in place; parameters and names stay the same."""
    if device.type == "cuda":
        return cast("nn.Module", nn.SyncBatchNorm.convert_sync_batchnorm(network))  # type: ignore[no-untyped-call]
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if type(child) is nn.BatchNorm2d:
                setattr(parent, name, _synced(child, processes))
    return network


def _synced(norm: nn.BatchNorm2d, processes: Processes) -> SyncedBatchNorm2d:
    made = SyncedBatchNorm2d(norm.num_features, norm.eps, norm.momentum, device="meta")
    made.processes = processes
    made.weight, made.bias = norm.weight, norm.bias
    made.running_mean, made.running_var = norm.running_mean, norm.running_var
    made.num_batches_tracked = norm.num_batches_tracked
    return made.train(norm.training)


class _Normalize(torch.autograd.Function):
    """Batch normalization with the statistics of all processes, by the kernels that torch has for one."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, eps: float, processes: Processes
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The normalized x, and mean and variance [C] over all processes."""
        own = torch.stack(torch.batch_norm_update_stats(x.to(weight.dtype), None, None, 0.0))
        every = processes.gather_tensor(own)
        mean = every[:, 0].mean(0)
        variance = (every[:, 1] + (every[:, 0] - mean).square()).mean(0)
        ctx.save_for_backward(x, weight, mean, variance)
        ctx.eps, ctx.processes = eps, processes
        ctx.mark_non_differentiable(mean, variance)
        return functional.batch_norm(x, mean, variance, weight, bias, training=False, eps=eps), mean, variance

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None]:
        """The gradients of x, weight and bias; those of the parameters are of this process's images."""
        gradient = gradients[0]
        x, weight, mean, variance = ctx.saved_tensors
        _, of_weight, of_bias = torch.ops.aten.native_batch_norm_backward(
            gradient, x, weight, mean, variance, None, None, False, ctx.eps, [False, True, True]
        )
        sums = ctx.processes.gather_tensor(torch.stack((of_bias, of_weight))).sum(0)
        sums /= x.numel() // x.shape[1] * ctx.processes.size
        # With x' = (x - mean) / deviation: scale * (gradient - mean of gradient - x' * mean of (gradient * x')).
        inverse = torch.rsqrt(variance + ctx.eps)
        scale = weight * inverse
        slope = -scale * inverse * sums[1]
        shift = -scale * sums[0] - slope * mean
        of_x = torch.addcmul(shift[:, None, None], x.to(scale.dtype), slope[:, None, None])
        of_x.addcmul_(gradient.to(scale.dtype), scale[:, None, None])
        return of_x.to(x.dtype), of_weight, of_bias, None, None
