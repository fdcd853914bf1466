"""Settings of an original D-FINE that its tensors do not tell, and where else they may be told."""

from collections.abc import Mapping

from torch import Tensor

from detcli.models.conversion.assumptions import arguments, refuse_arguments, settled
from detcli.models.conversion.original_names import TensorShapes
from detcli.models.dfine.config import DFineConfig, read_config, write_config
from detcli.models.dfine.original.variants import ACTIVATION_FIELDS, told_activations
from detcli.models.family import ConversionHints

# Fields, and the arguments that set them in the repository's configurations, which some forks save with the weights.
_ARGUMENTS = {
    "num_queries": ("DFINETransformer.num_queries", "num_queries"),
    "decoder_method": ("cross_attn_method",),
    "eval_idx": ("eval_idx",),
    "decoder_offset_scale": ("offset_scale",),
    "encode_proj_layers": ("use_encoder_idx",),
    "encoder_attention_heads": ("HybridEncoder.nhead", "nhead"),
    "encoder_activation_function": ("enc_act",),
    "normalize_before": ("normalize_before", "pre_norm"),
    "positional_encoding_temperature": ("pe_temperature",),
    "activation_function": ("HybridEncoder.act",),
}
_SUPPORTED_ARGUMENTS = {"query_select_method": ("default",)}


def settled_config(
    usual: DFineConfig, tensors: Mapping[str, Tensor], hints: ConversionHints
) -> tuple[DFineConfig, tuple[str, ...]]:
    """The configuration with what the user and the file tell, and what remains assumed.

    usual  the configuration that the tensors tell, as usual otherwise

    Raises as `settled`, `refuse_arguments` and `told_activations` do.
    """
    refuse_arguments(hints.args, _SUPPORTED_ARGUMENTS)
    told = {**arguments(hints.args, _ARGUMENTS), **told_activations(tensors, hints)}
    untold = _untold(TensorShapes(tensors), usual)
    return settled(write_config(usual), read_config, untold=untold, told=told, hints=hints)


def _untold(shape: TensorShapes, config: DFineConfig) -> tuple[str, ...]:
    """Fields of a configuration that its tensors do not tell."""
    layers = range(config.decoder_layers)
    attends = bool(config.encode_proj_layers)
    untold = {
        "num_queries": not config.learn_initial_query,
        "decoder_method": True,
        "eval_idx": len({shape(f"decoder.decoder.layers.{i}.norm1.weight", 1) for i in layers}) == 1,
        **dict.fromkeys(ACTIVATION_FIELDS, True),
        "decoder_offset_scale": True,
        "encode_proj_layers": attends and len(config.encode_proj_layers) < config.maps,
        "encoder_attention_heads": attends,
        "encoder_activation_function": attends,
        "normalize_before": attends,
        "positional_encoding_temperature": attends,
        "activation_function": True,
    }
    return tuple(name for name, is_untold in untold.items() if is_untold)
