"""D-FINE, DEIM and RT-DETRv4: the same tensors, but other activations in the decoder.

DEIM trains D-FINE's network with `activation: silu` and `mlp_act: silu` (configs/base/deim.yml), and RT-DETRv4 does so too
(configs/base/rtv4.yml). `activation` is that of the decoder's feed-forward networks and of the location quality estimator,
`mlp_act` that of the other small heads. In D-FINE's repository the first one does not reach the estimator.
"""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from detcli.errors import UsageError
from detcli.models.conversion.assumptions import argument
from detcli.models.conversion.original_names import LABELS
from detcli.models.dfine.config import DFineConfig
from detcli.models.family import ConversionHints

DISTILLATION = "encoder.feature_projector."  # of RT-DETRv4, in training only
_ACTIVATIONS: Mapping[str, str] = {"dfine": "relu", "deim": "silu"}
_DECODER, _HEADS, _LQE = "decoder_activation_function", "head_activation_function", "lqe_activation_function"
ACTIVATION_FIELDS = (_DECODER, _HEADS, _LQE)


def activations_of(variant: str) -> dict[str, str]:
    """The fields of config.json in which the variants differ."""
    return dict.fromkeys(ACTIVATION_FIELDS, _ACTIVATIONS[variant])


def told_activations(tensors: Mapping[str, Tensor], hints: ConversionHints) -> dict[str, Any]:
    """The activations that the user, the tensors or the arguments in the file tell, in this order.

    Raises UsageError if the user says D-FINE of a file that is certainly of RT-DETRv4.
    """
    is_rtdetrv4 = any(name.startswith(DISTILLATION) for name in tensors)
    if is_rtdetrv4 and hints.variant == "dfine":
        raise UsageError(
            f"`variant=dfine`: the file has '{DISTILLATION}…' and is certainly of RT-DETRv4: leave `variant` out"
        )
    if hints.variant is not None:
        return activations_of(hints.variant)
    if is_rtdetrv4:
        return activations_of("deim")
    told = _of_arguments(hints.args)
    # D-FINE-seg, which keeps class names with the weights, has the activations of D-FINE.
    return told or (activations_of("dfine") if hints.args.get(LABELS) else {})


def _of_arguments(args: Mapping[str, Any]) -> dict[str, Any]:
    decoder = argument(args, "DFINETransformer.activation", "decoder_activation")
    heads = argument(args, "mlp_act")
    # Only code with `mlp_act` passes the decoder's activation to the estimator.
    told = {_DECODER: decoder, _HEADS: heads, _LQE: decoder if heads is not None else None}
    return {name: value for name, value in told.items() if value is not None}


def variant_of(config: DFineConfig) -> str | None:
    """The variant that a configuration is of; None if its activations are those of none."""
    fields = {name: getattr(config, name) for name in ACTIVATION_FIELDS}
    return next((variant for variant in _ACTIVATIONS if activations_of(variant) == fields), None)
