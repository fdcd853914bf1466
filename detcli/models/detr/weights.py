"""Weights of DETR and Table Transformer: conversion from the Hub's names, of any version of transformers, and back."""

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from detcli.errors import DamagedModelError
from detcli.models.backbones.backbone_names import hub_backbone_name, our_backbone_name
from detcli.models.conversion.weight_names import BATCH_COUNTER, NameParts, NameTable, check_training_form, make_state
from detcli.models.detr.config import DetrConfig
from detcli.models.detr.network import Detr
from detcli.models.empty_weights import empty_state

_BACKBONE = "model.backbone.conv_encoder.model."
_MASK_PREFIXES = ("mask_head.", "bbox_attention.")
_ENCODER_NORM = "model.encoder.layernorm."

# Names that transformers has only in memory since 5.8, in a raw state_dict(), and those on disk.
_IN_MEMORY = (
    (r"^model\.backbone\.model\.", _BACKBONE),
    (r"^model\.backbone\.position_embedding\.", "model.position_embedding."),  # 4.x, in memory and on disk
    (r"\.o_proj\.", ".out_proj."),
    (r"\.mlp\.(fc[12])\.", r".\1."),
    (r"^bbox_attention\.([qk])_proj\.", r"bbox_attention.\1_linear."),
    (r"^mask_head\.conv([12])\.conv\.", r"mask_head.lay\1."),
    (r"^mask_head\.conv([12])\.norm\.", r"mask_head.gn\1."),
    (r"^mask_head\.output_conv\.", "mask_head.out_lay."),
)
_STAGE = re.compile(r"mask_head\.fpn_stages\.(\d)\.(fpn_adapter|refine\.conv|refine\.norm)\.(.+)", re.ASCII)

# Parts of a name, on disk and ours.
_LAYER = (
    ("self_attn.q_proj.", "attention.query."),
    ("self_attn.k_proj.", "attention.key."),
    ("self_attn.v_proj.", "attention.value."),
    ("self_attn.out_proj.", "attention.output."),
    ("self_attn_layer_norm.", "attention_norm."),
    ("encoder_attn.q_proj.", "cross_attention.query."),
    ("encoder_attn.k_proj.", "cross_attention.key."),
    ("encoder_attn.v_proj.", "cross_attention.value."),
    ("encoder_attn.out_proj.", "cross_attention.output."),
    ("encoder_attn_layer_norm.", "cross_attention_norm."),
    ("fc1.", "feed_forward.expand."),
    ("fc2.", "feed_forward.contract."),
    ("final_layer_norm.", "feed_forward.norm."),
)
_NONE: NameParts = ()

_NAMES = NameTable(
    prefixes=(
        ("model.input_projection.", "input_projection.", _NONE),
        ("model.query_position_embeddings.", "query_positions.", _NONE),
        ("model.position_embedding.row_embeddings.", "positions.rows.", _NONE),
        ("model.position_embedding.column_embeddings.", "positions.columns.", _NONE),
        ("model.encoder.layers.", "encoder.layers.", _LAYER),
        ("model.encoder.layernorm.", "encoder.norm.", _NONE),
        ("model.decoder.layers.", "decoder.layers.", _LAYER),
        ("model.decoder.layernorm.", "decoder.norm.", _NONE),
        ("class_labels_classifier.", "class_head.", _NONE),
        ("bbox_predictor.", "box_head.", _NONE),
        ("bbox_attention.q_linear.", "mask_head.attention.query.", _NONE),
        ("bbox_attention.k_linear.", "mask_head.attention.key.", _NONE),
        ("mask_head.lay1.", "mask_head.enter.conv.", _NONE),
        ("mask_head.gn1.", "mask_head.enter.norm.", _NONE),
        *((f"mask_head.lay{i + 2}.", f"mask_head.steps.{i}.conv.", _NONE) for i in range(4)),
        *((f"mask_head.gn{i + 2}.", f"mask_head.steps.{i}.norm.", _NONE) for i in range(4)),
        *((f"mask_head.adapter{i + 1}.", f"mask_head.adapters.{i}.", _NONE) for i in range(3)),
        ("mask_head.out_lay.", "mask_head.output.", _NONE),
    ),
    in_memory=_IN_MEMORY,
)


def read_weights(tensors: Mapping[str, Tensor], config: DetrConfig) -> dict[str, Tensor]:
    """Convert tensors of the Hub to the network's complete state dict, in float32.

    Accepts files of transformers 4.x and 5.x, or a raw `state_dict()`; a backbone with timm's or transformers' names; and
    names with or without the prefix `detr.` (the mask head never has it). Batch counters are ignored.

    Raises DamagedModelError for tensors that are missing, unexpected, of a wrong shape or type, or duplicated with
    different values, naming the first one and how many there are; and for a norm after the encoder that is there or missing
    against what config.json says.
    """
    _check_encoder_norm(tensors, config)
    expected = empty_state(Detr, config)
    sources: dict[str, str] = {}
    unexpected: list[str] = []
    for source in tensors:
        name = _ours(source, config)
        if name in expected and _is_new_or_same(tensors, sources.get(name), source):
            sources[name] = source
        elif not source.endswith(BATCH_COUNTER):
            unexpected.append(source)
    return make_state(tensors, sources, expected, unexpected=unexpected, hub_name=lambda name: _on_disk(name, config))


def write_weights(state: Mapping[str, Tensor], config: DetrConfig) -> dict[str, Tensor]:
    """Convert the state dict of a network in training form to the names of the Hub; every tensor has its own memory.

    Learned positions are written twice: version 5 of transformers has another name for them than version 4; except those of
    a Table Transformer, which all versions have under the older name.
    """
    expected = empty_state(Detr, config)
    check_training_form(state, expected)
    written = {_on_disk(name, config): tensor.detach().clone().contiguous() for name, tensor in state.items()}
    now, before = "model.position_embedding.", "model.backbone.position_embedding."
    moved = {name.replace(now, before): tensor.clone() for name, tensor in written.items() if now in name}
    return {name: tensor for name, tensor in written.items() if not (config.pre_norm and now in name)} | moved


def _check_encoder_norm(tensors: Mapping[str, Tensor], config: DetrConfig) -> None:
    """Raise DamagedModelError if the norm after the encoder, by which the two networks differ, does not fit config.json."""
    found = next((name for name in tensors if name.removeprefix("detr.").startswith(_ENCODER_NORM)), None)
    if config.pre_norm and found is None:
        raise DamagedModelError(
            f"the weights and config.json differ: the weights lack '{_ENCODER_NORM}weight', the norm after the encoder of a "
            "Table Transformer; those of a DETR need the model_type 'detr'"
        )
    if not config.pre_norm and found is not None:
        raise DamagedModelError(
            f"the weights and config.json differ: '{found}' is the norm after the encoder of a network with norms before "
            "attention, whose model_type is 'table-transformer', not 'detr'"
        )


def _ours(name: str, config: DetrConfig) -> str | None:
    """Our name for one of a file's, or None."""
    name = _NAMES.on_disk(name.removeprefix("detr."))
    if match := _STAGE.fullmatch(name):
        stage, part, rest = int(match[1]), match[2], match[3]
        known = {
            "fpn_adapter": f"adapter{stage + 1}",
            "refine.conv": f"lay{stage + 3}",
            "refine.norm": f"gn{stage + 3}",
        }
        name = f"mask_head.{known[part]}.{rest}"
    if name.startswith(_BACKBONE):
        backbone = our_backbone_name(name.removeprefix(_BACKBONE), config.backbone)
        return None if backbone is None else "backbone." + backbone
    return _NAMES.ours(name)


def _on_disk(name: str, config: DetrConfig) -> str:
    """The Hub's name for one of ours."""
    if name.startswith("backbone."):
        path = _BACKBONE + hub_backbone_name(name.removeprefix("backbone."), config.backbone)
    else:
        path = _NAMES.theirs(name)
    return "detr." + path if config.has_masks and not path.startswith(_MASK_PREFIXES) else path


def _is_new_or_same(tensors: Mapping[str, Tensor], first: str | None, source: str) -> bool:
    """Whether a tensor is the first of its name, or equals it: files have learned positions twice."""
    return first is None or torch.equal(tensors[first], tensors[source])
