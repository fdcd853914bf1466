"""RT-DETR's hybrid encoder: the blocks of its pyramid."""

from functools import partial

import torch
from torch import Tensor, nn

from detcli.models.layers.hybrid_encoder import HybridEncoder, PyramidBlocks, RepVggBlock, upsampled
from detcli.models.layers.intra_scale import IntraScaleSizes
from detcli.models.layers.norm import ConvNorm, split_inputs
from detcli.models.rtdetr.config import RtDetrConfig

_BLOCKS = 3  # of RepVGG in each fusion


def rtdetr_encoder(config: RtDetrConfig) -> HybridEncoder:
    """The encoder of a configuration."""
    sizes = IntraScaleSizes(
        width=config.encoder_hidden_dim,
        hidden=config.encoder_ffn_dim,
        heads=config.encoder_attention_heads,
        layers=config.encoder_layers,
        temperature=config.positional_encoding_temperature,
        activation=config.encoder_activation_function,
        norm_first=config.normalize_before,
        eps=config.layer_norm_eps,
        dropout=config.dropout,
        mlp_dropout=config.dropout,
        activation_dropout=config.activation_dropout,
    )
    blocks = PyramidBlocks(
        lateral=partial(_convolution, config, kernel=1, stride=1),
        fusion=partial(CspRepFusion, config),
        downsample=partial(_convolution, config, kernel=3, stride=2),
    )
    return HybridEncoder(config.backbone.out_channels, config.encode_proj_layers, sizes, blocks)


class CspRepFusion(nn.Module):
    """Fuses two maps: two parallel 1x1 convolutions, one of them followed by RepVGG blocks.

    Source: RT-DETR (Zhao et al. 2023), section 4.2 and figure 4; CSPNet (Wang et al. 2020).
    """

    def __init__(self, config: RtDetrConfig) -> None:
        super().__init__()
        width, inner, act = config.encoder_hidden_dim, config.pyramid_dim, config.activation_function

        def block(inputs: int, outputs: int) -> ConvNorm:
            norm = nn.BatchNorm2d(outputs, config.batch_norm_eps)
            return ConvNorm(inputs, outputs, 1, norm=norm, activation=act)

        self.width = width
        self.conv1 = block(2 * width, inner)
        self.conv2 = block(2 * width, inner)
        self.bottlenecks = nn.Sequential(*(RepVggBlock(inner, act, config.batch_norm_eps) for _ in range(_BLOCKS)))
        self.conv3: nn.Module = nn.Identity() if inner == width else block(inner, width)
        self.parts: nn.ModuleList | None = None  # the halves of conv1, then those of conv2, after folding

    def forward(self, one: Tensor, other: Tensor) -> Tensor:
        """Take one [B, D, H, W] or half as high and wide, and other [B, D, H, W], to [B, D, H, W]."""
        first, second = self._mixed(one, other)
        output: Tensor = self.conv3(self.bottlenecks(first) + second)
        return output

    def fold(self) -> None:
        """Split both convolutions by their inputs: before the upsampling, one half has a quarter of the work."""
        if self.parts is None:
            halves = [split_inputs(conv.take_conv(), self.width) for conv in (self.conv1, self.conv2)]
            self.parts = nn.ModuleList(half for pair in halves for half in pair)

    def _mixed(self, one: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
        """Both convolutions [B, C, H, W] over the two maps."""
        if self.parts is None:
            joined = torch.cat((upsampled(one, other), other), dim=1)
            return self.conv1(joined), self.conv2(joined)
        first = self.parts[1](other).add_(upsampled(self.parts[0](one), other))
        second = self.parts[3](other).add_(upsampled(self.parts[2](one), other))
        return self.conv1(first), self.conv2(second)


def _convolution(config: RtDetrConfig, *, kernel: int, stride: int) -> ConvNorm:
    width = config.encoder_hidden_dim
    norm = nn.BatchNorm2d(width, config.batch_norm_eps)
    return ConvNorm(width, width, kernel, stride, norm=norm, activation=config.activation_function)
