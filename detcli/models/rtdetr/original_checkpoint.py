"""Weights of RT-DETR's original repository (lyuwenyu/RT-DETR, both versions), converted to the Hub's names.

The files have no configuration: sizes come from the shapes and values of tensors. What these do not show is as in all
configurations of the repository, unless the user or a configuration that a fork has put into the file says otherwise.
"""

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from detcli.errors import UnsupportedModelError
from detcli.models.backbones.resnet import ResNetConfig
from detcli.models.conversion.assumptions import argument, arguments, refuse_arguments, settled
from detcli.models.conversion.original_names import NameRule, TensorShapes, labels_of, points_of, renamed
from detcli.models.conversion.stored_anchors import ANCHORS, VALID, image_size
from detcli.models.family import ConversionHints, ConvertedWeights
from detcli.models.rtdetr.config import RtDetrConfig, read_config, write_config
from detcli.models.rtdetr.published import size_of

_PUBLISHED_CLASSES = (80,)
_LAYER = "decoder.decoder.layers.0."
_POINTS = f"{_LAYER}cross_attn.num_points_scale"  # of version 2
_STEM, _STAGES = "backbone.conv1.", "backbone.res_layers."
_HEADS = 8  # of attention, in all configurations of the repository
_BLOCKS = 3  # of RepVGG in each fusion
_COPIES = re.compile(r".*\.bottlenecks\.\d+\.conv\..*|encoder\.pos_embed\d+")  # of what the other tensors say

_CONVOLUTION = ((r"\.conv\.(\w+)$", r".convolution.\1"), (r"\.norm\.(\w+)$", r".normalization.\1"))
_STEM_NAMES = (*((rf"^conv1_{number}\.", f"{number - 1}.") for number in (1, 2, 3)), *_CONVOLUTION)
_BLOCK = (
    (r"^(\d+)\.blocks\.", r"\1.layers."),
    *((rf"\.branch2{letter}\.", f".layer.{index}.") for index, letter in enumerate("abc")),
    (r"\.short\.conv\.(conv|norm)\.", r".shortcut.1.\1."),
    (r"\.short\.(conv|norm)\.", r".shortcut.\1."),
    *_CONVOLUTION,
)
_PROJECTION = ((r"^(\d+)\.conv\.", r"\1.0."), (r"^(\d+)\.norm\.", r"\1.1."))
_PERCEPTRON = ((r"\.linear([12])\.", r".fc\1."), (r"\.norm1\.", ".self_attn_layer_norm."))
_ENCODER_LAYER = (*_PERCEPTRON, (r"\.norm2\.", ".final_layer_norm."))
_DECODER_LAYER = (
    *_PERCEPTRON,
    (r"\.norm2\.", ".encoder_attn_layer_norm."),
    (r"\.norm3\.", ".final_layer_norm."),
    (r"\.cross_attn\.", ".encoder_attn."),
    (r"\.num_points_scale$", ".n_points_scale"),
)
_NAME_RULES: tuple[NameRule, ...] = (
    (_STEM, "model.backbone.model.embedder.embedder.", _STEM_NAMES),
    (_STAGES, "model.backbone.model.encoder.stages.", _BLOCK),
    ("encoder.input_proj.", "model.encoder_input_proj.", _PROJECTION),
    ("encoder.encoder.", "model.encoder.encoder.", _ENCODER_LAYER),
    ("encoder.", "model.encoder.", ()),
    ("decoder.input_proj.", "model.decoder_input_proj.", _PROJECTION),
    ("decoder.enc_output.proj.", "model.enc_output.0.", ()),
    ("decoder.enc_output.norm.", "model.enc_output.1.", ()),
    ("decoder.enc_", "model.enc_", ()),
    ("decoder.denoising_class_embed.", "model.denoising_class_embed.", ()),
    ("decoder.tgt_embed.", "model.weight_embedding.", ()),
    ("decoder.decoder.layers.", "model.decoder.layers.", _DECODER_LAYER),
    ("decoder.dec_score_head.", "model.decoder.class_embed.", ()),
    ("decoder.dec_bbox_head.", "model.decoder.bbox_embed.", ()),
    ("decoder.query_pos_head.", "model.decoder.query_pos_head.", ()),
)
# Fields, and the arguments that set them in the repository's configurations, which some forks save with the weights.
_ARGUMENTS = {
    "num_queries": ("num_queries",),
    "decoder_method": ("cross_attn_method",),
    "decoder_activation_function": (
        "RTDETRTransformerv2.activation",
        "RTDETRTransformer.activation",
        "decoder_activation",
    ),
    "decoder_offset_scale": ("offset_scale",),
    "encode_proj_layers": ("use_encoder_idx",),
    "encoder_attention_heads": ("HybridEncoder.nhead", "nhead"),
    "decoder_attention_heads": ("RTDETRTransformer.nhead", "nhead"),
    "encoder_activation_function": ("enc_act",),
    "positional_encoding_temperature": ("pe_temperature",),
    "activation_function": ("HybridEncoder.act",),
}
_SUPPORTED_ARGUMENTS = {
    "query_select_method": ("default",),
    "mlp_act": ("relu",),
    "query_pos_method": ("default",),
    "PResNet.variant": ("d",),
    "normalize_before": (False,),
}


def read_original(tensors: Mapping[str, Tensor], hints: ConversionHints) -> ConvertedWeights | None:
    """The model of these weights; None if the names are those of another repository.

    Raises UnsupportedModelError for networks that detcli does not have, and if class names or the image size are unknown;
    DamagedModelError for tensors that do not fit.
    """
    shape = TensorShapes(tensors)
    if not (shape.has("decoder.dec_score_head.") and shape.has(f"{_LAYER}cross_attn.value_proj.")):
        return None
    _check(shape)
    refuse_arguments(hints.args, _SUPPORTED_ARGUMENTS)
    classes = shape("decoder.dec_score_head.0.weight", 2)[0]
    labels, assumed_labels = labels_of(classes, hints, _PUBLISHED_CLASSES)
    told = _told_config(tensors, shape, labels)
    layers, points = told.decoder_layers, shape(f"{_LAYER}cross_attn.attention_weights.bias", 1)[0]

    def read(document: Mapping[str, Any]) -> RtDetrConfig:
        heads = document["decoder_attention_heads"]
        if told.version == 1 and isinstance(heads, int) and heads > 0:
            document = {**document, "decoder_n_points": points // (heads * told.num_feature_levels)}
        read = read_config(document)
        if read.decoder_layers > layers:
            raise UnsupportedModelError(
                f"config.json: 'decoder_layers' is {read.decoder_layers}; it must be at most {layers}, as many as the "
                "weights have"
            )
        return read

    usual = {**write_config(told), "decoder_layers": 3 if _is_medium(told) else layers}
    config, assumed = settled(usual, read, untold=_untold(told), told=_told_arguments(hints.args, layers), hints=hints)
    size_hw, conflict, assumed_size = image_size(tensors, config.backbone.out_strides, config.num_feature_levels, hints)
    size = size_of(config)
    title = "RT-DETR" if config.version == 1 else "RT-DETRv2"
    dropped = f"predicts after decoder layer {config.decoder_layers} of {layers}"
    return ConvertedWeights(
        config=config,
        preprocessor={"size": dict(zip(("height", "width"), size_hw, strict=True))},
        tensors=renamed(_used(tensors, config.decoder_layers), _NAME_RULES, family=title),
        notes=(
            f"recognized as {title}-{size.upper()}" if size else f"recognized as an {title} of custom size",
            *((dropped,) if config.decoder_layers < layers else ()),
            *conflict,
        ),
        assumed=(*assumed_labels, *assumed_size, *assumed),
    )


def _check(shape: TensorShapes) -> None:
    """Raise UnsupportedModelError for networks that detcli does not have."""
    if not shape.has(_STAGES):
        raise UnsupportedModelError(
            "the weights are an RT-DETR with another backbone than ResNet-vd (PResNet), which is the only one supported"
        )
    if not shape.has(f"{_STEM}conv1_3.") or not shape.has(f"{_STAGES}1.blocks.0.short.conv.conv."):
        raise UnsupportedModelError("the ResNet of the weights is not of variant d, which is the only one supported")
    if shape.has("encoder.fpn_blocks.") and shape.count("encoder.fpn_blocks.0.bottlenecks.") != _BLOCKS:
        raise UnsupportedModelError(
            f"the fusion blocks of the encoder must have {_BLOCKS} RepVGG blocks (depth_mult = 1), not "
            f"{shape.count('encoder.fpn_blocks.0.bottlenecks.')}"
        )
    if shape.has("encoder.fpn_blocks.") and not shape.has("encoder.fpn_blocks.0.bottlenecks.0.conv1."):
        raise UnsupportedModelError(
            "the weights were saved after RT-DETR's deploy(), which folds norms into convolutions; use the file from before"
        )
    if shape("decoder.enc_score_head.weight", 2)[0] != shape("decoder.dec_score_head.0.weight", 2)[0]:
        raise UnsupportedModelError(
            "queries are selected by one score for all classes (agnostic), which is not supported"
        )
    if shape.count("decoder.input_proj.") > shape.count("encoder.input_proj.") + 1:
        raise UnsupportedModelError("the decoder has more than one level beyond the backbone's maps")


def _told_config(tensors: Mapping[str, Tensor], shape: TensorShapes, labels: tuple[str, ...]) -> RtDetrConfig:
    """The configuration that the tensors tell, as usual otherwise, and with all decoder layers. Raises DamagedModelError."""
    hidden = shape("encoder.lateral_convs.0.conv.weight", 4)[0] if shape.has("encoder.lateral_convs.") else 256
    levels, maps = shape.count("decoder.input_proj."), shape.count("encoder.input_proj.")
    total = shape(f"{_LAYER}cross_attn.attention_weights.bias", 1)[0]
    points, heads = (max(1, total // (_HEADS * levels)),) * levels, _HEADS
    if shape.has(_POINTS):
        shape(_POINTS, 1)
        points = points_of(tensors[_POINTS], _POINTS)
        heads = max(1, total // sum(points))
    attending = shape.count("encoder.encoder.")
    if attending not in (0, 1, maps):
        raise UnsupportedModelError(f"{attending} of {maps} maps have self-attention; the names do not show which")
    learned = shape("decoder.tgt_embed.weight", 2)[0] if shape.has("decoder.tgt_embed.") else None
    inner = shape("encoder.fpn_blocks.0.conv1.conv.weight", 4)[0] if shape.has("encoder.fpn_blocks.") else hidden
    config = RtDetrConfig(
        version=2 if shape.has(_POINTS) else 1,
        labels=labels,
        backbone=_backbone(shape, maps),
        encoder_hidden_dim=hidden,
        encoder_layers=shape.count("encoder.encoder.0.layers.") if attending else 1,
        encoder_ffn_dim=shape("encoder.encoder.0.layers.0.linear1.weight", 2)[0] if attending else 1024,
        encoder_attention_heads=heads,
        encode_proj_layers=tuple(range(maps)) if attending == maps else (maps - 1,) * attending,
        hidden_expansion=_expansion(inner, hidden),
        d_model=shape("decoder.dec_score_head.0.weight", 2)[1],
        num_queries=learned or 300,
        learn_initial_query=learned is not None,
        num_feature_levels=levels,
        decoder_layers=shape.count("decoder.decoder.layers."),
        decoder_ffn_dim=shape(f"{_LAYER}linear1.weight", 2)[0],
        decoder_attention_heads=heads,
        decoder_n_points=points,
        num_denoising=100 if shape.has("decoder.denoising_class_embed.") else 0,
    )
    return read_config(write_config(config))  # checks it like any other configuration


def _expansion(inner: int, hidden: int) -> float:
    """The factor of a configuration that makes this inner width."""
    return next(
        factor for factor in (1.0, 0.5, inner / hidden, (inner + 0.5) / hidden) if int(hidden * factor) == inner
    )


def _backbone(shape: TensorShapes, maps: int) -> ResNetConfig:
    stages = shape.count(_STAGES)
    bottleneck = shape.has(f"{_STAGES}0.blocks.0.branch2c.")
    last = "branch2c" if bottleneck else "branch2b"
    return ResNetConfig(
        depths=tuple(shape.count(f"{_STAGES}{stage}.blocks.") for stage in range(stages)),
        hidden_sizes=tuple(shape(f"{_STAGES}{stage}.blocks.0.{last}.conv.weight", 4)[0] for stage in range(stages)),
        layer_type="bottleneck" if bottleneck else "basic",
        embedding_size=shape(f"{_STEM}conv1_3.conv.weight", 4)[0],
        out_indices=tuple(range(stages - maps + 1, stages + 1)),
        variant_d=True,
        frozen=not shape.has(f"{_STEM}conv1_1.norm.num_batches_tracked"),
    )


def _is_medium(config: RtDetrConfig) -> bool:
    """Whether this is R50vd-m, of whose six decoder layers the third predicts."""
    shortened = {**write_config(config), "decoder_layers": 3}
    return config.decoder_layers == 6 and size_of(read_config(shortened)) == "r50vd-m"


def _told_arguments(args: Mapping[str, Any], layers: int) -> dict[str, Any]:
    """Fields that the arguments in the file tell; of `layers` decoder layers, those up to `eval_idx` run."""
    told = arguments(args, _ARGUMENTS)
    predicts = argument(args, "eval_idx")
    if isinstance(predicts, int) and -layers <= predicts < layers:
        told["decoder_layers"] = predicts % layers + 1
    return told


def _untold(config: RtDetrConfig) -> tuple[str, ...]:
    """Fields of a configuration that its tensors do not tell."""
    attends, second = bool(config.encode_proj_layers), config.version == 2
    untold = {
        "num_queries": not config.learn_initial_query,
        "decoder_method": second,
        "decoder_layers": config.decoder_layers > 1,
        "decoder_activation_function": True,
        "decoder_offset_scale": second,
        "decoder_attention_heads": not second,
        "encode_proj_layers": attends and len(config.encode_proj_layers) < config.maps,
        "encoder_attention_heads": attends,
        "encoder_activation_function": attends,
        "positional_encoding_temperature": attends,
        "activation_function": True,
    }
    return tuple(name for name, is_untold in untold.items() if is_untold)


def _used(tensors: Mapping[str, Tensor], layers: int) -> dict[str, Tensor]:
    """The tensors without anchors, copies, and decoder layers after the one that predicts."""
    layer = re.compile(r"decoder\.(?:decoder\.layers|dec_score_head|dec_bbox_head)\.(\d{1,4})\.")

    def is_used(name: str) -> bool:
        match = layer.match(name)
        surplus = match is not None and int(match[1]) >= layers
        return name not in (ANCHORS, VALID) and not surplus and not _COPIES.fullmatch(name)

    return {name: tensor for name, tensor in tensors.items() if is_used(name)}
