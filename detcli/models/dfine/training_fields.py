"""Fields of D-FINE's config.json that only training reads; the record carries them unchanged."""

from typing import Any

from detcli.models.config_fields import ConfigFields

_TRAINING_NUMBERS = (
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
_TRAINING_FLAGS = (
    "auxiliary_loss",
    "use_focal_loss",
    "with_box_refine",
)  # boxes are always refined, whatever the last one is

# Checked, then ignored: grids and anchors are made for each image size. transformers 5 accepts only the size of the
# anchors if that is set, and leaves out the position grid if eval_size is set; the original repository does not.
_IMAGE_SIZES = ("anchor_image_size", "eval_size")


def read_training_fields(fields: ConfigFields) -> dict[str, Any]:
    """The fields that only training reads, unchanged. Raises UnsupportedModelError naming one of a wrong type."""
    for name in _IMAGE_SIZES:
        if name in fields:
            fields.integer_or_integers(name, 1, 1, 100_000, length=2)
    numbers = {name: fields.number(name, 0, -1e6, 1e6) for name in _TRAINING_NUMBERS if name in fields}
    flags = {name: fields.flag(name, True) for name in _TRAINING_FLAGS if name in fields}
    return {**numbers, **flags}
