"""D-FINE (Peng et al. 2024): boxes as distributions over edge offsets, refined layer by layer."""

from typing import cast

from torch import nn

from detcli.models.dfine.config import DFineConfig, read_config, write_config
from detcli.models.dfine.criterion import criterion
from detcli.models.dfine.groups import parameter_groups
from detcli.models.dfine.network import DFine, optimize
from detcli.models.dfine.relabel import relabel
from detcli.models.dfine.weights import read_weights, write_weights
from detcli.models.family import Family


def _optimize(network: nn.Module) -> nn.Module:
    return optimize(cast("DFine", network))


def _label_names(config: DFineConfig) -> tuple[str, ...]:
    return config.labels


FAMILY = Family(
    name="dfine",
    model_types=("d_fine",),
    size_divisor=32,
    read_config=read_config,
    write_config=write_config,
    build=DFine,
    label_names=_label_names,
    read_weights=read_weights,
    write_weights=write_weights,
    optimize=_optimize,
    criterion=criterion,
    groups=parameter_groups,
    relabel=relabel,
)
