"""D-FINE's hybrid encoder: the blocks of its pyramid."""

from functools import partial

import torch
from torch import Tensor, nn

from detcli.models.dfine.config import DFineConfig
from detcli.models.layers.hybrid_encoder import HybridEncoder, PyramidBlocks, RepVggBlock, upsampled
from detcli.models.layers.intra_scale import IntraScaleSizes
from detcli.models.layers.norm import ConvNorm, split_inputs, split_outputs


def hybrid_encoder(config: DFineConfig) -> HybridEncoder:
    """RT-DETR's hybrid encoder with the blocks of D-FINE (Peng et al. 2024), section 4.3."""
    width = config.encoder_hidden_dim
    sizes = IntraScaleSizes(
        width=width,
        hidden=config.encoder_ffn_dim,
        heads=config.encoder_attention_heads,
        layers=config.encoder_layers,
        temperature=config.positional_encoding_temperature,
        activation=config.encoder_activation_function,
        norm_first=config.normalize_before,
        eps=config.layer_norm_eps,
        dropout=config.dropout,
    )
    blocks = PyramidBlocks(
        lateral=lambda: ConvNorm(width, width, 1, norm=_norm(config, width)),
        fusion=partial(Fusion, config),
        downsample=partial(Downsample, config),
    )
    return HybridEncoder(config.backbone.out_channels, config.encode_proj_layers, sizes, blocks)


class Fusion(nn.Module):
    """Fuses two maps: RepNCSPELAN4 of YOLOv9 (Wang et al. 2024), in D-FINE's narrower form."""

    def __init__(self, config: DFineConfig) -> None:
        super().__init__()
        width, inner = config.encoder_hidden_dim, config.pyramid_dim

        def block(inputs: int, outputs: int, kernel: int) -> ConvNorm:
            # Always SiLU: `activation_function` is for the bottlenecks.
            return ConvNorm(inputs, outputs, kernel, norm=_norm(config, outputs), activation="silu")

        self.width = width
        self.conv1 = block(2 * width, 2 * width, 1)
        self.branch1 = PartialStage(config, width, inner)
        self.conv2 = block(inner, inner, 3)
        self.branch2 = PartialStage(config, inner, inner)
        self.conv3 = block(inner, inner, 3)
        self.conv4 = block(2 * width + 2 * inner, width, 1)
        self.parts: nn.ModuleList | None = None  # the quarters of conv1, after folding

    def forward(self, one: Tensor, other: Tensor) -> Tensor:
        """Take one [B, D, H, W] or half as high and wide, and other [B, D, H, W], to [B, D, H, W]."""
        kept, passed = self._mixed(one, other)
        first = self.conv2(self.branch1(passed))
        second = self.conv3(self.branch2(first))
        output: Tensor = self.conv4(torch.cat((kept, passed, first, second), dim=1))
        return output

    def fold(self) -> None:
        """Split the first convolution by its inputs and its outputs.

        A 1x1 convolution before the upsampling has a quarter of the work, and separate halves need no copy.
        """
        if self.parts is None:
            halves = split_outputs(self.conv1.take_conv(), self.width)
            self.parts = nn.ModuleList(part for half in halves for part in split_inputs(half, self.width))

    def _mixed(self, one: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
        """The two halves [B, D, H, W] of the first convolution over both maps."""
        if self.parts is None:
            kept, passed = self.conv1(torch.cat((upsampled(one, other), other), dim=1)).chunk(2, dim=1)
            return kept, passed
        halves = []
        for of_one, of_other in (self.parts[:2], self.parts[2:]):
            half = of_other(other)
            half += upsampled(of_one(one), other)
            halves.append(self.conv1(half))
        return halves[0], halves[1]


class PartialStage(nn.Module):
    """Two parallel 1x1 convolutions, one of them followed by bottlenecks (CSPNet, Wang et al. 2020)."""

    def __init__(self, config: DFineConfig, inputs: int, outputs: int) -> None:
        super().__init__()
        act = config.activation_function
        self.conv1 = ConvNorm(inputs, outputs, 1, norm=_norm(config, outputs), activation=act)
        self.conv2 = ConvNorm(inputs, outputs, 1, norm=_norm(config, outputs), activation=act)
        self.bottlenecks = nn.Sequential(
            *(RepVggBlock(outputs, act, config.batch_norm_eps) for _ in range(config.bottlenecks))
        )

    def forward(self, x: Tensor) -> Tensor:
        """Take x [B, inputs, H, W] to [B, outputs, H, W]."""
        output: Tensor = self.bottlenecks(self.conv1(x)) + self.conv2(x)
        return output


class Downsample(nn.Module):
    """A 1x1 convolution, then a depthwise one of stride 2, neither with an activation."""

    def __init__(self, config: DFineConfig) -> None:
        super().__init__()
        width = config.encoder_hidden_dim
        self.conv1 = ConvNorm(width, width, 1, norm=_norm(config, width))
        self.conv2 = ConvNorm(width, width, 3, 2, norm=_norm(config, width), groups=width)

    def forward(self, x: Tensor) -> Tensor:
        """Take x [B, D, H, W] to [B, D, H / 2, W / 2]."""
        output: Tensor = self.conv2(self.conv1(x))
        return output


def _norm(config: DFineConfig, channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, config.batch_norm_eps)
