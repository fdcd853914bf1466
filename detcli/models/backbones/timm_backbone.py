"""Backbones of timm, if timm is installed; ResNets that do not need it are in resnet.py."""

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from detcli.errors import UnsupportedModelError
from detcli.extras import install_command
from detcli.libraries import optional_library
from detcli.models.layers.norm import FrozenBatchNorm2d


@dataclass(frozen=True, slots=True, kw_only=True)
class TimmConfig:
    """Configuration of a backbone that only timm has.

    name           in timm
    out_indices    of the feature maps that are returned, as timm defines them
    output_stride  of the coarsest map, if later stages are dilated instead of downsampled; None: no dilation
    """

    name: str
    out_indices: tuple[int, ...]
    output_stride: int | None = None


class TimmBackbone(nn.Module):
    """Images -> feature maps, by a network of timm with frozen 2D batch norms.

    Like transformers, it replaces every batch norm by a frozen one with an eps of 1e-5. If timm combines norm and
    activation, the activation is lost: the checkpoints were trained this way.

    Raises UnsupportedModelError if timm is not installed, or does not have the network or the maps.
    """

    def __init__(self, config: TimmConfig) -> None:
        super().__init__()
        self.model = _create(config)
        self.out_channels: tuple[int, ...] = tuple(self.model.feature_info.channels())
        _freeze_norms(self.model)

    def forward(self, pixels: Tensor) -> list[Tensor]:
        """Take pixels [B, 3, H, W] to one [B, C, H', W'] for each of the requested maps."""
        return list(self.model(pixels))


def _create(config: TimmConfig) -> Any:
    timm = optional_library(
        "timm",
        need=f"the backbone '{config.name}' needs",
        install=install_command("timm"),
        error_type=UnsupportedModelError,
    )
    if not timm.is_model(config.name):
        raise UnsupportedModelError(f"config.json: timm {timm.__version__} has no backbone '{config.name}'")
    try:
        return timm.create_model(
            config.name,
            pretrained=False,
            features_only=True,
            in_chans=3,
            out_indices=config.out_indices,
            output_stride=config.output_stride,
        )
    except (AssertionError, AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError) as error:
        shape = f"out_indices {list(config.out_indices)} and output_stride {config.output_stride}"
        raise UnsupportedModelError(
            f"timm {timm.__version__} cannot build the backbone '{config.name}' with {shape}: {str(error)[:200]}"
        ) from error


def _freeze_norms(module: nn.Module) -> None:
    for name, child in module.named_children():
        if isinstance(child, nn.BatchNorm2d):
            setattr(module, name, FrozenBatchNorm2d(child.num_features))
        else:
            _freeze_norms(child)
