"""HGNetV2 (Baidu 2023): the convolutional backbone of D-FINE."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from detcli.models.layers.norm import ConvNorm, FrozenBatchNorm2d, split_inputs

Pair = tuple[int, int]


@dataclass(frozen=True, slots=True)
class StageConfig:
    """One stage: an optional downsampling, then blocks that concatenate and squeeze the outputs of their layers.

    inputs, middle, outputs  channels before the stage, of each layer, and after each block
    stride                   of the downsampling
    light                    layers are a 1x1 and a depthwise convolution instead of a full one
    """

    inputs: int
    middle: int
    outputs: int
    blocks: int
    layers: int
    kernel: int
    downsample: bool
    light: bool
    stride: Pair = (2, 2)


@dataclass(frozen=True, slots=True)
class HGNetV2Config:
    """The backbone's configuration.

    stem          channels of the image, inside the stem, and after it
    stem_strides  of the stem's convolutions 1, 2a, 2b, 3 and 4; 2a and 2b are 1
    out_indices   of the maps that are returned: 0 is the stem, 1 the first stage
    hidden_act    activation of the stem; the stages have ReLU
    affine        a learnable affine after each activation
    frozen        norms are buffers that training does not change
    """

    stem: tuple[int, int, int]
    stages: tuple[StageConfig, ...]
    out_indices: tuple[int, ...]
    stem_strides: tuple[Pair, ...] = ((2, 2), (1, 1), (1, 1), (2, 2), (1, 1))
    hidden_act: str = "relu"
    affine: bool = False
    frozen: bool = True

    @property
    def out_channels(self) -> tuple[int, ...]:
        """Channels of each map that is returned."""
        return tuple(self.stem[2] if i == 0 else self.stages[i - 1].outputs for i in self.out_indices)

    @property
    def out_strides(self) -> tuple[Pair, ...]:
        """Strides of each map that is returned, vertical and horizontal."""
        down, across = 1, 1
        for stride in self.stem_strides:
            down, across = down * stride[0], across * stride[1]
        strides = [(down, across)]
        for stage in self.stages:
            if stage.downsample:
                down, across = down * stage.stride[0], across * stage.stride[1]
            strides.append((down, across))
        return tuple(strides[i] for i in self.out_indices)


class HGNetV2(nn.Module):
    """Images -> feature maps of increasing stride."""

    def __init__(self, config: HGNetV2Config) -> None:
        super().__init__()
        norm = FrozenBatchNorm2d if config.frozen else nn.BatchNorm2d
        self.out_indices = config.out_indices
        self.stem = Stem(config, norm)
        self.stages = nn.ModuleList(Stage(stage, norm, affine=config.affine) for stage in config.stages)
        # Stages after the last returned map are not used, but checkpoints have their weights.
        self._used = max(config.out_indices)

    def forward(self, pixels: Tensor) -> list[Tensor]:
        """Take pixels [B, 3, H, W] to one [B, C, H / stride, W / stride] for each of `out_indices`."""
        maps = [self.stem(pixels)]
        for stage in self.stages[: self._used]:
            maps.append(stage(maps[-1]))
        return [maps[i] for i in self.out_indices]

    def drop_unused(self) -> None:
        """Remove the stages that no returned map depends on."""
        self.stages = self.stages[: self._used]


class Stem(nn.Module):
    """Five convolutions, with a max-pool parallel to two of them; the stride is 4."""

    def __init__(self, config: HGNetV2Config, norm: Callable[[int], nn.Module]) -> None:
        super().__init__()
        image, inner, outputs = config.stem
        strides = config.stem_strides

        def block(inputs: int, outputs: int, kernel: int, stride: Pair) -> ConvNorm:
            return ConvNorm(
                inputs,
                outputs,
                kernel,
                stride,
                norm=norm(outputs),
                activation=config.hidden_act,
                affine=config.affine,
            )

        self.stem1 = block(image, inner, 3, strides[0])
        self.stem2a = block(inner, inner // 2, 2, strides[1])
        self.stem2b = block(inner // 2, inner, 2, strides[2])
        self.stem3 = block(inner * 2, inner, 3, strides[3])
        self.stem4 = block(inner, outputs, 1, strides[4])
        self.parts: nn.ModuleList | None = None  # the halves of stem3, after folding

    def forward(self, pixels: Tensor) -> Tensor:
        """Take pixels [B, 3, H, W] to [B, C, H / 4, W / 4]."""
        padded = F.pad(self.stem1(pixels), (0, 1, 0, 1))
        convolved = self.stem2b(F.pad(self.stem2a(padded), (0, 1, 0, 1)))
        output: Tensor = self.stem4(self._joined(_largest_of_four(padded), convolved))
        return output

    def fold(self) -> None:
        """Split stem3 by its two inputs: concatenating these large maps is slow."""
        if self.parts is None:
            conv = self.stem3.take_conv()
            self.parts = nn.ModuleList(split_inputs(conv, conv.in_channels // 2))

    def _joined(self, pooled: Tensor, convolved: Tensor) -> Tensor:
        """stem3 over both maps."""
        if self.parts is None:
            joined = torch.cat((pooled, convolved), dim=1)
        else:
            joined = self.parts[0](pooled).add_(self.parts[1](convolved))
        output: Tensor = self.stem3(joined)
        return output


def _largest_of_four(x: Tensor) -> Tensor:
    """Max-pool 2x2 at stride 1. On a CPU two calls of `maximum` take half of max_pool2d's time, but their gradients more."""
    if x.requires_grad:
        return F.max_pool2d(x, kernel_size=2, stride=1)
    down = torch.maximum(x[..., :-1, :], x[..., 1:, :])
    return torch.maximum(down[..., :-1], down[..., 1:])


class Stage(nn.Module):
    """An optional depthwise downsampling, then the blocks; all but the first are residual."""

    def __init__(self, config: StageConfig, norm: Callable[[int], nn.Module], *, affine: bool) -> None:
        super().__init__()
        self.downsample: nn.Module = nn.Identity()
        if config.downsample:
            self.downsample = ConvNorm(
                config.inputs, config.inputs, 3, config.stride, norm=norm(config.inputs), groups=config.inputs
            )
        self.blocks = nn.ModuleList(
            Block(config, config.outputs if i else config.inputs, norm, affine=affine, residual=i > 0)
            for i in range(config.blocks)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Take x [B, inputs, H, W] to [B, outputs, H / stride, W / stride]."""
        x = self.downsample(x)
        for block in self.blocks:
            x = block(x)
        return x


class Block(nn.Module):
    """Layers in sequence; the input and all outputs are concatenated, squeezed, then expanded."""

    def __init__(
        self, config: StageConfig, inputs: int, norm: Callable[[int], nn.Module], *, affine: bool, residual: bool
    ) -> None:
        super().__init__()
        self.residual = residual
        layer = LightLayer if config.light else _full_layer
        self.layers = nn.ModuleList(
            layer(config.middle if i else inputs, config.middle, config.kernel, norm, affine=affine)
            for i in range(config.layers)
        )
        total, squeezed = inputs + config.layers * config.middle, config.outputs // 2
        self.aggregation = nn.Sequential(
            ConvNorm(total, squeezed, 1, norm=norm(squeezed), activation="relu", affine=affine),
            ConvNorm(squeezed, config.outputs, 1, norm=norm(config.outputs), activation="relu", affine=affine),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Take x [B, inputs, H, W] to [B, outputs, H, W]."""
        outputs = [x]
        for layer in self.layers:
            outputs.append(layer(outputs[-1]))
        y: Tensor = self.aggregation(torch.cat(outputs, dim=1))
        return y + x if self.residual else y


class LightLayer(nn.Module):
    """A 1x1 convolution without activation, then a depthwise one with it."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, norm: Callable[[int], nn.Module], *, affine: bool
    ) -> None:
        super().__init__()
        self.conv1 = ConvNorm(inputs, outputs, 1, norm=norm(outputs))
        self.conv2 = _full_layer(outputs, outputs, kernel, norm, affine=affine, groups=outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Take x [B, inputs, H, W] to [B, outputs, H, W]."""
        output: Tensor = self.conv2(self.conv1(x))
        return output


def _full_layer(
    inputs: int, outputs: int, kernel: int, norm: Callable[[int], nn.Module], *, affine: bool, groups: int = 1
) -> ConvNorm:
    return ConvNorm(inputs, outputs, kernel, norm=norm(outputs), groups=groups, activation="relu", affine=affine)
