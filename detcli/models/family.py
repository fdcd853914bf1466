"""The door of the model families: what a family offers, and the table of those who do."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from detcli.errors import UnsupportedModelError
from detcli.registry import Registry

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Family:
    """One model family, as everything outside its folder sees it.

    name           of its folder
    model_types    values of `model_type` in config.json that mean this family
    size_divisor   each side of the network's input must be a multiple of this
    read_config    config.json -> the family's own frozen record; raises UnsupportedModelError naming the field
    write_config   the record -> config.json, as transformers reads it
    build          the record -> network in training form; `network(pixels [B, 3, H, W]) -> Outputs`.
                   Builds on the current default device, so also under `torch.device("meta")`
    label_names    the record -> names by class index
    read_weights   tensors in any naming of the Hub -> the network's own state dict, complete and strictly checked
                   against the record; raises DamagedModelError naming the first culprit and their number
    write_weights  the network's state dict -> tensors as every version of transformers reads them
    optimize       network -> the same network in its inference form, in place: norms folded, dead layers dropped
    """

    name: str
    model_types: tuple[str, ...]
    size_divisor: int
    read_config: Callable[[Json], Any]
    write_config: Callable[[Any], dict[str, Any]]
    build: Callable[[Any], nn.Module]
    label_names: Callable[[Any], tuple[str, ...]]
    read_weights: Callable[[Mapping[str, Tensor], Any], dict[str, Tensor]]
    write_weights: Callable[[Mapping[str, Tensor], Any], dict[str, Tensor]]
    optimize: Callable[[nn.Module], nn.Module]


FAMILIES: Registry[Family] = Registry("model family", {"dfine": "detcli.models.dfine:FAMILY"})

# model_type of config.json -> family, so that recognising one imports no other.
MODEL_TYPES: dict[str, str] = {"d_fine": "dfine"}


def family_of(config: Json) -> Family:
    """The family that a config.json belongs to. Raises UnsupportedModelError for a model type nobody here knows."""
    model_type = config.get("model_type")
    if not isinstance(model_type, str) or model_type not in MODEL_TYPES:
        known = ", ".join(sorted(MODEL_TYPES))
        raise UnsupportedModelError(f"config.json says model_type {str(model_type)[:60]!r}; detcli knows {known}")
    return FAMILIES[MODEL_TYPES[model_type]]
