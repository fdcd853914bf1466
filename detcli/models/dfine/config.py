"""D-FINE's configuration: one frozen record, from config.json of any version of transformers and back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from detcli.models.backbones.hgnetv2 import HGNetV2Config
from detcli.models.config_fields import ConfigFields, check_architecture, labels_as_json, read_labels
from detcli.models.dfine.backbone_config import read_backbone, write_backbone
from detcli.models.dfine.training_fields import read_training_fields
from detcli.models.layers.activations import ACTIVATIONS
from detcli.models.layers.deformable_attention import SamplingMethod


@dataclass(frozen=True, slots=True, kw_only=True)
class DFineConfig:
    """Everything that shapes the network, under the names of config.json.

    labels                       class names by class index
    encode_proj_layers           indices of the backbone's maps that have intra-scale attention
    hidden_expansion             width of the pyramid's inner layers, as a fraction of half the encoder's width
    depth_mult                   a third of the number of bottlenecks in each of them
    normalize_before             norms before attention and feed-forward network of the encoder, not after
    num_feature_levels           levels of the decoder; those beyond the backbone's maps are made from the last one
    decoder_n_points             sampling points of a head, for each level
    decoder_method               bilinear sampling (default), or the nearest cell (discrete)
    eval_idx                     the decoder layer that predicts in inference, from 0; later layers are for training
    layer_scale                  width of these later layers, as a multiple of d_model
    max_num_bins                 a distribution over edge offsets has one bin more
    reg_scale, up                shape of the bins before weights are loaded, which bring their own
    head_activation_function     of the heads that predict boxes, distributions and positions; transformers has ReLU only
    lqe_activation_function      of the location quality estimator (LQE); transformers has ReLU only
    top_prob_values, lqe_*       of the LQE
    learn_initial_query          queries are learned, not taken from the encoder
    num_denoising                if above 0, the checkpoint has a label embedding for denoising queries
    initializer_bias_prior_prob  probability of each class before training; None: 1 / (classes + 1)
    carried                      fields that only training reads, unchanged
    """

    labels: tuple[str, ...]
    backbone: HGNetV2Config
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
    depth_mult: float = 1.0
    # decoder
    d_model: int = 256
    num_queries: int = 300
    num_feature_levels: int = 3
    decoder_layers: int = 6
    decoder_ffn_dim: int = 1024
    decoder_attention_heads: int = 8
    decoder_activation_function: str = "relu"
    head_activation_function: str = "relu"
    lqe_activation_function: str = "relu"
    decoder_n_points: tuple[int, ...] = (4, 4, 4)
    decoder_offset_scale: float = 0.5
    decoder_method: SamplingMethod = "default"
    eval_idx: int = 5
    layer_scale: float = 1.0
    max_num_bins: int = 32
    reg_scale: float = 4.0
    up: float = 0.5
    top_prob_values: int = 4
    lqe_hidden_dim: int = 64
    lqe_layers: int = 2
    learn_initial_query: bool = False
    # both
    layer_norm_eps: float = 1e-5
    batch_norm_eps: float = 1e-5
    dropout: float = 0.0
    attention_dropout: float = 0.0
    num_denoising: int = 100
    initializer_bias_prior_prob: float | None = None
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
        """Strides (down, right) of the decoder's levels; further levels are made from the coarsest map, or are copies of it."""
        strides, further = self.backbone.out_strides, self.num_feature_levels - self.maps
        factor = 1 if self.encoder_hidden_dim == self.d_model else 2
        return strides + ((factor * strides[-1][0], factor * strides[-1][1]),) * further

    @property
    def scaled_dim(self) -> int:
        """Width of the decoder layers after `eval_idx`."""
        return round(self.layer_scale * self.d_model)

    @property
    def pyramid_dim(self) -> int:
        """Width of the inner layers of the feature pyramid."""
        return round(self.hidden_expansion * self.encoder_hidden_dim // 2)

    @property
    def bottlenecks(self) -> int:
        """Number of bottlenecks in each of these layers."""
        return round(3 * self.depth_mult)


_ARCHITECTURE = "DFineForObjectDetection"


def read_config(config: Mapping[str, Any]) -> DFineConfig:
    """Read config.json as any version of transformers writes it; missing fields have its defaults, unknown ones are ignored.

    Raises UnsupportedModelError naming the first field of a wrong type, out of range or inconsistent with another.
    """
    fields = ConfigFields(config)
    check_architecture(fields, (_ARCHITECTURE,))
    backbone = read_backbone(fields)
    layers = fields.integer("decoder_layers", 6, 1, 64)
    maps = len(backbone.out_indices)
    levels = fields.integer("num_feature_levels", 3, maps, 16)
    eval_idx = fields.integer("eval_idx", -1, -layers, layers - 1)
    read = DFineConfig(
        labels=read_labels(fields),
        backbone=backbone,
        encoder_hidden_dim=fields.integer("encoder_hidden_dim", 256, 4, 8192),
        encoder_layers=fields.integer("encoder_layers", 1, 0, 64),
        encoder_ffn_dim=fields.integer("encoder_ffn_dim", 1024, 1, 65536),
        encoder_attention_heads=fields.integer("encoder_attention_heads", 8, 1, 256),
        encode_proj_layers=tuple(
            index % maps for index in fields.integers("encode_proj_layers", (2,), -maps, maps - 1, length=(0, 16))
        ),
        positional_encoding_temperature=fields.number("positional_encoding_temperature", 10000.0, 1.0, 1e9),
        encoder_activation_function=fields.choice("encoder_activation_function", "gelu", ACTIVATIONS),
        activation_function=fields.choice("activation_function", "silu", ACTIVATIONS),
        normalize_before=fields.flag("normalize_before", False),
        hidden_expansion=fields.number("hidden_expansion", 1.0, 0.0, 16.0),
        depth_mult=fields.number("depth_mult", 1.0, 0.0, 16.0),
        d_model=fields.integer("d_model", 256, 4, 8192),
        num_queries=fields.integer("num_queries", 300, 1, 100_000),
        num_feature_levels=levels,
        decoder_layers=layers,
        decoder_ffn_dim=fields.integer("decoder_ffn_dim", 1024, 1, 65536),
        decoder_attention_heads=fields.integer("decoder_attention_heads", 8, 1, 256),
        decoder_activation_function=fields.choice("decoder_activation_function", "relu", ACTIVATIONS),
        head_activation_function=fields.choice("head_activation_function", "relu", ACTIVATIONS),
        lqe_activation_function=fields.choice("lqe_activation_function", "relu", ACTIVATIONS),
        decoder_n_points=fields.integer_or_integers("decoder_n_points", 4, 1, 256, length=levels),
        decoder_offset_scale=fields.number("decoder_offset_scale", 0.5, -1e3, 1e3),
        decoder_method=cast("SamplingMethod", fields.choice("decoder_method", "default", ("default", "discrete"))),
        eval_idx=eval_idx % layers,
        layer_scale=fields.number("layer_scale", 1.0, 0.1, 16.0),
        max_num_bins=fields.integer("max_num_bins", 32, 4, 4096),
        reg_scale=fields.number("reg_scale", 4.0, 1e-3, 1e4),
        up=fields.number("up", 0.5, 1e-3, 1e4),
        top_prob_values=fields.integer("top_prob_values", 4, 1, 4097),
        lqe_hidden_dim=fields.integer("lqe_hidden_dim", 64, 1, 65536),
        lqe_layers=fields.integer("lqe_layers", 2, 1, 64),
        learn_initial_query=fields.flag("learn_initial_query", False),
        layer_norm_eps=fields.number("layer_norm_eps", 1e-5, 0.0, 1.0),
        batch_norm_eps=fields.number("batch_norm_eps", 1e-5, 0.0, 1.0),
        dropout=fields.number("dropout", 0.0, 0.0, 1.0),
        attention_dropout=fields.number("attention_dropout", 0.0, 0.0, 1.0),
        num_denoising=fields.integer("num_denoising", 100, 0, 1_000_000),
        initializer_bias_prior_prob=fields.number_or_none("initializer_bias_prior_prob", 1e-9, 1 - 1e-9),
        carried=read_training_fields(fields),
    )
    _check(read, fields)
    return read


def write_config(config: DFineConfig) -> dict[str, Any]:
    """Write config.json as transformers reads it, from 4.52 on."""
    written: dict[str, Any] = {
        "architectures": [_ARCHITECTURE],
        "model_type": "d_fine",
        "is_encoder_decoder": True,
        "torch_dtype": "float32",
        "tie_word_embeddings": False,  # each layer has its own heads; see write_weights
        **labels_as_json(config.labels),
        "backbone_config": write_backbone(config.backbone),
        "freeze_backbone_batch_norms": config.backbone.frozen,
        "encoder_in_channels": list(config.backbone.out_channels),
        "decoder_in_channels": [config.encoder_hidden_dim] * config.maps,
        "feat_strides": [down for down, _ in config.backbone.out_strides],
        **config.carried,
    }
    for name in _SAME_NAMES:
        value = getattr(config, name)
        written[name] = list(value) if isinstance(value, tuple) else value
    temperature = config.positional_encoding_temperature
    # transformers accepts this field only as an integer.
    written["positional_encoding_temperature"] = int(temperature) if temperature.is_integer() else temperature
    written["eval_idx"] = -1 if config.eval_idx == config.decoder_layers - 1 else config.eval_idx
    return written


_SAME_NAMES = tuple(name for name in DFineConfig.__dataclass_fields__ if name not in ("labels", "backbone", "carried"))


def _check(config: DFineConfig, fields: ConfigFields) -> None:
    """Raise UnsupportedModelError for inconsistent fields."""
    maps, hidden = config.maps, config.encoder_hidden_dim
    inputs = fields.integers("encoder_in_channels", (512, 1024, 2048), 1, 65536, length=(1, 16))
    if len(inputs) != maps:
        raise fields.invalid("encoder_in_channels", f"a list of {maps}, one for each of the backbone's out_indices")
    given = fields.integers("decoder_in_channels", (256, 256, 256), 1, 65536, length=(1, 16))
    if given != (hidden,) * maps:
        raise fields.invalid("decoder_in_channels", f"{maps} times {hidden}, the encoder_hidden_dim")
    if config.num_feature_levels < maps:
        raise fields.invalid("num_feature_levels", f"at least {maps}, the number of the backbone's maps")
    if hidden % 4 or hidden % config.encoder_attention_heads:
        raise fields.invalid("encoder_hidden_dim", "a multiple of 4 and of encoder_attention_heads")
    if config.d_model % config.decoder_attention_heads:
        raise fields.invalid("d_model", "a multiple of decoder_attention_heads")
    if config.eval_idx < config.decoder_layers - 1 and config.scaled_dim % config.decoder_attention_heads:
        raise fields.invalid(
            "layer_scale", "a number for which d_model * layer_scale is a multiple of decoder_attention_heads"
        )
    if config.max_num_bins % 2:
        raise fields.invalid("max_num_bins", "even")
    if config.top_prob_values > config.max_num_bins + 1:
        raise fields.invalid("top_prob_values", "at most max_num_bins + 1")
    if config.pyramid_dim < 1:
        raise fields.invalid("hidden_expansion", "large enough for one channel")
