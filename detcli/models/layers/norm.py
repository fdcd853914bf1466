"""A block of convolution, norm and activation, and the folding of norms into convolutions for inference."""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from detcli.models.layers.activations import make_activation


class FrozenBatchNorm2d(nn.Module):
    """Batch norm with constant statistics and affine: four buffers, no parameter.

    Source: DETR (Carion et al. 2020), section A.4.
    """

    weight: Tensor
    bias: Tensor
    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps
        self.register_buffer("weight", torch.ones(channels))
        self.register_buffer("bias", torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Normalize x [B, C, H, W]."""
        return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps)


class GroupNorm(nn.GroupNorm):
    """PyTorch's group norm that also accepts groups of one value (narrow networks, tiny images): the result is the bias."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalize x [B, C, H, W]."""
        return torch.group_norm(x, self.num_groups, self.weight, self.bias, self.eps)


class LearnableAffine(nn.Module):
    """One scale and one bias for all elements: HGNetV2's learnable affine block."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))
        self.bias = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        """Scale and shift every element."""
        return self.scale * x + self.bias


class Clamp(nn.Module):
    """Clamp every element on one side: ReLU with an affine that was folded into the convolution before it."""

    def __init__(self, bound: float, *, below: bool) -> None:
        super().__init__()
        self.low = None if below else bound
        self.high = bound if below else None

    def forward(self, x: Tensor) -> Tensor:
        """Clamp in place: for inference only, after a convolution whose output is used only here."""
        return x.clamp_(self.low, self.high)


class ConvNorm(nn.Module):
    """Convolution, norm, activation and, optionally, a learnable affine.

    kernel      side of the square kernel
    padding     None keeps the size at stride 1 for odd kernels: dilation * (kernel - 1) // 2
    dilation    distance between the cells that a kernel reads
    norm        module over the output channels; `fold` accepts both kinds of batch norm
    activation  a name of ACTIVATIONS, or None
    affine      put a LearnableAffine after the activation
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        stride: int | tuple[int, int] = 1,
        *,
        norm: nn.Module,
        groups: int = 1,
        padding: int | None = None,
        dilation: int = 1,
        activation: str | None = None,
        affine: bool = False,
    ) -> None:
        super().__init__()
        padding = dilation * (kernel - 1) // 2 if padding is None else padding
        self.conv: nn.Conv2d | nn.Identity = nn.Conv2d(
            inputs, outputs, kernel, stride, padding, dilation, groups, bias=False
        )
        self.norm = norm
        self.activation = make_activation(activation)
        self.affine: nn.Module = LearnableAffine() if affine else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Take x [B, C, H, W] to [B, outputs, H', W']."""
        output: Tensor = self.affine(self.activation(self.norm(self.conv(x))))
        return output

    def fold(self) -> None:
        """Fold norm and affine into the convolution, in place; the activation then works in place too.

        ReLU with an affine stays exact: s·max(y, 0) + b is max(s·y + b, b) for s >= 0 and min(s·y + b, b) for s < 0.
        """
        if isinstance(self.conv, nn.Identity):
            return
        self.conv = fold_norm(self.conv, self.norm)
        self.norm = nn.Identity()
        if isinstance(self.affine, LearnableAffine) and isinstance(self.activation, nn.ReLU):
            scale, bias = self.affine.scale.double(), self.affine.bias.double()
            self.conv = _replaced(self.conv, self.conv.weight * scale, _bias_of(self.conv) * scale + bias)
            self.activation = Clamp(float(bias), below=float(scale) < 0)
            self.affine = nn.Identity()
        else:
            work_in_place(self.activation)

    def take_conv(self) -> nn.Conv2d:
        """Fold, remove the convolution and return it: the block then only applies what follows it."""
        self.fold()
        conv, self.conv = self.conv, nn.Identity()
        if isinstance(conv, nn.Identity):
            raise ValueError("the convolution was already taken")
        return conv


def work_in_place(activation: nn.Module) -> None:
    """Let an activation overwrite its input, if it supports that: for inference only, if nothing else reads the input."""
    if isinstance(activation, nn.ReLU | nn.ReLU6 | nn.SiLU | nn.Hardswish | nn.LeakyReLU | nn.Mish):
        activation.inplace = True


def fold_norm(conv: nn.Conv2d, norm: nn.Module) -> nn.Conv2d:
    """The convolution equal to a convolution and its batch norm; computed in float64, then cast.

    Any other `norm` is considered already folded, and `conv` is returned.
    """
    if not isinstance(norm, nn.BatchNorm2d | FrozenBatchNorm2d):
        return conv
    mean, variance = norm.running_mean, norm.running_var
    if mean is None or variance is None:
        raise ValueError("a batch norm without running statistics cannot be folded")
    scale = norm.weight.double() * (variance.double() + norm.eps).rsqrt()
    bias = (_bias_of(conv) - mean.double()) * scale + norm.bias.double()
    return _replaced(conv, conv.weight.double() * scale[:, None, None, None], bias)


def sum_of(first: nn.Conv2d, second: nn.Conv2d) -> nn.Conv2d:
    """The convolution equal to the sum of two; the second kernel is centered in the larger first one."""
    margin = (first.kernel_size[0] - second.kernel_size[0]) // 2
    weight = first.weight.double() + F.pad(second.weight.double(), (margin,) * 4)
    return _replaced(first, weight, _bias_of(first) + _bias_of(second))


def split_inputs(conv: nn.Conv2d, first: int) -> tuple[nn.Conv2d, nn.Conv2d]:
    """Two convolutions whose sum equals this one: of the first input channels, and of the others (with the bias)."""
    weight, bias = conv.weight, _bias_of(conv)
    none = torch.zeros_like(bias)
    return _replaced(conv, weight[:, :first], none), _replaced(conv, weight[:, first:], bias)


def split_outputs(conv: nn.Conv2d, first: int) -> tuple[nn.Conv2d, nn.Conv2d]:
    """Two convolutions that compute the first output channels, and the others."""
    weight, bias = conv.weight, _bias_of(conv)
    return _replaced(conv, weight[:first], bias[:first]), _replaced(conv, weight[first:], bias[first:])


def _bias_of(conv: nn.Conv2d) -> Tensor:
    return conv.weight.new_zeros(conv.out_channels).double() if conv.bias is None else conv.bias.double()


def _replaced(conv: nn.Conv2d, weight: Tensor, bias: Tensor) -> nn.Conv2d:
    """A convolution with these weights and the same stride, padding, dilation, groups, dtype and device."""
    like = conv.weight
    folded = nn.Conv2d(
        weight.shape[1] * conv.groups,
        weight.shape[0],
        cast("tuple[int, int]", conv.kernel_size),
        cast("tuple[int, int]", conv.stride),
        cast("tuple[int, int]", conv.padding),
        cast("tuple[int, int]", conv.dilation),
        groups=conv.groups,
        device="meta",
        dtype=like.dtype,
    )
    folded.weight = nn.Parameter(weight.detach().to(like.dtype).contiguous(), requires_grad=False)
    folded.bias = nn.Parameter(bias.detach().to(like.dtype).contiguous(), requires_grad=False)
    return folded
