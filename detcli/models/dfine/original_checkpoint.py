"""Weights of D-FINE's original repository (Peterande/D-FINE), of DEIM and of RT-DETRv4, converted to the Hub's names.

The files have no configuration: sizes come from the shapes and values of tensors. What these do not show is as in all
configurations of the repository, unless the user or a configuration that a fork has put into the file says otherwise.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, get_args

from torch import Tensor

from detcli.errors import DamagedModelError, UnsupportedModelError
from detcli.models.backbones.hgnetv2 import HGNetV2Config, StageConfig
from detcli.models.conversion.original_names import NameRule, TensorShapes, labels_of, points_of, renamed
from detcli.models.conversion.stored_anchors import ANCHORS, VALID, image_size
from detcli.models.dfine.config import DFineConfig, read_config, write_config
from detcli.models.dfine.original import dfine_seg
from detcli.models.dfine.original.untold_settings import settled_config
from detcli.models.dfine.original.variants import ACTIVATION_FIELDS, DISTILLATION, variant_of
from detcli.models.dfine.published import Size, published_config
from detcli.models.family import ConversionHints, ConvertedWeights

_PUBLISHED_CLASSES = (80, 366)
_FREE = ("reg_scale", "up", "num_denoising", "carried")  # not compared to find the size
_POINTS = "decoder.decoder.layers.0.cross_attn.num_points_scale"
# Anchors of one image size, copies of the same names without one "decoder.", and what only training runs.
_UNUSED = (ANCHORS, VALID, "decoder.decoder.up", "decoder.decoder.reg_scale", DISTILLATION)

_CONVOLUTION = ((r"\bconv\.weight$", "convolution.weight"), (r"\bbn\.", "normalization."))
_PROJECTION = ((r"^(\d+)\.conv\.", r"\1.0."), (r"^(\d+)\.norm\.", r"\1.1."))
_FUSION = (
    (r"\.cv([14])\.", r".conv\1."),
    (r"\.cv2\.0\.", ".csp_rep1."),
    (r"\.cv3\.0\.", ".csp_rep2."),
    (r"\.cv([23])\.1\.", r".conv\1."),
)
_PERCEPTRON = ((r"\.linear([12])\.", r".fc\1."), (r"\.norm1\.", ".self_attn_layer_norm."))
_ENCODER_LAYER = (*_PERCEPTRON, (r"\.norm2\.", ".final_layer_norm."))
_DECODER_LAYER = (*_PERCEPTRON, (r"\.norm3\.", ".final_layer_norm."), (r"\.cross_attn\.", ".encoder_attn."))
_NAME_RULES: tuple[NameRule, ...] = (
    ("backbone.stem.", "model.backbone.model.embedder.", _CONVOLUTION),
    ("backbone.stages.", "model.backbone.model.encoder.stages.", _CONVOLUTION),
    ("encoder.input_proj.", "model.encoder_input_proj.", _PROJECTION),
    ("encoder.encoder.", "model.encoder.encoder.", _ENCODER_LAYER),
    ("encoder.lateral_convs.", "model.encoder.lateral_convs.", ()),
    ("encoder.fpn_blocks.", "model.encoder.fpn_blocks.", _FUSION),
    ("encoder.pan_blocks.", "model.encoder.pan_blocks.", _FUSION),
    ("encoder.downsample_convs.", "model.encoder.downsample_convs.", ((r"^(\d+)\.0\.cv([12])\.", r"\1.conv\2."),)),
    ("decoder.input_proj.", "model.decoder_input_proj.", _PROJECTION),
    ("decoder.enc_output.proj.", "model.enc_output.0.", ()),
    ("decoder.enc_output.norm.", "model.enc_output.1.", ()),
    ("decoder.enc_score_head.", "model.enc_score_head.", ()),
    ("decoder.enc_bbox_head.", "model.enc_bbox_head.", ()),
    ("decoder.denoising_class_embed.", "model.denoising_class_embed.", ()),
    ("decoder.tgt_embed.", "model.weight_embedding.", ()),
    ("decoder.decoder.layers.", "model.decoder.layers.", _DECODER_LAYER),
    ("decoder.decoder.lqe_layers.", "model.decoder.lqe_layers.", ()),
    ("decoder.dec_score_head.", "model.decoder.class_embed.", ()),
    ("decoder.dec_bbox_head.", "model.decoder.bbox_embed.", ()),
    ("decoder.pre_bbox_head.", "model.decoder.pre_bbox_head.", ()),
    ("decoder.query_pos_head.", "model.decoder.query_pos_head.", ()),
    ("decoder.reg_scale", "model.decoder.reg_scale", ()),
    ("decoder.up", "model.decoder.up", ()),
)


def read_original(tensors: Mapping[str, Tensor], hints: ConversionHints) -> ConvertedWeights | None:
    """The model of these weights; None if the names are those of another repository.

    Raises UnsupportedModelError for weights that were folded for deployment or are of a backbone only, and if class names
    or the image size are unknown; DamagedModelError for tensors that do not fit.
    """
    if any(name.startswith("stem.stem1.") for name in tensors):
        raise UnsupportedModelError(
            "the weights are those of a backbone (HGNetV2) only, for the start of training; they are not a detector"
        )
    dfine_seg.refuse_semantic(tensors)
    if not any(name.startswith(("decoder.decoder.lqe_layers.", "decoder.pre_bbox_head.")) for name in tensors):
        return None
    if any(".conv_bn_fused." in name for name in tensors):
        raise UnsupportedModelError(
            "the weights were saved after D-FINE's deploy(), which folds norms into convolutions and drops heads; use the "
            "file from before deploy()"
        )
    shape = TensorShapes(tensors)
    labels, assumed_labels = labels_of(shape("decoder.dec_score_head.0.weight", 2)[0], hints, _PUBLISHED_CLASSES)
    usual, size = _named(_config(tensors, labels))
    config, assumed = settled_config(usual, tensors, hints)
    strides = config.backbone.out_strides
    size_hw, conflict, assumed_size = image_size(tensors, strides, config.num_feature_levels, hints)
    detector, without_masks = dfine_seg.without_mask_head(tensors)
    weights = {name: tensor for name, tensor in detector.items() if not name.startswith(_UNUSED)}
    return ConvertedWeights(
        config=config,
        preprocessor=dfine_seg.preprocessor(size_hw, hints.args),
        tensors=renamed(weights, _NAME_RULES, family="D-FINE"),
        notes=(f"recognized as {_title(config, tensors, size)}", *conflict, *without_masks),
        assumed=(*assumed_labels, *assumed_size, *assumed),
        tells_preprocessing=dfine_seg.tells_preprocessing(hints.args),
        variant="dfine" if any(entry.startswith(ACTIVATION_FIELDS) for entry in assumed) else None,
    )


def _title(config: DFineConfig, tensors: Mapping[str, Tensor], size: Size | None) -> str:
    """The name of the model, of which repository and size, for a message."""
    name, article = "D-FINE", "a"
    if any(tensor.startswith(DISTILLATION) for tensor in tensors):
        name, article = "RT-DETRv4", "an"
    elif variant_of(config) == "deim":
        name = "DEIM-D-FINE"
    return f"{name}-{size.upper()}" if size else f"{article} {name} of custom size"


def _config(tensors: Mapping[str, Tensor], labels: tuple[str, ...]) -> DFineConfig:
    """The configuration, from the shapes of the tensors. Raises DamagedModelError."""
    shape = TensorShapes(tensors)
    backbone = _backbone(shape)
    hidden = shape("encoder.input_proj.0.conv.weight", 4)[0]
    width = shape("decoder.dec_score_head.0.weight", 2)[1]
    layers = shape.count("decoder.decoder.layers.")
    shape(_POINTS, 1)
    points = points_of(tensors[_POINTS], _POINTS)
    offsets = shape("decoder.decoder.layers.0.cross_attn.attention_weights.bias", 1)[0]
    quality_head = shape("decoder.decoder.lqe_layers.0.reg_conf.layers.0.weight", 2)
    maps = len(backbone.out_indices)
    attending = shape.count("encoder.encoder.")
    if attending not in (0, 1, maps):
        raise UnsupportedModelError(f"{attending} of {maps} maps have self-attention; the names do not show which")
    learned = shape("decoder.tgt_embed.weight", 2)[0] if shape.has("decoder.tgt_embed.") else None
    config = DFineConfig(
        labels=labels,
        backbone=backbone,
        encoder_hidden_dim=hidden,
        encoder_layers=shape.count("encoder.encoder.0.layers.") if attending else 1,
        encoder_ffn_dim=shape("encoder.encoder.0.layers.0.linear1.weight", 2)[0] if attending else 1024,
        encoder_attention_heads=max(1, offsets // sum(points)),
        encode_proj_layers=tuple(range(maps)) if attending == maps else (maps - 1,) * attending,
        d_model=width,
        num_queries=learned or 300,
        learn_initial_query=learned is not None,
        num_feature_levels=len(points),
        decoder_layers=layers,
        decoder_ffn_dim=shape("decoder.decoder.layers.0.linear1.weight", 2)[0],
        decoder_attention_heads=max(1, offsets // sum(points)),
        decoder_n_points=points,
        max_num_bins=shape("decoder.dec_bbox_head.0.layers.2.weight", 2)[0] // 4 - 1,
        reg_scale=_scalar(tensors, "decoder.reg_scale"),
        up=_scalar(tensors, "decoder.up"),
        top_prob_values=quality_head[1] // 4 - 1,
        lqe_hidden_dim=quality_head[0],
        lqe_layers=shape.count("decoder.decoder.lqe_layers.0.reg_conf.layers."),
        num_denoising=100 if shape.has("decoder.denoising_class_embed.") else 0,
        **_last_layer(shape, layers, width),
        **_pyramid(shape, hidden),
    )
    return read_config(write_config(config))  # checks it like any other configuration


def _backbone(shape: TensorShapes) -> HGNetV2Config:
    stages = shape.count("backbone.stages.")
    maps = shape.count("encoder.input_proj.")
    if not 1 <= maps <= stages:
        raise DamagedModelError(f"the weights take {maps} maps from a backbone of {stages} stages")
    return HGNetV2Config(
        stem=(
            shape("backbone.stem.stem1.conv.weight", 4)[1],
            shape("backbone.stem.stem1.conv.weight", 4)[0],
            shape("backbone.stem.stem4.conv.weight", 4)[0],
        ),
        stages=tuple(_stage(shape, f"backbone.stages.{i}.") for i in range(stages)),
        out_indices=tuple(range(stages - maps + 1, stages + 1)),
        affine=shape.has("backbone.stem.stem1.lab."),
    )


def _stage(shape: TensorShapes, stage: str) -> StageConfig:
    block = f"{stage}blocks.0."
    light = shape.has(f"{block}layers.0.conv1.")
    first = shape(f"{block}layers.0.conv1.conv.weight" if light else f"{block}layers.0.conv.weight", 4)
    kernel = shape(f"{block}layers.0.conv2.conv.weight", 4)[2] if light else first[2]
    return StageConfig(
        inputs=first[1],
        middle=first[0],
        outputs=shape(f"{block}aggregation.1.conv.weight", 4)[0],
        blocks=shape.count(f"{stage}blocks."),
        layers=shape.count(f"{block}layers."),
        kernel=kernel,
        downsample=shape.has(f"{stage}downsample."),
        light=light,
    )


def _last_layer(shape: TensorShapes, layers: int, width: int) -> dict[str, Any]:
    """The layer that predicts: the last one, unless layers after it are wider."""
    widths = [shape(f"decoder.decoder.layers.{i}.norm1.weight", 1)[0] for i in range(layers)]
    wider = [i for i, one in enumerate(widths) if one != width]
    if not wider:
        return {"eval_idx": layers - 1}
    return {"eval_idx": wider[0] - 1, "layer_scale": widths[-1] / width}


def _pyramid(shape: TensorShapes, hidden: int) -> dict[str, Any]:
    """Width and number of the pyramid's bottlenecks, as the factors of a configuration."""
    if not shape.has("encoder.fpn_blocks."):
        return {}
    inner = shape("encoder.fpn_blocks.0.cv2.1.conv.weight", 4)[0]
    count = shape.count("encoder.fpn_blocks.0.cv2.0.bottlenecks.")
    widths = (1.0, 0.5, 0.34, 2 * inner / hidden, (2 * inner + 0.5) / hidden)
    depths = (1.0, 0.67, 0.5, 0.34, count / 3)
    return {
        "hidden_expansion": next(width for width in widths if round(width * hidden // 2) == inner),
        "depth_mult": next(depth for depth in depths if round(3 * depth) == count),
    }


def _named(config: DFineConfig) -> tuple[DFineConfig, Size | None]:
    """The configuration with the factors of a published size, and that size; None if it is not a published one."""
    for size in get_args(Size):
        like = published_config(size, config.labels)
        named = replace(config, hidden_expansion=like.hidden_expansion, depth_mult=like.depth_mult)
        same_pyramid = (named.pyramid_dim, named.bottlenecks) == (config.pyramid_dim, config.bottlenecks)
        free: dict[str, Any] = {name: getattr(config, name) for name in _FREE}
        if same_pyramid and named == replace(like, **free):
            return named, size
    return config, None


def _scalar(tensors: Mapping[str, Tensor], name: str) -> float:
    tensor = tensors.get(name)
    if tensor is None or tensor.numel() != 1:
        raise DamagedModelError(f"the weights lack '{name}', a single number")
    return float(tensor)
