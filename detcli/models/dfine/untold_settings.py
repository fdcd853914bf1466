"""Settings of an original D-FINE that its tensors do not tell, and where else they may be told."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from detcli.errors import DamagedModelError, UnsupportedModelError
from detcli.models.conversion.assumptions import argument, arguments, refuse_arguments, settled
from detcli.models.conversion.original_names import TensorShapes
from detcli.models.dfine.config import DFineConfig, read_config, write_config
from detcli.models.dfine.stored_anchors import stored_size_hw
from detcli.models.family import ConversionHints

_PUBLISHED_SIZE = (640, 640)
# Fields, and the arguments that set them in the repository's configurations, which some forks save with the weights.
_ARGUMENTS = {
    "num_queries": ("DFINETransformer.num_queries", "num_queries"),
    "decoder_method": ("cross_attn_method",),
    "eval_idx": ("eval_idx",),
    "decoder_activation_function": ("DFINETransformer.activation", "decoder_activation"),
    "decoder_offset_scale": ("offset_scale",),
    "encode_proj_layers": ("use_encoder_idx",),
    "encoder_attention_heads": ("HybridEncoder.nhead", "nhead"),
    "encoder_activation_function": ("enc_act",),
    "normalize_before": ("normalize_before", "pre_norm"),
    "positional_encoding_temperature": ("pe_temperature",),
    "activation_function": ("HybridEncoder.act",),
}
_SUPPORTED_ARGUMENTS = {"query_select_method": ("default",), "mlp_act": ("relu",)}


def settled_config(
    usual: DFineConfig, shape: TensorShapes, hints: ConversionHints
) -> tuple[DFineConfig, tuple[str, ...]]:
    """The configuration with what the user and the file tell, and what remains assumed.

    usual  the configuration that the tensors tell, as usual otherwise

    Raises as `settled` and `refuse_arguments` do.
    """
    refuse_arguments(hints.args, _SUPPORTED_ARGUMENTS)
    told = arguments(hints.args, _ARGUMENTS)
    return settled(write_config(usual), read_config, untold=_untold(shape, usual), told=told, hints=hints)


def _untold(shape: TensorShapes, config: DFineConfig) -> tuple[str, ...]:
    """Fields of a configuration that its tensors do not tell."""
    layers = range(config.decoder_layers)
    attends = bool(config.encode_proj_layers)
    untold = {
        "num_queries": not config.learn_initial_query,
        "decoder_method": True,
        "eval_idx": len({shape(f"decoder.decoder.layers.{i}.norm1.weight", 1) for i in layers}) == 1,
        "decoder_activation_function": True,
        "decoder_offset_scale": True,
        "encode_proj_layers": attends and len(config.encode_proj_layers) < config.maps,
        "encoder_attention_heads": attends,
        "encoder_activation_function": attends,
        "normalize_before": attends,
        "positional_encoding_temperature": attends,
        "activation_function": True,
    }
    return tuple(name for name, is_untold in untold.items() if is_untold)


def image_size(
    tensors: Mapping[str, Tensor], config: DFineConfig, hints: ConversionHints
) -> tuple[tuple[int, int], tuple[str, ...], tuple[str, ...]]:
    """Height and width of the training images, a note if the user says others than the file, and what is assumed.

    Raises as `stored_size_hw` does, unless the user gives the size.
    """
    given = hints.image_size_hw
    if given is None:
        told = stored_size_hw(tensors, config) or _told_size(hints.args)
        height, width = told or _PUBLISHED_SIZE
        return (height, width), (), () if told else (f"image_size={height}x{width}",)
    try:
        stored = stored_size_hw(tensors, config) or given
    except (DamagedModelError, UnsupportedModelError):  # the file does not tell
        stored = given
    if stored == given:
        return given, (), ()
    said, own = (f"{height} x {width}" for height, width in (given, stored))
    return given, (f"converted for images of {said}, but its anchors are those of {own}",), ()


def _told_size(args: Mapping[str, Any]) -> tuple[int, int] | None:
    size = argument(args, "eval_spatial_size")
    if not isinstance(size, list | tuple) or len(size) != 2 or not all(type(side) is int for side in size):
        return None
    return size[0], size[1]
