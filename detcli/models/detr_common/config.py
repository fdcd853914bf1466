"""The part of the configuration that DETR and Deformable DETR share, from config.json and back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from detcli.models.backbones.backbone_config import BackboneConfig, read_backbone, write_backbone
from detcli.models.config_fields import ConfigFields, labels_as_json, read_labels
from detcli.models.layers.activations import ACTIVATIONS

PositionType = Literal["sine", "learned"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DetrCommonConfig:
    """Fields of both networks and of their losses, under the names of config.json.

    labels                      class names by class index
    position_embedding_type     sines of row and column, or a learned embedding of each
    *_cost, *_coefficient       of the criterion
    auxiliary_loss              kept for config.json: training always computes the losses of every layer
    carried                     fields that detcli does not read, unchanged
    """

    labels: tuple[str, ...]
    backbone: BackboneConfig
    d_model: int = 256
    num_queries: int = 100
    position_embedding_type: PositionType = "sine"
    activation_function: str = "relu"
    encoder_layers: int = 6
    encoder_ffn_dim: int = 2048
    encoder_attention_heads: int = 8
    decoder_layers: int = 6
    decoder_ffn_dim: int = 2048
    decoder_attention_heads: int = 8
    # training
    dropout: float = 0.1
    attention_dropout: float = 0.0
    activation_dropout: float = 0.0
    class_cost: float = 1.0
    bbox_cost: float = 5.0
    giou_cost: float = 2.0
    bbox_loss_coefficient: float = 5.0
    giou_loss_coefficient: float = 2.0
    mask_loss_coefficient: float = 1.0
    dice_loss_coefficient: float = 1.0
    eos_coefficient: float = 0.1
    auxiliary_loss: bool = False
    carried: Mapping[str, Any] = field(default_factory=dict, hash=False)


_LOSS_WEIGHTS = tuple(
    name for name in DetrCommonConfig.__dataclass_fields__ if name.endswith(("_cost", "_coefficient"))
)
# config.json has them in other forms.
_NOT_FIELDS = ("labels", "backbone", "carried", "has_masks", "pre_norm")


def config_fields(config: Mapping[str, Any], other_names: Mapping[str, str]) -> ConfigFields:
    """The fields of config.json.

    other_names  field -> another name that transformers accepts for it
    """
    also = {name: config[other] for name, other in other_names.items() if name not in config and other in config}
    return ConfigFields({**config, **also})


def read_common_fields(
    fields: ConfigFields, kind: type[DetrCommonConfig], *, default_out: Sequence[int], min_width: int
) -> dict[str, Any]:
    """Read the shared fields but `carried`; a field that is missing has the default of `kind`.

    default_out  indices of the backbone's maps where config.json has none

    Raises UnsupportedModelError naming the first invalid field.
    """
    defaults: dict[str, Any] = {name: each.default for name, each in kind.__dataclass_fields__.items()}

    def integer(name: str, low: int, high: int) -> int:
        return fields.integer(name, defaults[name], low, high)

    def number(name: str, high: float) -> float:
        return fields.number(name, defaults[name], 0.0, high)

    return {
        "labels": read_labels(fields),
        "backbone": read_backbone(fields, default_out),
        "d_model": integer("d_model", min_width, 8192),
        "num_queries": integer("num_queries", 1, 100_000),
        "position_embedding_type": fields.choice("position_embedding_type", "sine", ("sine", "learned")),
        "activation_function": fields.choice("activation_function", "relu", ACTIVATIONS),
        "encoder_layers": integer("encoder_layers", 0, 64),
        "encoder_ffn_dim": integer("encoder_ffn_dim", 1, 65536),
        "encoder_attention_heads": integer("encoder_attention_heads", 1, 256),
        "decoder_layers": integer("decoder_layers", 1, 64),
        "decoder_ffn_dim": integer("decoder_ffn_dim", 1, 65536),
        "decoder_attention_heads": integer("decoder_attention_heads", 1, 256),
        **{name: number(name, 1.0) for name in ("dropout", "attention_dropout", "activation_dropout")},
        "auxiliary_loss": fields.flag("auxiliary_loss", False),
        **{name: number(name, 1e6) for name in _LOSS_WEIGHTS},
    }


def read_carried_numbers(fields: ConfigFields, names: Sequence[str]) -> dict[str, float | int]:
    """Those of the fields that config.json has."""
    return {name: as_written(fields.number(name, 0.0, -1e6, 1e6)) for name in names if name in fields}


def write_common_config(config: DetrCommonConfig, *, default_out: Sequence[int]) -> dict[str, Any]:
    """All fields of a configuration as config.json, as transformers reads it from 4.52 on."""
    written: dict[str, Any] = {
        "is_encoder_decoder": True,
        "torch_dtype": "float32",
        **labels_as_json(config.labels),
        **write_backbone(config.backbone, default_out),
        **config.carried,
    }
    for name in config.__dataclass_fields__:
        if name not in _NOT_FIELDS:
            value = getattr(config, name)
            written[name] = as_written(value) if name in _LOSS_WEIGHTS else value
    return written


def as_written(number: float) -> float | int:
    """The number as transformers writes it: it accepts some fields only as integers."""
    return int(number) if float(number).is_integer() else number
