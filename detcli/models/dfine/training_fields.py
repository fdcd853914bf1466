"""Fields of D-FINE's config.json that no forward pass reads: checked, and carried along for saving."""

from typing import Any

from detcli.models.config_fields import ConfigFields

_NUMBERS = (
    "activation_dropout",
    "box_noise_scale",
    "eos_coefficient",
    "focal_loss_alpha",
    "focal_loss_gamma",
    "initializer_range",
    "label_noise_ratio",
    "matcher_alpha",
    "matcher_bbox_cost",
    "matcher_class_cost",
    "matcher_gamma",
    "matcher_giou_cost",
    "weight_loss_bbox",
    "weight_loss_ddf",
    "weight_loss_fgl",
    "weight_loss_giou",
    "weight_loss_vfl",
)
_FLAGS = ("auxiliary_loss", "use_focal_loss", "with_box_refine")  # boxes are refined whatever the last one says

# Checked, and then let go: grids and anchors are always made for the image at hand, which gives the same numbers at
# the size these two name. transformers 5 runs no other size where the anchors' is set, and leaves the position grid out
# where eval_size is; the original never does.
_SIZES = ("anchor_image_size", "eval_size")


def read_training_fields(fields: ConfigFields) -> dict[str, Any]:
    """Those of them that are there, as they stand. Raises UnsupportedModelError naming one that is of a wrong type."""
    for name in _SIZES:
        if name in fields:
            fields.integer_or_integers(name, 1, 1, 100_000, length=2)
    numbers = {name: fields.number(name, 0, -1e6, 1e6) for name in _NUMBERS if name in fields}
    flags = {name: fields.flag(name, True) for name in _FLAGS if name in fields}
    return {**numbers, **flags}
