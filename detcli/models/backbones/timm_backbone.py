"""Any backbone of timm by its name, where timm is installed; ResNets that need no timm are in resnet.py."""

import importlib
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from detcli.errors import UnsupportedModelError
from detcli.models.layers.norm import FrozenBatchNorm2d


@dataclass(frozen=True, slots=True, kw_only=True)
class TimmConfig:
    """What config.json says of a backbone that only timm has.

    name           as timm knows it
    out_indices    which of its feature maps are handed out; what 0 and negative ones mean is timm's to say
    output_stride  of the coarsest map, where later stages are dilated instead of shrinking the map; None: as usual
    """

    name: str
    out_indices: tuple[int, ...]
    output_stride: int | None = None


class TimmBackbone(nn.Module):
    """Images -> maps, by a network of timm whose two-dimensional batch norms are frozen.

    transformers puts a plain frozen norm with an eps of 1e-5 in the place of every one of them, also of those that timm
    joins with an activation, which is lost; weights were trained so, and here it is the same.

    Raises UnsupportedModelError where timm is not installed, or has no such network with such maps.
    """

    def __init__(self, config: TimmConfig) -> None:
        super().__init__()
        self.model = _create(config)
        self.out_channels: tuple[int, ...] = tuple(self.model.feature_info.channels())
        _freeze_norms(self.model)

    def forward(self, pixels: Tensor) -> list[Tensor]:
        """Take pixels [B, 3, H, W] to one [B, C, H', W'] for each of the maps that were asked for."""
        return list(self.model(pixels))


def _create(config: TimmConfig) -> Any:
    try:
        timm = importlib.import_module("timm")
    except ModuleNotFoundError as error:
        if error.name is not None and not error.name.startswith(("timm", "torchvision")):
            raise
        raise UnsupportedModelError(
            f"the backbone '{config.name}' is one of timm's, which is not installed here: pip install 'detcli[timm]'"
        ) from error
    if not timm.is_model(config.name):
        raise UnsupportedModelError(f"config.json: timm {timm.__version__} knows no backbone '{config.name}'")
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
            f"timm {timm.__version__} makes no backbone of '{config.name}' with {shape}: {str(error)[:200]}"
        ) from error


def _freeze_norms(module: nn.Module) -> None:
    for name, child in module.named_children():
        if isinstance(child, nn.BatchNorm2d):
            setattr(module, name, FrozenBatchNorm2d(child.num_features))
        else:
            _freeze_norms(child)
