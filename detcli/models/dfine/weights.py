"""D-FINE's weights: conversion from the Hub's names, of any version of transformers, and back."""

import re
import warnings
from collections.abc import Mapping

import torch
from torch import Tensor

from detcli.errors import DamagedModelError
from detcli.models.conversion.weight_names import (
    BATCH_COUNTER,
    NameParts,
    NameTable,
    check_training_form,
    make_state,
    share_first,
)
from detcli.models.dfine.config import DFineConfig
from detcli.models.dfine.network import DFine
from detcli.models.empty_weights import empty_state

# Names that transformers has only in memory since 5.8, in a raw state_dict(), and those on disk.
_IN_MEMORY = (
    (r"^model\.encoder\.aifi\.", "model.encoder.encoder."),
    (r"\.self_attn\.o_proj\.", ".self_attn.out_proj."),
    (r"\.mlp\.layers\.0\.", ".fc1."),
    (r"\.mlp\.layers\.1\.", ".fc2."),
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
    ("encoder_attn.sampling_offsets.", "sampling.offsets."),
    ("encoder_attn.attention_weights.", "sampling.weights."),
    ("encoder_attn.num_points_scale", "sampling.points_scale"),
    ("gateway.gate.", "gate.gate."),
    ("gateway.norm.", "gate.norm."),
)
_CONVOLUTION = (("convolution.", "conv."), ("normalization.", "norm."), ("lab.", "affine."))
_PROJECTION = (("0.", "conv."), ("1.", "norm."))
_FUSION = (("csp_rep1.", "branch1."), ("csp_rep2.", "branch2."))
_NONE: NameParts = ()

_NAMES = NameTable(
    prefixes=(
        ("model.backbone.model.embedder.", "backbone.stem.", _CONVOLUTION),
        ("model.backbone.model.encoder.stages.", "backbone.stages.", _CONVOLUTION),
        ("model.encoder_input_proj.", "encoder.input_projections.", _PROJECTION),
        ("model.encoder.encoder.", "encoder.intra_scale.", _TRANSFORMER_LAYER),
        ("model.encoder.lateral_convs.", "encoder.laterals.", _NONE),
        ("model.encoder.fpn_blocks.", "encoder.top_down.", _FUSION),
        ("model.encoder.downsample_convs.", "encoder.downsamples.", _NONE),
        ("model.encoder.pan_blocks.", "encoder.bottom_up.", _FUSION),
        ("model.decoder_input_proj.", "level_projections.levels.", _PROJECTION),
        ("model.enc_output.0.", "query_selection.projection.", _NONE),
        ("model.enc_output.1.", "query_selection.norm.", _NONE),
        ("model.enc_score_head.", "query_selection.class_head.", _NONE),
        ("model.enc_bbox_head.", "query_selection.box_head.", _NONE),
        ("model.weight_embedding.", "query_selection.learned.", _NONE),
        ("model.denoising_class_embed.", "denoising_labels.", _NONE),
        ("model.decoder.layers.", "decoder.layers.", _TRANSFORMER_LAYER),
        ("model.decoder.query_pos_head.", "decoder.position_head.", _NONE),
        ("model.decoder.pre_bbox_head.", "decoder.initial_box_head.", _NONE),
        ("model.decoder.class_embed.", "decoder.class_heads.", _NONE),
        ("model.decoder.bbox_embed.", "decoder.corner_heads.", _NONE),
        ("model.decoder.lqe_layers.", "decoder.quality_heads.", (("reg_conf.", "head."),)),
        ("model.decoder.reg_scale", "decoder.bins.reg_scale", _NONE),
        ("model.decoder.up", "decoder.bins.up", _NONE),
    ),
    in_memory=_IN_MEMORY,
)

_HEADS = ("class_embed", "bbox_embed")
# The original repository keeps these as integers.
_SCALARS = ("decoder.bins.reg_scale", "decoder.bins.up")


def read_weights(tensors: Mapping[str, Tensor], config: DFineConfig) -> dict[str, Tensor]:
    """Convert tensors of the Hub to the network's complete state dict, in float32.

    Accepts files of transformers 4.52 and later, or a raw `state_dict()`; heads at the top level, under the decoder or
    both; and only heads of index 0, which all layers then share. Batch counters are optional.

    Raises DamagedModelError for tensors that are missing, unexpected, of a wrong shape or type, naming the first one and
    how many there are. Warns (RuntimeWarning) of files with a known faulty conversion.
    """
    expected = empty_state(DFine, config)
    sources, unexpected = _by_our_names(tensors, config, expected)
    state = make_state(tensors, sources, expected, unexpected=unexpected, hub_name=_NAMES.theirs, scalars=_SCALARS)
    _check_values(state, config)
    return state


def write_weights(state: Mapping[str, Tensor], config: DFineConfig) -> dict[str, Tensor]:
    """Convert the state dict of a network in training form to the names of the Hub; every tensor has its own memory.

    Heads are written under the decoder and at the top level, as in the files of the Hub. With `tie_word_embeddings`
    false, as in `write_config`, every version of transformers from 4.52 to 5.23 gives the same results: with heads only
    under the decoder, 5.0 ties them all to the first.
    """
    expected = empty_state(DFine, config)
    check_training_form(state, expected)
    written = {_NAMES.theirs(name): tensor.detach().clone().contiguous() for name, tensor in state.items()}
    heads = [name for name in written if name.startswith(tuple("model.decoder." + head for head in _HEADS))]
    return written | {name.removeprefix("model.decoder."): written[name].clone() for name in heads}


def _by_our_names(
    tensors: Mapping[str, Tensor], config: DFineConfig, expected: Mapping[str, Tensor]
) -> tuple[dict[str, str], list[str]]:
    """Our names -> the file's, and names of the file that are not used."""
    sources: dict[str, str] = {}
    unexpected: list[str] = []
    # The decoder's heads first: if the file has both, transformers' forward pass reads those.
    for source in sorted(tensors, key=lambda name: name.startswith(_HEADS)):
        name = _ours(source)
        if name is not None and name in expected:
            sources.setdefault(name, source)
        elif not source.endswith(BATCH_COUNTER) and not _is_surplus(source, config):
            unexpected.append(source)
    for heads in ("decoder.class_heads.", "decoder.corner_heads."):
        share_first(sources, expected, heads)
    return sources, unexpected


def _ours(name: str) -> str | None:
    """Our name for one of a file's, or None."""
    name = _NAMES.on_disk(name)
    return _NAMES.ours("model.decoder." + name if name.startswith(_HEADS) else name)


def _is_surplus(source: str, config: DFineConfig) -> bool:
    """Whether this belongs to layers that transformers adds if `eval_idx` is not the last layer, and never runs."""
    match = re.match(r"model\.decoder\.layers\.(\d{1,4})\.", source)
    most = 2 * config.decoder_layers - config.eval_idx - 1
    return match is not None and config.decoder_layers <= int(match[1]) < most


def _check_values(state: dict[str, Tensor], config: DFineConfig) -> None:
    for name in _SCALARS:
        if not torch.isfinite(state[name]).all() or not state[name].all():
            raise DamagedModelError(
                f"'{_NAMES.theirs(name)}' is {float(state[name])} in the weights; it must be finite and not 0"
            )
    copies = [
        index
        for index in range(config.decoder_layers)
        if torch.equal(
            state[f"decoder.layers.{index}.attention.key.weight"],
            state[f"decoder.layers.{index}.attention.value.weight"],
        )
    ]
    if copies:
        warnings.warn(
            f"keys and values of decoder layer {copies[0]} have the same weights: an early conversion of dfine-nano was "
            "faulty and detects worse than the model should; download the repository's newest revision",
            RuntimeWarning,
            stacklevel=2,
        )
