"""RT-DETR's and RT-DETRv2's configuration: one frozen record, from config.json of any version of transformers and back."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, cast

from detcli.models.backbones.backbone_config import read_resnet, write_resnet
from detcli.models.backbones.resnet import ResNetConfig
from detcli.models.config_fields import ConfigFields, check_architecture, labels_as_json, read_labels
from detcli.models.detr_common.config import as_written, config_fields
from detcli.models.detr_common.fixed_size import check_strides
from detcli.models.layers.activations import ACTIVATIONS
from detcli.models.layers.deformable_attention import SamplingMethod

Version = Literal[1, 2]


@dataclass(frozen=True, slots=True, kw_only=True)
class RtDetrConfig:
    """Everything that shapes the network and its losses, under the names of config.json.

    version                      2: RT-DETRv2
    labels                       class names by class index
    encode_proj_layers           indices of the backbone's maps that have intra-scale attention
    hidden_expansion             width of the pyramid's inner layers, as a fraction of the encoder's width
    normalize_before             norms before attention and feed-forward network of the encoder, not after
    num_feature_levels           levels of the decoder; those beyond the backbone's maps are made from the last one
    decoder_n_points             sampling points of a head, for each level; equal in version 1
    decoder_offset_scale         length of a unit offset in box sizes, if the level has one point; 0.5 in version 1
    decoder_method               bilinear sampling (default), or the nearest cell (discrete), which version 1 does not have
    learn_initial_query          queries are learned, not taken from the encoder
    num_denoising                if above 0, the checkpoint has a label embedding for denoising queries
    initializer_bias_prior_prob  probability of each class before training; None: 1 / (classes + 1)
    matcher_*, use_focal_loss    costs of the assignment: focal, or of softmax scores
    focal_loss_*, weight_loss_*  of the losses; the class loss is always the varifocal loss
    carried                      fields that detcli does not read, unchanged
    """

    version: Version
    labels: tuple[str, ...]
    backbone: ResNetConfig
    # encoder
    encoder_hidden_dim: int = 256
    encoder_layers: int = 1
    encoder_ffn_dim: int = 1024
    encoder_attention_heads: int = 8
    encode_proj_layers: tuple[int, ...] = (2,)
    positional_encoding_temperature: float = 10000.0
    encoder_activation_function: str = "gelu"
    activation_function: str = "silu"
    normalize_before: bool = False
    hidden_expansion: float = 1.0
    # decoder
    d_model: int = 256
    num_queries: int = 300
    num_feature_levels: int = 3
    decoder_layers: int = 6
    decoder_ffn_dim: int = 1024
    decoder_attention_heads: int = 8
    decoder_activation_function: str = "relu"
    decoder_n_points: tuple[int, ...] = (4, 4, 4)
    decoder_offset_scale: float = 0.5
    decoder_method: SamplingMethod = "default"
    learn_initial_query: bool = False
    # both
    layer_norm_eps: float = 1e-5
    batch_norm_eps: float = 1e-5
    dropout: float = 0.0
    attention_dropout: float = 0.0
    activation_dropout: float = 0.0
    # training
    num_denoising: int = 100
    label_noise_ratio: float = 0.5
    box_noise_scale: float = 1.0
    initializer_bias_prior_prob: float | None = None
    use_focal_loss: bool = True
    matcher_alpha: float = 0.25
    matcher_gamma: float = 2.0
    matcher_class_cost: float = 2.0
    matcher_bbox_cost: float = 5.0
    matcher_giou_cost: float = 2.0
    focal_loss_alpha: float = 0.75
    focal_loss_gamma: float = 2.0
    weight_loss_vfl: float = 1.0
    weight_loss_bbox: float = 5.0
    weight_loss_giou: float = 2.0
    carried: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @property
    def maps(self) -> int:
        """Number of the backbone's maps."""
        return len(self.backbone.out_indices)

    @property
    def size_divisor(self) -> tuple[int, int]:
        """Height and width of an image must be multiples of these."""
        return self.backbone.out_strides[-1]

    @property
    def token_strides(self) -> tuple[tuple[int, int], ...]:
        """Strides (down, right) of the decoder's levels; further levels are made from the coarsest map."""
        strides, further = self.backbone.out_strides, self.num_feature_levels - self.maps
        return strides + ((2 * strides[-1][0], 2 * strides[-1][1]),) * further

    @property
    def pyramid_dim(self) -> int:
        """Width of the inner layers of the feature pyramid."""
        return int(self.encoder_hidden_dim * self.hidden_expansion)


MODEL_TYPES: dict[str, Version] = {"rt_detr": 1, "rt_detr_v2": 2}
_ARCHITECTURES: dict[Version, str] = {1: "RTDetrForObjectDetection", 2: "RTDetrV2ForObjectDetection"}
USUAL_MAPS = (2, 3, 4)

_INTEGERS = {  # name -> smallest and largest value
    "encoder_hidden_dim": (4, 8192),
    "encoder_layers": (0, 64),
    "encoder_ffn_dim": (1, 65536),
    "encoder_attention_heads": (1, 256),
    "d_model": (4, 8192),
    "num_queries": (1, 100_000),
    "decoder_layers": (1, 64),
    "decoder_ffn_dim": (1, 65536),
    "decoder_attention_heads": (1, 256),
    "num_denoising": (0, 1_000_000),
}
_NUMBERS = {
    "positional_encoding_temperature": (1.0, 1e9),
    "hidden_expansion": (0.0, 16.0),
    **dict.fromkeys(("layer_norm_eps", "batch_norm_eps"), (0.0, 1.0)),
    **dict.fromkeys(("dropout", "attention_dropout", "activation_dropout", "label_noise_ratio"), (0.0, 1.0)),
    **dict.fromkeys(("matcher_alpha", "focal_loss_alpha"), (0.0, 1.0)),
    **dict.fromkeys(("box_noise_scale", "matcher_gamma", "focal_loss_gamma"), (0.0, 1e3)),
    **dict.fromkeys(("matcher_class_cost", "matcher_bbox_cost", "matcher_giou_cost"), (0.0, 1e6)),
    **dict.fromkeys(("weight_loss_vfl", "weight_loss_bbox", "weight_loss_giou"), (0.0, 1e6)),
}
_ACTIVATIONS = ("encoder_activation_function", "activation_function", "decoder_activation_function")
_FLAGS = ("normalize_before", "learn_initial_query", "use_focal_loss")
_CARRIED_NUMBERS = ("initializer_range", "eos_coefficient")
# Boxes are always refined, whatever `with_box_refine` is, and all layers learn, whatever `auxiliary_loss` is.
_CARRIED_FLAGS = ("auxiliary_loss", "disable_custom_kernels", "with_box_refine")
# Checked, then ignored: grids and anchors are made for each image size. transformers 5 accepts only the size of the
# anchors if that is set, and leaves out the position grid if eval_size is set; the original repository does not.
_IMAGE_SIZES = ("anchor_image_size", "eval_size")
# Other names that transformers accepts for some fields.
_OTHER_NAMES = {"d_model": "hidden_size", "encoder_attention_heads": "num_attention_heads"}
_NOT_FIELDS = ("version", "labels", "backbone", "carried")  # config.json has them in other forms
_ONLY_V2 = ("decoder_offset_scale", "decoder_method")


def read_config(config: Mapping[str, Any]) -> RtDetrConfig:
    """Read config.json as any version of transformers writes it; missing fields have its defaults, unknown ones are ignored.

    Raises UnsupportedModelError naming the first field of a wrong type, out of range or inconsistent with another.
    """
    fields = config_fields(config, _OTHER_NAMES)
    version = MODEL_TYPES[fields.choice("model_type", "rt_detr", MODEL_TYPES)]
    check_architecture(fields, (_ARCHITECTURES[version],))
    backbone = _read_backbone(fields)
    maps = len(backbone.out_indices)
    levels = fields.integer("num_feature_levels", 3, maps, 16)
    read = RtDetrConfig(
        version=version,
        labels=read_labels(fields),
        backbone=backbone,
        num_feature_levels=levels,
        encode_proj_layers=tuple(
            index % maps for index in fields.integers("encode_proj_layers", (2,), -maps, maps - 1, length=(0, 16))
        ),
        initializer_bias_prior_prob=fields.number_or_none("initializer_bias_prior_prob", 1e-9, 1 - 1e-9),
        **_plain_fields(fields),
        **_sampling(fields, version, levels),
        carried=_read_carried(fields),
    )
    _check(read, fields)
    return read


def write_config(config: RtDetrConfig) -> dict[str, Any]:
    """Write config.json as transformers reads it, from 4.52 on."""
    written: dict[str, Any] = {
        "architectures": [_ARCHITECTURES[config.version]],
        "model_type": next(name for name, version in MODEL_TYPES.items() if version == config.version),
        "is_encoder_decoder": True,
        "torch_dtype": "float32",
        "tie_word_embeddings": False,  # each layer has its own heads; see write_weights
        **labels_as_json(config.labels),
        "backbone_config": {**write_resnet(config.backbone), "model_type": "rt_detr_resnet"},
        "freeze_backbone_batch_norms": config.backbone.frozen,
        "encoder_in_channels": list(config.backbone.out_channels),
        "decoder_in_channels": [config.encoder_hidden_dim] * config.maps,
        "feat_strides": [down for down, _ in config.backbone.out_strides],
        **config.carried,
    }
    for name in config.__dataclass_fields__:
        if name not in _NOT_FIELDS and (config.version == 2 or name not in _ONLY_V2):
            value = getattr(config, name)
            written[name] = list(value) if isinstance(value, tuple) else value
    # transformers accepts these only as integers; points that differ by level are an extension of detcli.
    written["positional_encoding_temperature"] = as_written(config.positional_encoding_temperature)
    if len(set(config.decoder_n_points)) == 1:
        written["decoder_n_points"] = config.decoder_n_points[0]
    if config.version == 2:
        written["decoder_n_levels"] = config.num_feature_levels
    return written


def _plain_fields(fields: ConfigFields) -> dict[str, Any]:
    """Fields whose bounds do not depend on others."""
    defaults: dict[str, Any] = {name: each.default for name, each in RtDetrConfig.__dataclass_fields__.items()}
    return {
        **{name: fields.integer(name, defaults[name], *bounds) for name, bounds in _INTEGERS.items()},
        **{name: fields.number(name, defaults[name], *bounds) for name, bounds in _NUMBERS.items()},
        **{name: fields.choice(name, defaults[name], ACTIVATIONS) for name in _ACTIVATIONS},
        **{name: fields.flag(name, defaults[name]) for name in _FLAGS},
    }


def _sampling(fields: ConfigFields, version: Version, levels: int) -> dict[str, Any]:
    """Fields of the decoder's sampling points."""
    if version == 1:
        return {"decoder_n_points": (fields.integer("decoder_n_points", 4, 1, 256),) * levels}
    if fields.integer("decoder_n_levels", 3, 1, 16) != levels:
        raise fields.invalid("decoder_n_levels", f"{levels}, the num_feature_levels")
    return {
        "decoder_n_points": fields.integer_or_integers("decoder_n_points", 4, 1, 256, length=levels),
        "decoder_offset_scale": fields.number("decoder_offset_scale", 0.5, -1e3, 1e3),
        "decoder_method": cast("SamplingMethod", fields.choice("decoder_method", "default", ("default", "discrete"))),
    }


def _read_backbone(fields: ConfigFields) -> ResNetConfig:
    """Read the backbone, always a ResNet of variant D. Raises UnsupportedModelError naming the first invalid field."""
    if "use_timm_backbone" in fields and fields.flag("use_timm_backbone", False):
        raise fields.invalid("use_timm_backbone", "false: the only supported backbone is RT-DETR's own, rt_detr_resnet")
    given = fields.object("backbone_config")
    inner = given or ConfigFields({}, "backbone_config.")
    inner.choice("model_type", "rt_detr_resnet", ("rt_detr_resnet",))
    read = read_resnet(inner, USUAL_MAPS if given is None else None)
    frozen = fields.flag("freeze_backbone_batch_norms", True)
    backbone = replace(read, variant_d=True, frozen=frozen)
    if backbone.embedding_size % 2:
        raise inner.invalid("embedding_size", "even")
    pooled_without_stride = backbone.layer_type == "basic" and backbone.strides[0] == 1 and backbone.pools_shortcut(0)
    if pooled_without_stride:
        raise inner.invalid("hidden_sizes", f"a list that begins with {backbone.embedding_size}, the embedding_size")
    check_strides(inner, backbone.out_strides)
    return backbone


def _read_carried(fields: ConfigFields) -> dict[str, Any]:
    for name in _IMAGE_SIZES:
        if name in fields:
            fields.integer_or_integers(name, 1, 1, 100_000, length=2)
    numbers = {name: fields.number(name, 0.0, -1e6, 1e6) for name in _CARRIED_NUMBERS if name in fields}
    return {**numbers, **{name: fields.flag(name, True) for name in _CARRIED_FLAGS if name in fields}}


def _check(config: RtDetrConfig, fields: ConfigFields) -> None:
    """Raise UnsupportedModelError for inconsistent fields."""
    maps, hidden = config.maps, config.encoder_hidden_dim
    inputs = fields.integers("encoder_in_channels", (512, 1024, 2048), 1, 65536, length=(1, 16))
    if len(inputs) != maps:
        raise fields.invalid("encoder_in_channels", f"a list of {maps}, one for each of the backbone's out_indices")
    given = fields.integers("decoder_in_channels", (256, 256, 256), 1, 65536, length=(1, 16))
    if given != (hidden,) * maps:
        raise fields.invalid("decoder_in_channels", f"{maps} times {hidden}, the encoder_hidden_dim")
    if hidden % 4 or hidden % config.encoder_attention_heads:
        raise fields.invalid("encoder_hidden_dim", "a multiple of 4 and of encoder_attention_heads")
    if config.d_model % config.decoder_attention_heads:
        raise fields.invalid("d_model", "a multiple of decoder_attention_heads")
    if config.num_feature_levels > maps + 1 and config.d_model != hidden:
        raise fields.invalid("num_feature_levels", f"at most {maps + 1} where d_model is not the encoder_hidden_dim")
    if config.pyramid_dim < 1:
        raise fields.invalid("hidden_expansion", "large enough for one channel")
