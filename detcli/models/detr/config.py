"""The configuration of DETR and Table Transformer, from config.json of any version of transformers and back."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from detcli.errors import UnsupportedModelError
from detcli.models.config_fields import ConfigFields, check_architecture_names
from detcli.models.detr_common.config import (
    DetrCommonConfig,
    config_fields,
    read_carried_numbers,
    read_common_fields,
    write_common_config,
)

USUAL_MAPS = (1, 2, 3, 4)  # of the backbone: the encoder reads the last one, the mask head the first three
_MASK_MAPS = 3
_DETECTION, _SEGMENTATION = "DetrForObjectDetection", "DetrForSegmentation"
_PRE_NORM_TYPE, _PRE_NORM_DETECTION = "table-transformer", "TableTransformerForObjectDetection"
# What config.json of others may call norms before attention; transformers has no such field, only another model_type.
_PRE_NORM_FIELDS = ("pre_norm", "normalize_before")


@dataclass(frozen=True, slots=True, kw_only=True)
class DetrConfig(DetrCommonConfig):
    """Everything that shapes the network and its losses, under the names of config.json.

    labels          the class logits have one more, for "no object"
    has_masks       the network has a mask head
    pre_norm        norms are before attention and feed-forward network, with one more after the encoder: what transformers
                    calls Table Transformer, and the original repository --pre_norm
    auxiliary_loss  where it is true, transformers feeds each layer's norm to the next layer; the original repository and
                    detcli do not
    """

    has_masks: bool = False
    pre_norm: bool = False

    @property
    def mask_channels(self) -> tuple[int, ...]:
        """Channels of the mask head's maps, from the coarsest to the finest."""
        return tuple(self.d_model // part for part in (2, 4, 8, 16))


# Neither version 5 nor the original repository has layer drop.
_CARRIED = ("decoder_layerdrop", "encoder_layerdrop", "init_std", "init_xavier_std", "max_position_embeddings")
# Other names that transformers accepts for some fields.
_OTHER_NAMES = {
    "d_model": "hidden_size",
    "encoder_attention_heads": "num_attention_heads",
    "encoder_layers": "num_hidden_layers",
}


def read_config(config: Mapping[str, Any]) -> DetrConfig:
    """Read config.json as any version of transformers writes it; missing fields have its defaults, unknown ones are ignored.

    The model_type tells whether norms are before attention: "table-transformer" or "detr".

    Raises UnsupportedModelError naming the first field of a wrong type, out of range or inconsistent with another.
    """
    pre_norm = config.get("model_type") == _PRE_NORM_TYPE
    fields = config_fields(config, _OTHER_NAMES)
    check_architecture_names(fields, (_PRE_NORM_DETECTION,) if pre_norm else (_DETECTION, _SEGMENTATION))
    _check_norms(fields, pre_norm=pre_norm)
    read = DetrConfig(
        **read_common_fields(fields, DetrConfig, default_out=USUAL_MAPS, min_width=4),
        has_masks="architectures" in fields and _SEGMENTATION in fields.words("architectures", length=(0, 16)),
        pre_norm=pre_norm,
        carried=read_carried_numbers(fields, _CARRIED),
    )
    _check(read, fields)
    return read


def write_config(config: DetrConfig) -> dict[str, Any]:
    """Write config.json as transformers reads it, from 4.52 on.

    Raises UnsupportedModelError for norms before attention together with a mask head, which transformers does not have.
    """
    if config.pre_norm and config.has_masks:
        raise UnsupportedModelError(
            "a DETR with norms before attention has no mask head: transformers has no such network"
        )
    detection = _PRE_NORM_DETECTION if config.pre_norm else _DETECTION
    return {
        **write_common_config(config, default_out=USUAL_MAPS),
        "architectures": [_SEGMENTATION if config.has_masks else detection],
        "model_type": _PRE_NORM_TYPE if config.pre_norm else "detr",
    }


def _check_norms(fields: ConfigFields, *, pre_norm: bool) -> None:
    """Raise UnsupportedModelError for a field that says the opposite of the model_type about norms before attention."""
    other = "detr" if pre_norm else _PRE_NORM_TYPE
    for name in _PRE_NORM_FIELDS:
        if name in fields and fields.flag(name, pre_norm) != pre_norm:
            expected = "true" if pre_norm else "false"
            raise fields.invalid(name, f"{expected}, or the model_type '{other}'")


def _check(config: DetrConfig, fields: ConfigFields) -> None:
    """Raise UnsupportedModelError for inconsistent fields."""
    width, heads = config.d_model, config.encoder_attention_heads
    if width % 4 or width % heads or width % config.decoder_attention_heads:
        raise fields.invalid("d_model", "a multiple of 4, of encoder_attention_heads and of decoder_attention_heads")
    if not config.has_masks:
        return
    if len(config.backbone.out_indices) < _MASK_MAPS:
        raise UnsupportedModelError(
            f"config.json: the mask head ('architectures' has {_SEGMENTATION}) needs at least {_MASK_MAPS} maps of the "
            f"backbone; its out_indices are {list(config.backbone.out_indices)}"
        )
    if (width + heads) % 8 or width < 16 or any(channels % min(8, channels) for channels in config.mask_channels):
        raise fields.invalid("d_model", "a number for which the mask head's norms have equal groups of channels")
