"""Weights of the original repositories of DETR and Table Transformer, converted to the Hub's names.

What names and shapes do not show comes from the arguments of the training run, if the file has them, or is the default of
main.py; whether the backbone is dilated (DC5) must be given.

Sources: facebookresearch/detr; microsoft/table-transformer, which is the same code with norms before attention.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

from torch import Tensor

from detcli.errors import DamagedModelError, UnsupportedModelError
from detcli.models.backbones.resnet import ResNetConfig
from detcli.models.backbones.resnet_original import BODY, name_of_resnet, read_resnet
from detcli.models.conversion.assumptions import arguments, settled
from detcli.models.conversion.original_names import NameRule, TensorShapes, labels_of, numbers_from, renamed
from detcli.models.detr.config import DetrConfig, read_config, write_config
from detcli.models.detr.published import TableTask, table_task
from detcli.models.detr_common.original_names import ARGUMENTS_OF_FIELDS, BACKBONE_NAMES, LOSS_ARGUMENTS
from detcli.models.family import ConversionHints, ConvertedWeights

_OUTER = "detr."  # prefix of the detector's names with a mask head
_MAPS = (1, 2, 3, 4)
_PUBLISHED_CLASSES = (91, 250)
_PANOPTIC_CLASSES = 250
_ENCODER_NORM = "transformer.encoder.norm."  # only of networks with norms before attention

_LAYER = ((r"\.linear([12])\.", r".fc\1."), (r"\.norm1\.", ".self_attn_layer_norm."))
_ENCODER_LAYER = (*_LAYER, (r"\.norm2\.", ".final_layer_norm."))
_DECODER_LAYER = (
    *_LAYER,
    (r"\.norm2\.", ".encoder_attn_layer_norm."),
    (r"\.norm3\.", ".final_layer_norm."),
    (r"\.multihead_attn\.", ".encoder_attn."),
)
_NAME_RULES: tuple[NameRule, ...] = (
    *BACKBONE_NAMES,
    ("input_proj.", "model.input_projection.", ()),
    ("query_embed.", "model.query_position_embeddings.", ()),
    ("transformer.encoder.layers.", "model.encoder.layers.", _ENCODER_LAYER),
    (_ENCODER_NORM, "model.encoder.layernorm.", ()),
    ("transformer.decoder.layers.", "model.decoder.layers.", _DECODER_LAYER),
    ("transformer.decoder.norm.", "model.decoder.layernorm.", ()),
    ("class_embed.", "class_labels_classifier.", ()),
    ("bbox_embed.", "bbox_predictor.", ()),
    ("bbox_attention.", "bbox_attention.", ()),
    ("mask_head.", "mask_head.", ()),
)
_ARGUMENTS = {**LOSS_ARGUMENTS, "eos_coef": "eos_coefficient"}


def read_original(tensors: Mapping[str, Tensor], hints: ConversionHints) -> ConvertedWeights | None:
    """The model of these weights; None if the names are those of another repository.

    Raises UnsupportedModelError for weights for detectron2, for a mask head with norms before attention, and if the dilation
    of the backbone or the class names are unknown; DamagedModelError for tensors that do not fit.
    """
    if any(name.removeprefix(_OUTER).startswith("backbone.0.backbone.") for name in tensors):
        raise UnsupportedModelError(
            "the weights were converted for detectron2, which leaves out classes; use the original file"
        )
    plain = {name.removeprefix(_OUTER): tensor for name, tensor in tensors.items()}
    shape = TensorShapes(plain)
    if not shape.has("transformer.decoder.layers.0.multihead_attn.") or not shape.has("bbox_embed.layers."):
        return None
    pre_norm = _has_norms_first(shape, hints)
    classes, table = shape("class_embed.weight", 2)[0] - 1, _table_task(shape) if pre_norm else None
    labels, assumed_labels = labels_of(classes, hints, (*_PUBLISHED_CLASSES, *([] if table is None else [classes])))
    config, assumed = _config(shape, hints, labels, pre_norm=pre_norm, table=table)
    return ConvertedWeights(
        config=config,
        preprocessor=_preprocessor(config, table),
        tensors=renamed(plain, _NAME_RULES, family="DETR"),
        notes=(f"recognized as {_kind(config, table)}, {name_of_resnet(cast('ResNetConfig', config.backbone))}",),
        assumed=(*assumed_labels, *assumed),
    )


def _has_norms_first(shape: TensorShapes, hints: ConversionHints) -> bool:
    """Whether norms are before attention, which the norm after the encoder tells. Raises as `read_original` does."""
    pre_norm, said = shape.has(_ENCODER_NORM), hints.args.get("pre_norm")
    if said is not None and bool(said) != pre_norm:
        raise DamagedModelError(
            f"the file says that the model was trained with pre_norm={said!s:.60}, but the weights "
            f"{'have' if pre_norm else 'lack'} '{_ENCODER_NORM}weight'"
        )
    if pre_norm and shape.has("mask_head."):
        raise UnsupportedModelError(
            "the model was trained with masks and --pre_norm; transformers has no such network, and neither has detcli"
        )
    return pre_norm


def _table_task(shape: TensorShapes) -> TableTask | None:
    """What a Table Transformer was trained for, if it has the queries and classes of a published one."""
    queries, classes = shape("query_embed.weight", 2)[0], shape("class_embed.weight", 2)[0] - 1
    task = table_task(queries)
    return task if task is not None and len(task.labels) == classes else None


def _with_known_dilation(hints: ConversionHints, shape: TensorShapes) -> ConversionHints:
    """The hints, with what torchvision's backbones tell: it cannot dilate blocks of two 3x3 convolutions, as in ResNet-18."""
    untold = hints.dilation is None and not isinstance(hints.args.get("dilation"), bool)
    return replace(hints, dilation=False) if untold and not shape.has(f"{BODY}layer1.0.conv3.") else hints


def _kind(config: DetrConfig, table: TableTask | None) -> str:
    if table is not None:
        return f"Table Transformer for {table.title}"
    if config.pre_norm:
        return "DETR with norms before attention"
    return "DETR with masks" if config.has_masks else "DETR"


def _preprocessor(config: DetrConfig, table: TableTask | None) -> dict[str, Any]:
    if table is not None:
        return {"size": table.size}
    return {"format": "coco_panoptic"} if len(config.labels) == _PANOPTIC_CLASSES else {}


def _config(
    shape: TensorShapes, hints: ConversionHints, labels: tuple[str, ...], *, pre_norm: bool, table: TableTask | None
) -> tuple[DetrConfig, tuple[str, ...]]:
    dropout = numbers_from(hints.args, {"dropout": "dropout"}).get("dropout", 0.1)
    encoder, decoder = (shape.count(f"transformer.{part}.layers.") for part in ("encoder", "decoder"))
    queries, width = shape("query_embed.weight", 2)
    learned: dict[str, Any] = {"position_embedding_type": "learned"} if shape.has("backbone.1.row_embed.") else {}
    config = DetrConfig(
        labels=labels,
        backbone=read_resnet(shape, _with_known_dilation(hints, shape) if pre_norm else hints, _MAPS),
        has_masks=shape.has("mask_head."),
        pre_norm=pre_norm,
        d_model=width,
        num_queries=queries,
        encoder_layers=encoder,
        encoder_ffn_dim=shape("transformer.encoder.layers.0.linear1.weight", 2)[0] if encoder else 2048,
        decoder_layers=decoder,
        decoder_ffn_dim=shape("transformer.decoder.layers.0.linear1.weight", 2)[0],
        attention_dropout=dropout,
        activation_dropout=dropout,
        **learned,
        **{
            **({} if table is None else {"eos_coefficient": table.eos_coefficient}),
            **numbers_from(hints.args, _ARGUMENTS),
        },
    )
    untold = ("decoder_attention_heads", "encoder_attention_heads", "activation_function")
    told = arguments(hints.args, ARGUMENTS_OF_FIELDS)
    return settled(write_config(config), read_config, untold=untold, told=told, hints=hints)
