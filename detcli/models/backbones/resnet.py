"""ResNet (He et al. 2015), version 1.5: the convolutional backbone of DETR, Deformable DETR and, as variant D, RT-DETR."""

import math
from dataclasses import dataclass
from functools import partial
from typing import Literal

from torch import Tensor, nn
from torch.nn import functional as F

from detcli.models.layers.activations import make_activation
from detcli.models.layers.norm import ConvNorm, FrozenBatchNorm2d, work_in_place

LayerType = Literal["basic", "bottleneck"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ResNetConfig:
    """The backbone's configuration, under the names of transformers' own ResNet.

    depths                    blocks of each stage
    hidden_sizes              channels after each stage
    layer_type                blocks of two 3x3 convolutions, or of 1x1, 3x3 and 1x1
    embedding_size            channels after the stem
    hidden_act                activation of the stem and after each residual block; inside a block it is always ReLU
    downsample_in_first_stage the first stage downsamples too
    downsample_in_bottleneck  the first 1x1 convolution of a stage has the stride, as in version 1
    dilation                  the last stage is dilated instead of downsampled (DC5)
    out_indices               of the maps that are returned: 0 is the stem, 1 the first stage
    variant_d                 a stem of three 3x3 convolutions, and shortcuts that average 2x2 cells where they downsample
                              (He et al. 2018, "Bag of Tricks", ResNet-D): the backbone of RT-DETR
    frozen                    norms are buffers that training does not change
    timm_name                 its name in timm, if config.json has that: the weights then have timm's names on disk.
                              None: config.json has all fields, and weights have the names of transformers
    """

    depths: tuple[int, ...] = (3, 4, 6, 3)
    hidden_sizes: tuple[int, ...] = (256, 512, 1024, 2048)
    layer_type: LayerType = "bottleneck"
    embedding_size: int = 64
    hidden_act: str = "relu"
    downsample_in_first_stage: bool = False
    downsample_in_bottleneck: bool = False
    dilation: bool = False
    out_indices: tuple[int, ...] = (4,)
    variant_d: bool = False
    frozen: bool = True
    timm_name: str | None = None

    @property
    def out_channels(self) -> tuple[int, ...]:
        """Channels of each map that is returned."""
        return tuple(self.hidden_sizes[i - 1] if i else self.embedding_size for i in self.out_indices)

    @property
    def strides(self) -> tuple[int, ...]:
        """Stride of each stage."""
        last = len(self.depths) - 1
        usual = (2 if self.downsample_in_first_stage else 1, *[2] * last)
        return tuple(1 if self.dilation and stage == last else stride for stage, stride in enumerate(usual))

    @property
    def out_strides(self) -> tuple[tuple[int, int], ...]:
        """Strides of each map that is returned, vertical and horizontal: 4 after the stem."""
        return tuple((4 * math.prod(self.strides[:i]),) * 2 for i in self.out_indices)

    def pools_shortcut(self, stage: int) -> bool:
        """Whether the shortcut of a stage's first block averages cells.

        Source: the code of RT-DETR and transformers; of basic blocks, that of a stage with more channels than the one before.
        """
        if self.layer_type == "bottleneck":
            return self.variant_d and self.strides[stage] == 2
        return self.variant_d and (self.embedding_size, *self.hidden_sizes)[stage] != self.hidden_sizes[stage]


# Block type and depths of the standard ResNets, by their names in timm.
_VARIANTS: dict[str, tuple[LayerType, tuple[int, ...]]] = {
    "resnet18": ("basic", (2, 2, 2, 2)),
    "resnet26": ("bottleneck", (2, 2, 2, 2)),
    "resnet34": ("basic", (3, 4, 6, 3)),
    "resnet50": ("bottleneck", (3, 4, 6, 3)),
    "resnet101": ("bottleneck", (3, 4, 23, 3)),
    "resnet152": ("bottleneck", (3, 8, 36, 3)),
    "resnet200": ("bottleneck", (3, 24, 36, 3)),
}
VARIANTS: tuple[str, ...] = tuple(_VARIANTS)


def resnet_variant(
    name: str,
    out_indices: tuple[int, ...],
    *,
    dilation: bool = False,
    variant_d: bool = False,
    frozen: bool = True,
    timm_name: str | None = None,
) -> ResNetConfig:
    """One of VARIANTS. A dilated one always has a `timm_name`: transformers' own ResNet is never dilated.

    Raises KeyError for other names.
    """
    layer_type, depths = _VARIANTS[name]
    return ResNetConfig(
        depths=depths,
        hidden_sizes=(256, 512, 1024, 2048) if layer_type == "bottleneck" else (64, 128, 256, 512),
        layer_type=layer_type,
        dilation=dilation,
        out_indices=out_indices,
        variant_d=variant_d,
        frozen=frozen,
        timm_name=timm_name or (name if dilation else None),
    )


class ResNet(nn.Module):
    """Images -> feature maps of increasing stride.

    Variant D takes images whose height and width are multiples of the stride of the last map.
    """

    def __init__(self, config: ResNetConfig) -> None:
        super().__init__()
        self.out_indices = config.out_indices
        self.out_channels = config.out_channels
        self.stem: nn.Module = _deep_stem(config) if config.variant_d else _stem(config)
        inputs = (config.embedding_size, *config.hidden_sizes)
        # Stages after the last returned map are not used. Checkpoints of transformers' own ResNet have their weights,
        # those of timm's do not.
        self._used = max(config.out_indices)
        built = len(config.depths) if config.timm_name is None else self._used
        self.stages = nn.ModuleList(_stage(config, stage, inputs[stage]) for stage in range(built))

    def forward(self, pixels: Tensor) -> list[Tensor]:
        """Take pixels [B, 3, H, W] to one [B, C, H / stride, W / stride], rounded up, for each of `out_indices`."""
        x = F.max_pool2d(self.stem(pixels), kernel_size=3, stride=2, padding=1)
        maps = [x] if 0 in self.out_indices else []
        for index, stage in enumerate(self.stages[: self._used], 1):
            x = stage(x)
            if index in self.out_indices:  # the memory of other maps is free for the next stage
                maps.append(x)
        return maps

    def drop_unused(self) -> None:
        """Remove the stages that no returned map depends on."""
        self.stages = self.stages[: self._used]


class ResidualBlock(nn.Module):
    """Convolutions with a residual connection, then an activation."""

    def __init__(
        self, layers: list[ConvNorm], shortcut: ConvNorm | None, activation: str, *, pools: bool = False
    ) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)
        self.pools = pools  # the shortcut averages 2x2 cells first
        self.shortcut: nn.Module = nn.Identity() if shortcut is None else shortcut
        self.activation = make_activation(activation)
        self._folded = False

    def forward(self, x: Tensor) -> Tensor:
        """Take x [B, inputs, H, W] to [B, outputs, H / stride, W / stride]."""
        y: Tensor = self.layers(x)
        shortcut = self.shortcut(F.avg_pool2d(x, 2) if self.pools else x)
        y = y.add_(shortcut) if self._folded else y + shortcut
        output: Tensor = self.activation(y)
        return output

    def fold(self) -> None:
        """Add and activate in index: the last convolution owns its output, and no gradient asks for it."""
        self._folded = True
        work_in_place(self.activation)


def _stage(config: ResNetConfig, stage: int, inputs: int) -> nn.Sequential:
    """The blocks of a stage; the first one has the stride."""
    outputs, act = config.hidden_sizes[stage], config.hidden_act
    dilated = config.dilation and stage == len(config.depths) - 1
    always_projects = config.variant_d and config.layer_type == "basic"
    block = partial(_block, frozen=config.frozen)
    blocks = []
    for index in range(config.depths[stage]):
        stride = config.strides[stage] if index == 0 else 1
        # As in timm and torchvision, the convolution that the stride belonged to is not dilated.
        before, after = (1 if index == 0 else 2, 2) if dilated else (1, 1)
        if config.layer_type == "bottleneck":
            middle = outputs // 4
            first = stride if config.downsample_in_bottleneck else 1
            layers = [
                block(inputs, middle, 1, first, activation="relu"),
                block(middle, middle, 3, stride // first, dilation=before, activation="relu"),
                block(middle, outputs, 1),
            ]
        else:
            layers = [
                block(inputs, outputs, 3, stride, dilation=before, activation="relu"),
                block(outputs, outputs, 3, dilation=after),
            ]
        pools = index == 0 and config.pools_shortcut(stage)
        projects = inputs != outputs or stride != 1 or (index == 0 and always_projects)
        shortcut = block(inputs, outputs, 1, 1 if pools else stride) if projects else None
        blocks.append(ResidualBlock(layers, shortcut, act, pools=pools))
        inputs = outputs
    return nn.Sequential(*blocks)


def _stem(config: ResNetConfig) -> ConvNorm:
    return _block(3, config.embedding_size, 7, 2, frozen=config.frozen, activation=config.hidden_act)


def _deep_stem(config: ResNetConfig) -> nn.Sequential:
    half, full, act = config.embedding_size // 2, config.embedding_size, config.hidden_act
    return nn.Sequential(
        _block(3, half, 3, 2, frozen=config.frozen, activation=act),
        _block(half, half, 3, frozen=config.frozen, activation=act),
        _block(half, full, 3, frozen=config.frozen, activation=act),
    )


def _block(
    inputs: int,
    outputs: int,
    kernel: int,
    stride: int = 1,
    *,
    frozen: bool,
    dilation: int = 1,
    activation: str | None = None,
) -> ConvNorm:
    norm = FrozenBatchNorm2d(outputs) if frozen else nn.BatchNorm2d(outputs)
    block = ConvNorm(inputs, outputs, kernel, stride, norm=norm, dilation=dilation, activation=activation)
    if isinstance(block.conv, nn.Conv2d):
        nn.init.kaiming_normal_(block.conv.weight, mode="fan_out", nonlinearity="relu")
    return block
