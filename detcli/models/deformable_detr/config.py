"""Deformable DETR's configuration, from config.json of any version of transformers and back."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from detcli.models.config_fields import ConfigFields, check_architecture, check_norms_last
from detcli.models.detr_common.config import (
    DetrCommonConfig,
    config_fields,
    read_carried_numbers,
    read_common_fields,
    write_common_config,
)

_ARCHITECTURE = "DeformableDetrForObjectDetection"
NORM_GROUPS = 32  # of the group norms of projected maps


@dataclass(frozen=True, slots=True, kw_only=True)
class DeformableDetrConfig(DetrCommonConfig):
    """Everything that shapes the network and its losses, under the names of config.json.

    num_feature_levels  levels that queries attend to; those beyond the backbone's maps are made from its last one
    encoder_n_points    sampling points of a head on each level; likewise `decoder_n_points`
    with_box_refine     each decoder layer refines the boxes of the layer before, and has its own heads
    two_stage           queries are the encoder's best proposals, `two_stage_num_proposals` of them, instead of
                        `num_queries` learned ones
    focal_alpha         of the focal loss
    """

    num_queries: int = 300
    encoder_ffn_dim: int = 1024
    decoder_ffn_dim: int = 1024
    num_feature_levels: int = 4
    encoder_n_points: int = 4
    decoder_n_points: int = 4
    with_box_refine: bool = False
    two_stage: bool = False
    two_stage_num_proposals: int = 300
    focal_alpha: float = 0.25

    @property
    def maps(self) -> int:
        """Number of the backbone's maps."""
        return len(self.backbone.out_indices)

    @property
    def queries(self) -> int:
        """Number of predicted boxes; two-stage models predict fewer if there are fewer tokens."""
        return self.two_stage_num_proposals if self.two_stage else self.num_queries


_CARRIED_NUMBERS = ("encoder_layerdrop", "init_std", "init_xavier_std", "max_position_embeddings")
_CARRIED_FLAGS = ("disable_custom_kernels", "return_intermediate")
# Other names that transformers accepts for some fields.
_OTHER_NAMES = {"d_model": "hidden_size", "encoder_attention_heads": "num_attention_heads"}


def read_config(config: Mapping[str, Any]) -> DeformableDetrConfig:
    """Read config.json as any version of transformers writes it; missing fields have its defaults, unknown ones are ignored.

    Raises UnsupportedModelError naming the first field of a wrong type, out of range or inconsistent with another.
    """
    fields = config_fields(config, _OTHER_NAMES)
    check_architecture(fields, (_ARCHITECTURE,))
    check_norms_last(fields, "normalize_before")
    levels = fields.integer("num_feature_levels", 4, 1, 16)
    read = DeformableDetrConfig(
        **read_common_fields(fields, DeformableDetrConfig, default_out=usual_maps(levels), min_width=NORM_GROUPS),
        num_feature_levels=levels,
        encoder_n_points=fields.integer("encoder_n_points", 4, 1, 256),
        decoder_n_points=fields.integer("decoder_n_points", 4, 1, 256),
        with_box_refine=fields.flag("with_box_refine", False),
        two_stage=fields.flag("two_stage", False),
        two_stage_num_proposals=fields.integer("two_stage_num_proposals", 300, 1, 100_000),
        focal_alpha=fields.number("focal_alpha", 0.25, 0.0, 1.0),
        carried={
            **read_carried_numbers(fields, _CARRIED_NUMBERS),
            **{name: fields.flag(name, False) for name in _CARRIED_FLAGS if name in fields},
        },
    )
    _check(read, fields)
    return read


def write_config(config: DeformableDetrConfig) -> dict[str, Any]:
    """Write config.json as transformers reads it, from 4.52 on."""
    return {
        **write_common_config(config, default_out=usual_maps(config.num_feature_levels)),
        "architectures": [_ARCHITECTURE],
        "model_type": "deformable_detr",
        # Layers that refine boxes have their own heads, all others share one pair; see write_weights.
        "tie_word_embeddings": not config.with_box_refine,
    }


def usual_maps(levels: int) -> tuple[int, ...]:
    """Default indices of the backbone's maps: a single level is made from the last map only."""
    return (2, 3, 4) if levels > 1 else (4,)


def _check(config: DeformableDetrConfig, fields: ConfigFields) -> None:
    """Raise UnsupportedModelError for inconsistent fields."""
    if config.two_stage and not config.with_box_refine:
        raise fields.invalid("with_box_refine", "true if two_stage is")
    if config.maps > config.num_feature_levels:
        raise fields.invalid("num_feature_levels", f"at least {config.maps}, the number of the backbone's maps")
    if config.d_model % NORM_GROUPS:
        raise fields.invalid("d_model", f"a multiple of {NORM_GROUPS}")
    for name in ("encoder_attention_heads", "decoder_attention_heads"):
        if config.d_model % getattr(config, name):
            raise fields.invalid(name, f"a divisor of d_model, {config.d_model}")
