"""The hybrid encoder: attention inside a feature map, then a top-down and a bottom-up pyramid."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from detcli.models.layers.activations import make_activation
from detcli.models.layers.intra_scale import IntraScaleEncoder, IntraScaleSizes
from detcli.models.layers.norm import ConvNorm, sum_of, work_in_place

MakeBlock = Callable[[], nn.Module]


@dataclass(frozen=True, slots=True)
class HybridEncoderOutput:
    """Results of the encoder.

    maps        [B, D, H, W] for each level
    states      input of the first intra-scale encoder, and output of each
    attentions  [B, M, S, S] of each of their layers; empty unless requested
    """

    maps: list[Tensor]
    states: tuple[Tensor, ...] = ()
    attentions: tuple[Tensor, ...] = ()


@dataclass(frozen=True, slots=True)
class PyramidBlocks:
    """What makes the blocks of the pyramid; all maps have one width.

    lateral     of a map, before it is fused with the finer one
    fusion      takes the coarser map, half as high and wide, or one of equal size, and another one, to one map
    downsample  of a map to half its height and width
    """

    lateral: MakeBlock
    fusion: MakeBlock
    downsample: MakeBlock


class HybridEncoder(nn.Module):
    """Projects the backbone's maps to one width and fuses them.

    channels          of the backbone's maps, finest first
    attention_levels  indices of the maps with attention inside

    Source: RT-DETR (Zhao et al. 2023), section 4.2.
    """

    def __init__(
        self, channels: Sequence[int], attention_levels: Sequence[int], sizes: IntraScaleSizes, blocks: PyramidBlocks
    ) -> None:
        super().__init__()
        width, steps = sizes.width, range(len(channels) - 1)
        self.attention_levels = tuple(attention_levels) if sizes.layers else ()
        self.input_projections = nn.ModuleList(
            # The only norm of the encoder that always has the default eps.
            ConvNorm(count, width, 1, norm=nn.BatchNorm2d(width))
            for count in channels
        )
        self.intra_scale = nn.ModuleList(IntraScaleEncoder(sizes) for _ in attention_levels)
        self.laterals = nn.ModuleList(blocks.lateral() for _ in steps)
        self.top_down = nn.ModuleList(blocks.fusion() for _ in steps)
        self.downsamples = nn.ModuleList(blocks.downsample() for _ in steps)
        self.bottom_up = nn.ModuleList(blocks.fusion() for _ in steps)

    def forward(self, maps: Sequence[Tensor], *, details: bool = False) -> HybridEncoderOutput:
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
        return HybridEncoderOutput(self._fuse(levels), tuple(states), tuple(attentions))

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


def upsampled(one: Tensor, other: Tensor) -> Tensor:
    """One map [B, C, H, W], twice as high and wide if the other one is."""
    return F.interpolate(one, scale_factor=2.0, mode="nearest") if one.shape[-1] != other.shape[-1] else one


class RepVggBlock(nn.Module):
    """A 3x3 and a 1x1 convolution, added: one 3x3 convolution at inference (RepVGG, Ding et al. 2021).

    eps  of the norms
    """

    def __init__(self, width: int, activation: str, eps: float) -> None:
        super().__init__()
        self.conv1 = ConvNorm(width, width, 3, norm=nn.BatchNorm2d(width, eps))
        self.conv2 = ConvNorm(width, width, 1, norm=nn.BatchNorm2d(width, eps))
        self.activation = make_activation(activation)
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
