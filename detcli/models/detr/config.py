"""DETR's configuration: one frozen record, from config.json of any version of transformers and back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from detcli.errors import UnsupportedModelError
from detcli.models.backbones.backbone_config import BackboneConfig, read_backbone, write_backbone
from detcli.models.config_fields import ConfigFields, read_labels
from detcli.models.layers.activations import ACTIVATIONS

PositionType = Literal["sine", "learned"]

USUAL_MAPS = (1, 2, 3, 4)  # of the backbone: the last one is looked at, the mask head refines by the first three
_MASK_MAPS = 3
_SEGMENTATION = "DetrForSegmentation"


@dataclass(frozen=True, slots=True, kw_only=True)
class DetrConfig:
    """All that shapes the network and its losses, under the names of config.json.

    labels                      names by class index; logits have one more, for "nothing here"
    has_masks                   there is a mask head: the network was trained to segment
    position_embedding_type     sines of row and column, or an embedding of each
    *_cost, *_coefficient       of the criterion
    auxiliary_loss              as it stood: training judges every layer whatever it says, and no answer hangs on it.
                                Where it is true, transformers feeds each layer's norm to the next; the original does not
    carried                     fields that nothing here reads, as they stood in config.json
    """

    labels: tuple[str, ...]
    backbone: BackboneConfig
    has_masks: bool = False
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

    @property
    def mask_channels(self) -> tuple[int, ...]:
        """Channels of the mask head's maps, from the coarsest to the finest."""
        return tuple(self.d_model // part for part in (2, 4, 8, 16))


_NAMES = tuple(DetrConfig.__dataclass_fields__)
_LOSS_WEIGHTS = tuple(name for name in _NAMES if name.endswith(("_cost", "_coefficient")))
# No version from 5 on drops layers, nor did the original.
_CARRIED = ("decoder_layerdrop", "encoder_layerdrop", "init_std", "init_xavier_std", "max_position_embeddings")
# Other names that transformers takes for some fields.
_ALSO = {
    "d_model": "hidden_size",
    "encoder_attention_heads": "num_attention_heads",
    "encoder_layers": "num_hidden_layers",
}


def read_config(config: Mapping[str, Any]) -> DetrConfig:
    """Read config.json as any version of transformers writes it; absent fields have its defaults, unknown ones none.

    Raises UnsupportedModelError naming the first field that is of a wrong type, out of bounds or at odds with another.
    """
    also = {name: config[other] for name, other in _ALSO.items() if name not in config and other in config}
    fields = ConfigFields({**config, **also})
    read = DetrConfig(
        labels=read_labels(fields),
        backbone=read_backbone(fields, USUAL_MAPS),
        has_masks="architectures" in fields and _SEGMENTATION in fields.words("architectures", length=(0, 16)),
        d_model=fields.integer("d_model", 256, 4, 8192),
        num_queries=fields.integer("num_queries", 100, 1, 100_000),
        position_embedding_type=cast(
            "PositionType", fields.choice("position_embedding_type", "sine", ("sine", "learned"))
        ),
        activation_function=fields.choice("activation_function", "relu", ACTIVATIONS),
        encoder_layers=fields.integer("encoder_layers", 6, 0, 64),
        encoder_ffn_dim=fields.integer("encoder_ffn_dim", 2048, 1, 65536),
        encoder_attention_heads=fields.integer("encoder_attention_heads", 8, 1, 256),
        decoder_layers=fields.integer("decoder_layers", 6, 1, 64),
        decoder_ffn_dim=fields.integer("decoder_ffn_dim", 2048, 1, 65536),
        decoder_attention_heads=fields.integer("decoder_attention_heads", 8, 1, 256),
        dropout=fields.number("dropout", 0.1, 0.0, 1.0),
        attention_dropout=fields.number("attention_dropout", 0.0, 0.0, 1.0),
        activation_dropout=fields.number("activation_dropout", 0.0, 0.0, 1.0),
        auxiliary_loss=fields.flag("auxiliary_loss", False),
        carried={name: _as_written(fields.number(name, 0.0, -1e6, 1e6)) for name in _CARRIED if name in fields},
        **{name: fields.number(name, _default(name), 0.0, 1e6) for name in _LOSS_WEIGHTS},
    )
    _check(read, fields)
    return read


def write_config(config: DetrConfig) -> dict[str, Any]:
    """Write config.json as transformers reads it, from 4.52 on."""
    written: dict[str, Any] = {
        "architectures": [_SEGMENTATION if config.has_masks else "DetrForObjectDetection"],
        "model_type": "detr",
        "is_encoder_decoder": True,
        "torch_dtype": "float32",
        "id2label": {str(i): name for i, name in enumerate(config.labels)},
        "label2id": {name: i for i, name in enumerate(config.labels)},
        **write_backbone(config.backbone, USUAL_MAPS),
        **config.carried,
    }
    for name in _NAMES:
        if name not in ("labels", "backbone", "carried", "has_masks"):
            value = getattr(config, name)
            written[name] = _as_written(value) if name in _LOSS_WEIGHTS else value
    return written


def _default(name: str) -> float:
    return float(cast("float", DetrConfig.__dataclass_fields__[name].default))


def _as_written(value: float) -> float | int:
    """A integer as one: transformers 5 takes some of these as nothing else."""
    return int(value) if float(value).is_integer() else value


def _check(config: DetrConfig, fields: ConfigFields) -> None:
    """Refuse fields that are at odds with one another."""
    width, heads = config.d_model, config.encoder_attention_heads
    if width % 4 or width % heads or width % config.decoder_attention_heads:
        raise fields.refuse("d_model", "a multiple of 4, of encoder_attention_heads and of decoder_attention_heads")
    if not config.has_masks:
        return
    if len(config.backbone.out_indices) < _MASK_MAPS:
        raise UnsupportedModelError(
            f"config.json: the mask head ('architectures' says {_SEGMENTATION}) needs {_MASK_MAPS} maps of the backbone "
            f"at least; its out_indices are {list(config.backbone.out_indices)}"
        )
    if (width + heads) % 8 or width < 16 or any(channels % min(8, channels) for channels in config.mask_channels):
        raise fields.refuse("d_model", "such that each of the mask head's norms has whole groups of channels")
