"""RT-DETR's weights: conversion from the Hub's names, of any version of transformers, and back."""

from collections.abc import Mapping

import torch
from torch import Tensor

from detcli.models.backbones.backbone_names import hub_backbone_name, our_backbone_name
from detcli.models.conversion.weight_names import (
    BATCH_COUNTER,
    NameParts,
    NameTable,
    check_training_form,
    make_state,
    share_first,
)
from detcli.models.empty_weights import empty_state
from detcli.models.rtdetr.config import RtDetrConfig
from detcli.models.rtdetr.network import RtDetr

# Names that transformers has only in memory since 5.8, in a raw state_dict(), and those on disk.
_IN_MEMORY = (
    (r"^model\.encoder\.aifi\.", "model.encoder.encoder."),
    (r"\.self_attn\.o_proj\.", ".self_attn.out_proj."),
    (r"\.mlp\.fc([12])\.", r".fc\1."),
)

# Parts of a name, on disk and ours.
_TRANSFORMER_LAYER = (
    ("self_attn.q_proj.", "attention.query."),
    ("self_attn.k_proj.", "attention.key."),
    ("self_attn.v_proj.", "attention.value."),
    ("self_attn.out_proj.", "attention.output."),
    ("self_attn_layer_norm.", "attention_norm."),
    ("fc1.", "mlp.layers.0."),
    ("fc2.", "mlp.layers.1."),
    ("final_layer_norm.", "mlp_norm."),
    ("encoder_attn.sampling_offsets.", "sampling.points.offsets."),
    ("encoder_attn.attention_weights.", "sampling.points.weights."),
    ("encoder_attn.n_points_scale", "sampling.points.points_scale"),
    ("encoder_attn.value_proj.", "sampling.value."),
    ("encoder_attn.output_proj.", "sampling.output."),
    ("encoder_attn_layer_norm.", "sampling_norm."),
)
_PROJECTION = (("0.", "conv."), ("1.", "norm."))
_NONE: NameParts = ()

_BACKBONE = "model.backbone.model."
_NAMES = NameTable(
    prefixes=(
        ("model.encoder_input_proj.", "encoder.input_projections.", _PROJECTION),
        ("model.encoder.encoder.", "encoder.intra_scale.", _TRANSFORMER_LAYER),
        ("model.encoder.lateral_convs.", "encoder.laterals.", _NONE),
        ("model.encoder.fpn_blocks.", "encoder.top_down.", _NONE),
        ("model.encoder.downsample_convs.", "encoder.downsamples.", _NONE),
        ("model.encoder.pan_blocks.", "encoder.bottom_up.", _NONE),
        ("model.decoder_input_proj.", "level_projections.levels.", _PROJECTION),
        ("model.enc_output.0.", "query_selection.projection.", _NONE),
        ("model.enc_output.1.", "query_selection.norm.", _NONE),
        ("model.enc_score_head.", "query_selection.class_head.", _NONE),
        ("model.enc_bbox_head.", "query_selection.box_head.", _NONE),
        ("model.weight_embedding.", "query_selection.learned.", _NONE),
        ("model.denoising_class_embed.", "denoising_labels.", _NONE),
        ("model.decoder.layers.", "decoder.layers.", _TRANSFORMER_LAYER),
        ("model.decoder.query_pos_head.", "decoder.position_head.", _NONE),
        ("model.decoder.class_embed.", "decoder.class_heads.", _NONE),
        ("model.decoder.bbox_embed.", "decoder.box_heads.", _NONE),
    ),
    in_memory=_IN_MEMORY,
)
_HEADS = ("class_embed", "bbox_embed")
_POINTS_SCALE = ".points_scale"  # constants of the decoder's points, which version 2 keeps in its files


def read_weights(tensors: Mapping[str, Tensor], config: RtDetrConfig) -> dict[str, Tensor]:
    """Convert tensors of the Hub to the network's complete state dict, in float32.

    Accepts files of transformers 4.43 and later, or a raw `state_dict()`; heads at the top level, under the decoder or
    both; and only heads of index 0, which all layers then share. Batch counters and the scales of sampling points are
    optional.

    Raises DamagedModelError for tensors that are missing, unexpected, of a wrong shape or type, naming the first one and
    how many there are.
    """
    expected = empty_state(RtDetr, config)
    scales = _points_scales(expected, config)
    sources, unexpected = _by_our_names(tensors, config, expected)
    needed = {name: like for name, like in expected.items() if name in sources or name not in scales}
    state = make_state(tensors, sources, needed, unexpected=unexpected, hub_name=lambda name: _theirs(name, config))
    return {name: state[name] if name in state else scales[name] for name in expected}


def write_weights(state: Mapping[str, Tensor], config: RtDetrConfig) -> dict[str, Tensor]:
    """Convert the state dict of a network in training form to the names of the Hub; every tensor has its own memory.

    Heads are written under the decoder and, of version 2, at the top level too, as in the files of the Hub. With
    `tie_word_embeddings` false, as in `write_config`, every version of transformers gives the same results.
    """
    expected = empty_state(RtDetr, config)
    check_training_form(state, expected)
    written = {
        _theirs(name, config): tensor.detach().clone().contiguous()
        for name, tensor in state.items()
        if config.version == 2 or not name.endswith(_POINTS_SCALE)
    }
    if config.version == 1:
        return written
    heads = [name for name in written if name.startswith(tuple("model.decoder." + head for head in _HEADS))]
    return written | {name.removeprefix("model.decoder."): written[name].clone() for name in heads}


def _by_our_names(
    tensors: Mapping[str, Tensor], config: RtDetrConfig, expected: Mapping[str, Tensor]
) -> tuple[dict[str, str], list[str]]:
    """Our names -> the file's, and names of the file that are not used."""
    sources: dict[str, str] = {}
    unexpected: list[str] = []
    # The decoder's heads first: if the file has both, transformers' forward pass reads those.
    for source in sorted(tensors, key=lambda name: name.startswith(_HEADS)):
        name = _ours(source, config)
        if name is not None and name in expected:
            sources.setdefault(name, source)
        elif not source.endswith(BATCH_COUNTER):
            unexpected.append(source)
    for heads in ("decoder.class_heads.", "decoder.box_heads."):
        share_first(sources, expected, heads)
    return sources, unexpected


def _ours(name: str, config: RtDetrConfig) -> str | None:
    """Our name for one of a file's, or None."""
    name = _NAMES.on_disk(name)
    if name.startswith(_BACKBONE):
        inner = our_backbone_name(name.removeprefix(_BACKBONE), config.backbone)
        return None if inner is None else "backbone." + inner
    return _NAMES.ours("model.decoder." + name if name.startswith(_HEADS) else name)


def _theirs(name: str, config: RtDetrConfig) -> str:
    """The Hub's name for one of ours."""
    if name.startswith("backbone."):
        return _BACKBONE + hub_backbone_name(name.removeprefix("backbone."), config.backbone)
    return _NAMES.theirs(name)


def _points_scales(expected: Mapping[str, Tensor], config: RtDetrConfig) -> dict[str, Tensor]:
    """The scales of sampling points, for files without them: 1 / n for each point of a level with n points."""
    scale = torch.tensor([1 / count for count in config.decoder_n_points for _ in range(count)])
    return {name: scale.clone() for name in expected if name.endswith(_POINTS_SCALE)}
