"""Deformable DETR's configuration: one frozen record, from config.json of any version of transformers and back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from detcli.models.backbones.backbone_config import BackboneConfig, read_backbone, write_backbone
from detcli.models.config_fields import ConfigFields, read_labels
from detcli.models.layers.activations import ACTIVATIONS

PositionType = Literal["sine", "learned"]

NORM_GROUPS = 32  # of the norms of projected maps, whatever the width


@dataclass(frozen=True, slots=True, kw_only=True)
class DeformableDetrConfig:
    """All that shapes the network and its losses, under the names of config.json.

    labels                      names by class index
    num_feature_levels          maps that are looked at; those beyond the backbone's are made from its last
    encoder_n_points            sampling points of a head on each level; so `decoder_n_points`
    position_embedding_type     sines of row and column, or an embedding of each
    with_box_refine             each decoder layer moves the boxes of the one before, and has heads of its own
    two_stage                   queries are the encoder's best proposals, `two_stage_num_proposals` of them, rather than
                                `num_queries` learned ones
    focal_alpha, *_cost, *_coefficient  of the criterion
    auxiliary_loss              as it stood; training judges every layer whatever it says
    carried                     fields that nothing here reads, as they stood in config.json
    """

    labels: tuple[str, ...]
    backbone: BackboneConfig
    d_model: int = 256
    num_queries: int = 300
    num_feature_levels: int = 4
    position_embedding_type: PositionType = "sine"
    activation_function: str = "relu"
    encoder_layers: int = 6
    encoder_ffn_dim: int = 1024
    encoder_attention_heads: int = 8
    encoder_n_points: int = 4
    decoder_layers: int = 6
    decoder_ffn_dim: int = 1024
    decoder_attention_heads: int = 8
    decoder_n_points: int = 4
    with_box_refine: bool = False
    two_stage: bool = False
    two_stage_num_proposals: int = 300
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
    focal_alpha: float = 0.25
    auxiliary_loss: bool = False
    carried: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @property
    def maps(self) -> int:
        """How many maps the backbone hands out."""
        return len(self.backbone.out_indices)

    @property
    def queries(self) -> int:
        """How many boxes the network answers with; fewer where two stages find fewer places to begin from."""
        return self.two_stage_num_proposals if self.two_stage else self.num_queries


_NAMES = tuple(DeformableDetrConfig.__dataclass_fields__)
_CARRIED_NUMBERS = ("encoder_layerdrop", "init_std", "init_xavier_std", "max_position_embeddings")
_CARRIED_FLAGS = ("disable_custom_kernels", "return_intermediate")
# Other names that transformers takes for some fields.
_ALSO = {"d_model": "hidden_size", "encoder_attention_heads": "num_attention_heads"}
_LOSS_WEIGHTS = tuple(name for name in _NAMES if name.endswith(("_cost", "_coefficient")))


def read_config(config: Mapping[str, Any]) -> DeformableDetrConfig:
    """Read config.json as any version of transformers writes it; absent fields have its defaults, unknown ones none.

    Raises UnsupportedModelError naming the first field that is of a wrong type, out of bounds or at odds with another.
    """
    also = {name: config[other] for name, other in _ALSO.items() if name not in config and other in config}
    fields = ConfigFields({**config, **also})
    levels = fields.integer("num_feature_levels", 4, 1, 16)
    numbers = {name: fields.number(name, 0.0, -1e6, 1e6) for name in _CARRIED_NUMBERS if name in fields}
    read = DeformableDetrConfig(
        labels=read_labels(fields),
        backbone=read_backbone(fields, usual_maps(levels)),
        d_model=fields.integer("d_model", 256, NORM_GROUPS, 8192),
        num_queries=fields.integer("num_queries", 300, 1, 100_000),
        num_feature_levels=levels,
        position_embedding_type=cast(
            "PositionType", fields.choice("position_embedding_type", "sine", ("sine", "learned"))
        ),
        activation_function=fields.choice("activation_function", "relu", ACTIVATIONS),
        encoder_layers=fields.integer("encoder_layers", 6, 0, 64),
        encoder_ffn_dim=fields.integer("encoder_ffn_dim", 1024, 1, 65536),
        encoder_attention_heads=fields.integer("encoder_attention_heads", 8, 1, 256),
        encoder_n_points=fields.integer("encoder_n_points", 4, 1, 256),
        decoder_layers=fields.integer("decoder_layers", 6, 1, 64),
        decoder_ffn_dim=fields.integer("decoder_ffn_dim", 1024, 1, 65536),
        decoder_attention_heads=fields.integer("decoder_attention_heads", 8, 1, 256),
        decoder_n_points=fields.integer("decoder_n_points", 4, 1, 256),
        with_box_refine=fields.flag("with_box_refine", False),
        two_stage=fields.flag("two_stage", False),
        two_stage_num_proposals=fields.integer("two_stage_num_proposals", 300, 1, 100_000),
        dropout=fields.number("dropout", 0.1, 0.0, 1.0),
        attention_dropout=fields.number("attention_dropout", 0.0, 0.0, 1.0),
        activation_dropout=fields.number("activation_dropout", 0.0, 0.0, 1.0),
        focal_alpha=fields.number("focal_alpha", 0.25, 0.0, 1.0),
        auxiliary_loss=fields.flag("auxiliary_loss", False),
        carried={
            **{name: _as_written(number) for name, number in numbers.items()},
            **{name: fields.flag(name, False) for name in _CARRIED_FLAGS if name in fields},
        },
        **{name: fields.number(name, _default(name), 0.0, 1e6) for name in _LOSS_WEIGHTS},
    )
    _check(read, fields)
    return read


def write_config(config: DeformableDetrConfig) -> dict[str, Any]:
    """Write config.json as transformers reads it, from 4.52 on."""
    written: dict[str, Any] = {
        "architectures": ["DeformableDetrForObjectDetection"],
        "model_type": "deformable_detr",
        "is_encoder_decoder": True,
        "torch_dtype": "float32",
        # Layers that refine boxes have heads of their own, all others share one; see write_weights.
        "tie_word_embeddings": not config.with_box_refine,
        "id2label": {str(i): name for i, name in enumerate(config.labels)},
        "label2id": {name: i for i, name in enumerate(config.labels)},
        **write_backbone(config.backbone, usual_maps(config.num_feature_levels)),
        **config.carried,
    }
    for name in _NAMES:
        if name not in ("labels", "backbone", "carried"):
            value = getattr(config, name)
            written[name] = _as_written(value) if name in _LOSS_WEIGHTS else value
    return written


def usual_maps(levels: int) -> tuple[int, ...]:
    """What a backbone hands out where config.json does not say: a single level is made from the last map alone."""
    return (2, 3, 4) if levels > 1 else (4,)


def _default(name: str) -> float:
    return float(cast("float", DeformableDetrConfig.__dataclass_fields__[name].default))


def _as_written(number: float) -> float | int:
    """The number as transformers writes it, which takes whole ones of some fields as int alone."""
    return int(number) if number.is_integer() else number


def _check(config: DeformableDetrConfig, fields: ConfigFields) -> None:
    """Refuse fields that are at odds with one another."""
    if config.two_stage and not config.with_box_refine:
        raise fields.refuse("with_box_refine", "true where two_stage is")
    if config.maps > config.num_feature_levels:
        raise fields.refuse("num_feature_levels", f"{config.maps} at least, the number of the backbone's maps")
    if config.d_model % NORM_GROUPS:
        raise fields.refuse("d_model", f"a multiple of {NORM_GROUPS}")
    for name in ("encoder_attention_heads", "decoder_attention_heads"):
        if config.d_model % getattr(config, name):
            raise fields.refuse(name, f"a divisor of d_model, {config.d_model}")
