"""The hybrid encoder: attention inside a feature map, then a top-down and a bottom-up pyramid."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from detcli.models.dfine.config import DFineConfig
from detcli.models.layers.activations import make_activation
from detcli.models.layers.attention import SelfAttention
from detcli.models.layers.graph_capture import size_of_maps
from detcli.models.layers.heads import Mlp
from detcli.models.layers.norm import ConvNorm, split_inputs, split_outputs, sum_of, work_in_place
from detcli.models.layers.position import sine_grid


@dataclass(frozen=True, slots=True)
class DFineEncoderOutput:
    """Results of the encoder.

    maps        [B, D, H, W] for each level
    states      input of the first intra-scale encoder, and output of each
    attentions  [B, M, S, S] of each of their layers; empty unless requested
    """

    maps: list[Tensor]
    states: tuple[Tensor, ...] = ()
    attentions: tuple[Tensor, ...] = ()


class HybridEncoder(nn.Module):
    """Projects the backbone's maps to one width and fuses them.

    Source: RT-DETR (Zhao et al. 2023), section 4.2, with the fusion blocks of D-FINE (Peng et al. 2024), section 4.3.
    """

    def __init__(self, config: DFineConfig) -> None:
        super().__init__()
        width = config.encoder_hidden_dim
        steps = range(config.maps - 1)
        self.attention_levels = config.encode_proj_layers if config.encoder_layers else ()
        self.input_projections = nn.ModuleList(
            # The only norm of the encoder that always has the default eps.
            ConvNorm(channels, width, 1, norm=nn.BatchNorm2d(width))
            for channels in config.backbone.out_channels
        )
        self.intra_scale = nn.ModuleList(IntraScaleEncoder(config) for _ in config.encode_proj_layers)
        self.laterals = nn.ModuleList(ConvNorm(width, width, 1, norm=_norm(config, width)) for _ in steps)
        self.top_down = nn.ModuleList(Fusion(config) for _ in steps)
        self.downsamples = nn.ModuleList(Downsample(config) for _ in steps)
        self.bottom_up = nn.ModuleList(Fusion(config) for _ in steps)

    def forward(self, maps: Sequence[Tensor], *, details: bool = False) -> DFineEncoderOutput:
        """Take maps of the backbone, finest first, to the same number of maps of one width."""
        levels = [project(x) for project, x in zip(self.input_projections, maps, strict=True)]
        states: list[Tensor] = []
        attentions: list[Tensor] = []
        for level, layers in zip(self.attention_levels, self.intra_scale, strict=False):
            if details and not states:
                states.append(levels[level])
            levels[level], weights = layers(levels[level], details=details)
            if details:
                states.append(levels[level])
                attentions.extend(weights)
        return DFineEncoderOutput(self._fuse(levels), tuple(states), tuple(attentions))

    def _fuse(self, levels: list[Tensor]) -> list[Tensor]:
        """The top-down path, coarsest to finest, then the bottom-up path."""
        down = [levels[-1]]
        for finer, lateral, fusion in zip(reversed(levels[:-1]), self.laterals, self.top_down, strict=True):
            down[-1] = lateral(down[-1])
            down.append(fusion(down[-1], finer))
        down.reverse()
        up = [down[0]]
        for coarser, downsample, fusion in zip(down[1:], self.downsamples, self.bottom_up, strict=True):
            up.append(fusion(downsample(up[-1]), coarser))
        return up


class IntraScaleEncoder(nn.Module):
    """Transformer layers over the cells of one map: attention-based intra-scale feature interaction (AIFI)."""

    def __init__(self, config: DFineConfig) -> None:
        super().__init__()
        self.width = config.encoder_hidden_dim
        self.temperature = config.positional_encoding_temperature
        self.layers = nn.ModuleList(DFineEncoderLayer(config) for _ in range(config.encoder_layers))

    def forward(self, x: Tensor, *, details: bool = False) -> tuple[Tensor, list[Tensor]]:
        """Take x [B, D, H, W] to the same shape, and each layer's weights [B, M, S, S] if requested."""
        height, width = size_of_maps(x)
        # Not `flatten(2).transpose(-2, -1)`: for one image its gradient has strides that batch norm of torch 2.13 misreads on CPUs.
        tokens = x.permute(0, 2, 3, 1).flatten(1, 2)  # [B, H * W, D]
        grid = sine_grid(
            height,
            width,
            channels=self.width,
            temperature=self.temperature,
            device=x.device,
            dtype=x.dtype,
        )
        attentions = []
        for layer in self.layers:
            tokens, weights = layer(tokens, grid, details=details)
            if weights is not None:
                attentions.append(weights)
        return tokens.transpose(-2, -1).view(*x.shape), attentions


class DFineEncoderLayer(nn.Module):
    """Self-attention, then a feed-forward network; norms after each, or before each."""

    def __init__(self, config: DFineConfig) -> None:
        super().__init__()
        width = config.encoder_hidden_dim
        self.norm_first = config.normalize_before
        self.attention = SelfAttention(width, config.encoder_attention_heads, config.dropout)
        self.attention_norm = nn.LayerNorm(width, config.layer_norm_eps)
        self.mlp = Mlp(width, config.encoder_ffn_dim, width, 2, config.encoder_activation_function)
        self.mlp_norm = nn.LayerNorm(width, config.layer_norm_eps)
        self.dropout = config.dropout

    def forward(self, tokens: Tensor, grid: Tensor, *, details: bool = False) -> tuple[Tensor, Tensor | None]:
        """Take tokens [B, S, D], grid [S, D] to [B, S, D], and the weights if requested.

        With norms before, the feed-forward network's residual is the normalized input, as in transformers.
        """
        read = self.attention_norm(tokens) if self.norm_first else tokens
        attended, weights = self.attention(read, grid, with_weights=details)
        tokens = tokens + F.dropout(attended, self.dropout, self.training)
        if self.norm_first:
            tokens = self.mlp_norm(tokens)
            return tokens + self.mlp(tokens), weights
        tokens = self.attention_norm(tokens)
        return self.mlp_norm(tokens + self.mlp(tokens)), weights


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
        upsample = one.shape[-1] != other.shape[-1]
        if self.parts is None:
            upsampled = F.interpolate(one, scale_factor=2.0, mode="nearest") if upsample else one
            kept, passed = self.conv1(torch.cat((upsampled, other), dim=1)).chunk(2, dim=1)
            return kept, passed
        halves = []
        for of_one, of_other in (self.parts[:2], self.parts[2:]):
            half, addend = of_other(other), of_one(one)
            half += F.interpolate(addend, scale_factor=2.0, mode="nearest") if upsample else addend
            halves.append(self.conv1(half))
        return halves[0], halves[1]


class PartialStage(nn.Module):
    """Two parallel 1x1 convolutions, one of them followed by bottlenecks (CSPNet, Wang et al. 2020)."""

    def __init__(self, config: DFineConfig, inputs: int, outputs: int) -> None:
        super().__init__()
        act = config.activation_function
        self.conv1 = ConvNorm(inputs, outputs, 1, norm=_norm(config, outputs), activation=act)
        self.conv2 = ConvNorm(inputs, outputs, 1, norm=_norm(config, outputs), activation=act)
        self.bottlenecks = nn.Sequential(*(Bottleneck(config, outputs) for _ in range(config.bottlenecks)))

    def forward(self, x: Tensor) -> Tensor:
        """Take x [B, inputs, H, W] to [B, outputs, H, W]."""
        output: Tensor = self.bottlenecks(self.conv1(x)) + self.conv2(x)
        return output


class Bottleneck(nn.Module):
    """A 3x3 and a 1x1 convolution, added: one 3x3 convolution at inference (RepVGG, Ding et al. 2021)."""

    def __init__(self, config: DFineConfig, width: int) -> None:
        super().__init__()
        self.conv1 = ConvNorm(width, width, 3, norm=_norm(config, width))
        self.conv2 = ConvNorm(width, width, 1, norm=_norm(config, width))
        self.activation = make_activation(config.activation_function)
        self.conv: nn.Conv2d | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Take x [B, C, H, W] to the same shape."""
        y = self.conv1(x) + self.conv2(x) if self.conv is None else self.conv(x)
        output: Tensor = self.activation(y)
        return output

    def fold(self) -> None:
        """Merge both branches and their norms into one convolution."""
        if self.conv is None:
            self.conv = sum_of(self.conv1.take_conv(), self.conv2.take_conv())
            del self.conv1, self.conv2
            work_in_place(self.activation)


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
