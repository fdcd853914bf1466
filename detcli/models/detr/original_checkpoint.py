"""Weights of DETR's original repository (facebookresearch/detr), converted to the Hub's names.

What names and shapes do not show comes from the arguments of the training run, if the file has them, or is the default of
main.py; whether the backbone is dilated (DC5) must be given.
"""

from collections.abc import Mapping
from typing import Any, cast

from torch import Tensor

from detcli.errors import UnsupportedModelError
from detcli.models.backbones.resnet import ResNetConfig
from detcli.models.backbones.resnet_original import name_of_resnet, read_resnet
from detcli.models.conversion.assumptions import arguments, settled
from detcli.models.conversion.original_names import NameRule, TensorShapes, labels_of, numbers_from, renamed
from detcli.models.detr.config import DetrConfig, read_config, write_config
from detcli.models.detr_common.original_names import ARGUMENTS_OF_FIELDS, BACKBONE_NAMES, LOSS_ARGUMENTS
from detcli.models.family import ConversionHints, ConvertedWeights

_OUTER = "detr."  # prefix of the detector's names with a mask head
_MAPS = (1, 2, 3, 4)
_PUBLISHED_CLASSES = (91, 250)
_PANOPTIC_CLASSES = 250

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

    Raises UnsupportedModelError for weights for detectron2 or trained with --pre_norm, and if the dilation of the backbone
    or the class names are unknown; DamagedModelError for tensors that do not fit.
    """
    if any(name.removeprefix(_OUTER).startswith("backbone.0.backbone.") for name in tensors):
        raise UnsupportedModelError(
            "the weights were converted for detectron2, which leaves out classes; use the original file"
        )
    plain = {name.removeprefix(_OUTER): tensor for name, tensor in tensors.items()}
    shape = TensorShapes(plain)
    if not shape.has("transformer.decoder.layers.0.multihead_attn.") or not shape.has("bbox_embed.layers."):
        return None
    if shape.has("transformer.encoder.norm.") or hints.args.get("pre_norm"):
        raise UnsupportedModelError("the model was trained with --pre_norm, which no DETR of the Hub supports")
    labels, assumed_labels = labels_of(shape("class_embed.weight", 2)[0] - 1, hints, _PUBLISHED_CLASSES)
    config, assumed = _config(shape, hints, labels)
    kind = "DETR with masks" if config.has_masks else "DETR"
    backbone = name_of_resnet(cast("ResNetConfig", config.backbone))
    return ConvertedWeights(
        config=config,
        preprocessor={"format": "coco_panoptic"} if len(labels) == _PANOPTIC_CLASSES else {},
        tensors=renamed(plain, _NAME_RULES, family="DETR"),
        notes=(f"recognized as {kind}, {backbone}",),
        assumed=(*assumed_labels, *assumed),
    )


def _config(shape: TensorShapes, hints: ConversionHints, labels: tuple[str, ...]) -> tuple[DetrConfig, tuple[str, ...]]:
    dropout = numbers_from(hints.args, {"dropout": "dropout"}).get("dropout", 0.1)
    encoder, decoder = (shape.count(f"transformer.{part}.layers.") for part in ("encoder", "decoder"))
    queries, width = shape("query_embed.weight", 2)
    learned: dict[str, Any] = {"position_embedding_type": "learned"} if shape.has("backbone.1.row_embed.") else {}
    config = DetrConfig(
        labels=labels,
        backbone=read_resnet(shape, hints, _MAPS),
        has_masks=shape.has("mask_head."),
        d_model=width,
        num_queries=queries,
        encoder_layers=encoder,
        encoder_ffn_dim=shape("transformer.encoder.layers.0.linear1.weight", 2)[0] if encoder else 2048,
        decoder_layers=decoder,
        decoder_ffn_dim=shape("transformer.decoder.layers.0.linear1.weight", 2)[0],
        attention_dropout=dropout,
        activation_dropout=dropout,
        **learned,
        **numbers_from(hints.args, _ARGUMENTS),
    )
    untold = ("decoder_attention_heads", "encoder_attention_heads", "activation_function")
    told = arguments(hints.args, ARGUMENTS_OF_FIELDS)
    return settled(write_config(config), read_config, untold=untold, told=told, hints=hints)
