"""Weights of Deformable DETR's original repository (fundamentalvision/Deformable-DETR), converted to the Hub's names.

What names and shapes do not show comes from the arguments of the training run, which the files have, or is the default of
main.py; whether the backbone is dilated (DC5) must be given.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

from torch import Tensor

from detcli.errors import DamagedModelError, UnsupportedModelError
from detcli.models.backbones.resnet import ResNetConfig
from detcli.models.backbones.resnet_original import name_of_resnet, read_resnet
from detcli.models.conversion.assumptions import arguments, refuse_arguments, settled
from detcli.models.conversion.original_names import NameRule, TensorShapes, labels_of, numbers_from, renamed
from detcli.models.deformable_detr.config import DeformableDetrConfig, read_config, write_config
from detcli.models.detr_common.original_names import ARGUMENTS_OF_FIELDS, BACKBONE_NAMES, LOSS_ARGUMENTS
from detcli.models.family import ConversionHints, ConvertedWeights

_PUBLISHED_CLASSES = (91,)

_PERCEPTRON = (r"\.linear([12])\.", r".fc\1.")
_ENCODER_LAYER = (_PERCEPTRON, (r"\.norm1\.", ".self_attn_layer_norm."), (r"\.norm2\.", ".final_layer_norm."))
# The first norm follows the cross-attention, the second the self-attention: in DETR it is the other way round.
_DECODER_LAYER = (
    _PERCEPTRON,
    (r"\.norm1\.", ".encoder_attn_layer_norm."),
    (r"\.norm2\.", ".self_attn_layer_norm."),
    (r"\.norm3\.", ".final_layer_norm."),
    (r"\.cross_attn\.", ".encoder_attn."),
)
_NAME_RULES: tuple[NameRule, ...] = (
    *BACKBONE_NAMES,
    ("input_proj.", "model.input_proj.", ()),
    ("query_embed.", "model.query_position_embeddings.", ()),
    ("transformer.level_embed", "model.level_embed", ()),
    ("transformer.reference_points.", "model.reference_points.", ()),
    ("transformer.enc_output.", "model.enc_output.", ()),
    ("transformer.enc_output_norm.", "model.enc_output_norm.", ()),
    ("transformer.pos_trans.", "model.pos_trans.", ()),
    ("transformer.pos_trans_norm.", "model.pos_trans_norm.", ()),
    ("transformer.encoder.layers.", "model.encoder.layers.", _ENCODER_LAYER),
    ("transformer.decoder.layers.", "model.decoder.layers.", _DECODER_LAYER),
    ("transformer.decoder.class_embed.", "model.decoder.class_embed.", ()),
    ("transformer.decoder.bbox_embed.", "model.decoder.bbox_embed.", ()),
    ("class_embed.", "class_embed.", ()),
    ("bbox_embed.", "bbox_embed.", ()),
)
# The weight of the class loss is not among them: it is always 2, in the repository and here.
_ARGUMENTS = {**LOSS_ARGUMENTS, "focal_alpha": "focal_alpha"}


def read_original(tensors: Mapping[str, Tensor], hints: ConversionHints) -> ConvertedWeights | None:
    """The model of these weights; None if the names are those of another repository.

    Raises UnsupportedModelError for a mask head, and if the dilation of the backbone or the class names are unknown;
    DamagedModelError for tensors that do not fit.
    """
    if any(name.startswith("detr.transformer.encoder.layers.0.self_attn.sampling_offsets.") for name in tensors):
        raise UnsupportedModelError("Deformable DETR with a mask head is not supported")
    shape = TensorShapes(tensors)
    if not shape.has("transformer.level_embed") or not shape.has("transformer.decoder.layers.0.cross_attn.sampling_"):
        return None
    refuse_arguments(hints.args, {"pre_norm": (False,)})
    labels, assumed_labels = labels_of(shape("class_embed.0.weight", 2)[0], hints, _PUBLISHED_CLASSES)
    config, assumed = _config(shape, hints, labels)
    return ConvertedWeights(
        config=config,
        preprocessor={},
        tensors=renamed(tensors, _NAME_RULES, family="Deformable DETR"),
        notes=(f"recognized as {_description(config)}",),
        assumed=(*assumed_labels, *assumed),
    )


def _config(
    shape: TensorShapes, hints: ConversionHints, labels: tuple[str, ...]
) -> tuple[DeformableDetrConfig, tuple[str, ...]]:
    levels, width = shape("transformer.level_embed", 2)
    two_stage = shape.has("transformer.enc_output.")
    dropout = numbers_from(hints.args, {"dropout": "dropout"}).get("dropout", 0.1)
    told = {"encoder_attention_heads": 8, "decoder_attention_heads": 8, **arguments(hints.args, ARGUMENTS_OF_FIELDS)}
    encoder_heads, decoder_heads = (_heads({**told, **hints.fields}, part) for part in ("encoder", "decoder"))
    queries = 300 if two_stage else shape("query_embed.weight", 2)[0]
    encoder, decoder = (shape.count(f"transformer.{part}.layers.") for part in ("encoder", "decoder"))
    config = DeformableDetrConfig(
        labels=labels,
        backbone=read_resnet(shape, hints, _maps(levels)),
        d_model=width,
        num_queries=queries,
        two_stage_num_proposals=queries,
        num_feature_levels=levels,
        position_embedding_type="learned" if shape.has("backbone.1.row_embed.") else "sine",
        encoder_layers=encoder,
        encoder_ffn_dim=shape("transformer.encoder.layers.0.linear1.weight", 2)[0] if encoder else 1024,
        encoder_n_points=_points(shape, "encoder.layers.0.self_attn", encoder_heads, levels) if encoder else 4,
        decoder_layers=decoder,
        decoder_ffn_dim=shape("transformer.decoder.layers.0.linear1.weight", 2)[0],
        decoder_n_points=_points(shape, "decoder.layers.0.cross_attn", decoder_heads, levels),
        with_box_refine=shape.has("transformer.decoder.bbox_embed."),
        two_stage=two_stage,
        attention_dropout=dropout,
        activation_dropout=dropout,
        **{"class_cost": 2.0, **numbers_from(hints.args, _ARGUMENTS)},
    )
    untold = ("decoder_attention_heads", "encoder_attention_heads", "activation_function")
    proposals = ("two_stage_num_proposals",) if two_stage else ()
    told = arguments(hints.args, ARGUMENTS_OF_FIELDS)
    written = write_config(config)
    config, assumed = settled(written, read_config, untold=(*proposals, *untold), told=told, hints=hints)
    return replace(config, num_queries=config.two_stage_num_proposals) if two_stage else config, assumed


def _heads(fields: Mapping[str, Any], part: str) -> int:
    """Number of heads, which gives the number of points; 1 for an invalid one, which is refused later."""
    heads = fields[f"{part}_attention_heads"]
    return heads if isinstance(heads, int) and heads > 0 else 1


def _maps(levels: int) -> tuple[int, ...]:
    """Indices of the backbone's maps: the last three, or only the last."""
    return (2, 3, 4) if levels > 1 else (4,)


def _points(shape: TensorShapes, attention: str, heads: int, levels: int) -> int:
    """Sampling points of a head on each level."""
    name = f"transformer.{attention}.attention_weights.weight"
    points, rest = divmod(shape(name, 2)[0], max(1, heads) * levels)
    if rest or not points:
        raise DamagedModelError(f"'{name}' does not fit {heads} heads and {levels} levels")
    return points


def _description(config: DeformableDetrConfig) -> str:
    parts = [f"{config.num_feature_levels} levels" if config.num_feature_levels > 1 else "single-scale"]
    parts += ["box refinement"] if config.with_box_refine else []
    parts += ["two-stage"] if config.two_stage else []
    return f"Deformable DETR, {name_of_resnet(cast('ResNetConfig', config.backbone))}, {', '.join(parts)}"
