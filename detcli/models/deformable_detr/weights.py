"""Deformable DETR's weights: conversion from the Hub's names, of any version of transformers, and back."""

import re
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from detcli.models.backbones.backbone_names import hub_backbone_name, our_backbone_name
from detcli.models.conversion.weight_names import BATCH_COUNTER, NameParts, NameTable, check_training_form, make_state
from detcli.models.deformable_detr.config import DeformableDetrConfig
from detcli.models.deformable_detr.network import DeformableDetr
from detcli.models.empty_weights import empty_state

_BACKBONE = "model.backbone.conv_encoder.model."

# Names that transformers has only in memory since 5.8, those of 4.x for learned positions, and those on disk.
_IN_MEMORY = (
    (r"^model\.backbone\.model\.", _BACKBONE),
    (r"^model\.backbone\.position_embedding\.", "model.position_embedding."),
    (r"\.self_attn\.o_proj\.", ".self_attn.out_proj."),
    (r"\.mlp\.(fc[12])\.", r".\1."),
)

_SAMPLING = (
    ("sampling_offsets.", "offsets."),
    ("attention_weights.", "weights."),
    ("value_proj.", "value."),
    ("output_proj.", "output."),
)
_PERCEPTRON = (("fc1.", "mlp.expand."), ("fc2.", "mlp.contract."), ("final_layer_norm.", "mlp.norm."))

# Parts of a layer's names, on disk and ours.
_IN_ENCODER = (
    *((f"self_attn.{theirs}", f"attention.{ours}") for theirs, ours in _SAMPLING),
    ("self_attn_layer_norm.", "attention_norm."),
    *_PERCEPTRON,
)
_IN_DECODER = (
    ("self_attn.q_proj.", "attention.query."),
    ("self_attn.k_proj.", "attention.key."),
    ("self_attn.v_proj.", "attention.value."),
    ("self_attn.out_proj.", "attention.output."),
    ("self_attn_layer_norm.", "attention_norm."),
    *((f"encoder_attn.{theirs}", f"cross_attention.{ours}") for theirs, ours in _SAMPLING),
    ("encoder_attn_layer_norm.", "cross_attention_norm."),
    *_PERCEPTRON,
)
_NONE: NameParts = ()
_PROJECTION = (("0.", "conv."), ("1.", "norm."))
_NAMES = NameTable(
    prefixes=(
        ("model.input_proj.", "projections.levels.", _PROJECTION),
        ("model.encoder.layers.", "encoder.layers.", _IN_ENCODER),
        ("model.decoder.layers.", "decoder.layers.", _IN_DECODER),
        ("model.level_embed", "level_embeddings", _NONE),
        ("model.position_embedding.row_embeddings.", "positions.rows.", _NONE),
        ("model.position_embedding.column_embeddings.", "positions.columns.", _NONE),
        ("model.query_position_embeddings.", "query_source.embeddings.", _NONE),
        ("model.reference_points.", "query_source.references.", _NONE),
        ("model.enc_output.", "query_source.projection.", _NONE),
        ("model.enc_output_norm.", "query_source.norm.", _NONE),
        ("model.pos_trans.", "query_source.positions.", _NONE),
        ("model.pos_trans_norm.", "query_source.positions_norm.", _NONE),
    ),
    in_memory=_IN_MEMORY,
)

_HEAD = re.compile(r"(model\.decoder\.)?(class_embed|bbox_embed)\.(\d{1,4})\.(.+)", re.ASCII)
_HEADS = {"class_embed": ("decoder.class_heads.", "query_source.class_head."),
          "bbox_embed": ("decoder.box_heads.", "query_source.box_head.")}  # fmt: skip


def read_weights(tensors: Mapping[str, Tensor], config: DeformableDetrConfig) -> dict[str, Tensor]:
    """Convert tensors of the Hub to the network's complete state dict, in float32.

    Accepts files of any version of transformers, or a raw `state_dict()`; a backbone with timm's or transformers' names.
    A layer's head is read from the decoder, otherwise from the top level; if the file has only one of index 0, all layers
    share it. If layers share heads by the configuration, the last one in the file counts: its layer predicts.

    Raises DamagedModelError for tensors that are missing, unexpected, of a wrong shape or type, or duplicated with
    different values, naming the first one and how many there are.
    """
    expected = empty_state(DeformableDetr, config)
    sources, unexpected = _by_our_names(tensors, config)
    unexpected += [source for name, source in sources.items() if name not in expected]
    return make_state(
        tensors, sources, expected, unexpected=unexpected, hub_name=lambda name: next(_on_disk(name, config))
    )


def write_weights(state: Mapping[str, Tensor], config: DeformableDetrConfig) -> dict[str, Tensor]:
    """Convert the state dict of a network in training form to the names of the Hub; every tensor has its own memory.

    Heads are written for each layer, also if layers share them; with box refinement, at the top level and under the
    decoder. With `tie_word_embeddings` as in `write_config`, every version of transformers gives the same results: no
    shorter layout works with all of them.
    """
    expected = empty_state(DeformableDetr, config)
    check_training_form(state, expected)
    return {
        theirs: tensor.detach().clone().contiguous()
        for name, tensor in state.items()
        for theirs in _on_disk(name, config)
    }


def _by_our_names(tensors: Mapping[str, Tensor], config: DeformableDetrConfig) -> tuple[dict[str, str], list[str]]:
    """Our names -> the file's, and names of the file that are not used."""
    sources: dict[str, str] = {}
    unexpected: list[str] = []
    heads: dict[tuple[str, int, str], str] = {}
    for source in tensors:
        if source.endswith(BATCH_COUNTER):
            continue
        if match := _HEAD.fullmatch(source):
            below, kind, index, rest = match.groups()
            head = (kind, int(index), rest)
            if int(index) >= _count(config):
                unexpected.append(source)
            elif below or head not in heads:  # if the file has both, transformers' decoder reads its own
                heads[head] = source
        elif (name := _ours(source, config)) is None or _differs(tensors, source, sources.setdefault(name, source)):
            unexpected.append(source)
    return sources | _heads_by_our_names(heads, config), unexpected


def _differs(tensors: Mapping[str, Tensor], source: str, first: str) -> bool:
    """Whether two tensors for one name differ: learned positions are written twice, all others once."""
    return source != first and not torch.equal(tensors[source], tensors[first])


def _heads_by_our_names(heads: Mapping[tuple[str, int, str], str], config: DeformableDetrConfig) -> dict[str, str]:
    """Our names of heads -> the file's, for heads by kind, index and rest of the name."""
    sources: dict[str, str] = {}
    several = {
        kind for kind, index, _ in heads if index
    }  # for these kinds, a missing head is an error and not a shared head
    for kind, _, rest in heads:
        for index in range(_count(config)):
            source = heads.get((kind, index if kind in several else 0, rest))
            if source is not None:
                sources[_our_head(kind, index, rest, config)] = source
    return sources


def _count(config: DeformableDetrConfig) -> int:
    """Number of heads of a kind in transformers: one per decoder layer, and one for the encoder's proposals."""
    return config.decoder_layers + config.two_stage


def _our_head(kind: str, index: int, rest: str, config: DeformableDetrConfig) -> str:
    layers, proposals = _HEADS[kind]
    if index == config.decoder_layers:
        return proposals + rest
    return f"{layers}{index if config.with_box_refine else 0}.{rest}"


def _ours(name: str, config: DeformableDetrConfig) -> str | None:
    """Our name for one of a file's that is not a head's, or None."""
    name = _NAMES.on_disk(name)
    if name.startswith(_BACKBONE):
        inner = our_backbone_name(name.removeprefix(_BACKBONE), config.backbone)
        return None if inner is None else "backbone." + inner
    return _NAMES.ours(name)


def _on_disk(name: str, config: DeformableDetrConfig) -> Iterator[str]:
    """The Hub's names for one of ours, the most common one first."""
    for kind, (layers, proposals) in _HEADS.items():
        if name.startswith(proposals):
            yield from _head_on_disk(kind, config.decoder_layers, name.removeprefix(proposals), config)
            return
        if name.startswith(layers):
            index, _, rest = name.removeprefix(layers).partition(".")
            sharing = [int(index)] if config.with_box_refine else range(config.decoder_layers)
            for layer in sharing:
                yield from _head_on_disk(kind, layer, rest, config)
            return
    yield _body_on_disk(name, config)
    if name.startswith("positions."):
        yield _body_on_disk(name, config).replace("model.", "model.backbone.", 1)  # as in 4.x


def _head_on_disk(kind: str, index: int, rest: str, config: DeformableDetrConfig) -> Iterator[str]:
    yield f"{kind}.{index}.{rest}"
    if config.two_stage if kind == "class_embed" else config.with_box_refine:
        yield f"model.decoder.{kind}.{index}.{rest}"


def _body_on_disk(name: str, config: DeformableDetrConfig) -> str:
    if name.startswith("backbone."):
        return _BACKBONE + hub_backbone_name(name.removeprefix("backbone."), config.backbone)
    return _NAMES.theirs(name)
