"""D-FINE (Peng et al. 2024): boxes as distributions over edge offsets, refined layer by layer."""

from collections.abc import Sequence
from typing import Any, cast

from torch import nn

from detcli.models.dfine.backbone_config import Size
from detcli.models.dfine.config import DFineConfig, published, read_config, write_config
from detcli.models.dfine.criterion import criterion
from detcli.models.dfine.network import DFine, optimize
from detcli.models.dfine.original_checkpoint import read_original
from detcli.models.dfine.parameter_groups import parameter_groups
from detcli.models.dfine.relabel import relabel
from detcli.models.dfine.weights import read_weights, write_weights
from detcli.models.family import Family


def _optimize(network: nn.Module) -> nn.Module:
    return optimize(cast("DFine", network))


def _label_names(config: DFineConfig) -> tuple[str, ...]:
    return config.labels


def _published(variant: str, labels: Sequence[str]) -> DFineConfig:
    return published(cast("Size", variant.partition("-")[0]), labels)


def _segments(config: DFineConfig) -> bool:
    return False


# As every published D-FINE has it.
_PREPROCESSOR: dict[str, Any] = {
    "image_processor_type": "RTDetrImageProcessor",
    "do_resize": True,
    "size": {"height": 640, "width": 640},
    "resample": 2,
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": False,
    "do_pad": False,
}

FAMILY = Family(
    name="dfine",
    model_types=("d_fine",),
    size_divisor=32,
    preprocessor=_PREPROCESSOR,
    scores="sigmoid",
    read_config=read_config,
    write_config=write_config,
    build=DFine,
    published=_published,
    segments=_segments,
    label_names=_label_names,
    read_weights=read_weights,
    write_weights=write_weights,
    read_original=read_original,
    optimize=_optimize,
    criterion=criterion,
    groups=parameter_groups,
    relabel=relabel,
)
