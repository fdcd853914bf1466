"""What D-FINE and RT-DETR share: preprocessing for images of one size, and the maps that fit to it."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from detcli.models.config_fields import ConfigFields

SIZE_DIVISOR = 32  # of the images' height and width


def check_strides(fields: ConfigFields, strides: Sequence[tuple[int, int]]) -> None:
    """Raise UnsupportedModelError for maps that cannot be fused, or that images of the families' sizes do not have.

    fields   of the backbone, with its out_indices
    strides  of the returned maps, vertical and horizontal
    """
    if any(after != (2 * before[0], 2 * before[1]) for before, after in pairwise(strides)):
        raise fields.invalid("out_indices", "maps that each have half the height and width of the one before")
    if any(SIZE_DIVISOR % stride for stride in strides[-1]):
        raise fields.invalid(
            "out_indices",
            f"maps whose strides divide {SIZE_DIVISOR}, as the sizes of images are multiples of it; the last map has "
            f"{' x '.join(map(str, strides[-1]))}",
        )


def fixed_size_preprocessor() -> dict[str, Any]:
    """preprocessor_config.json of every published D-FINE and RT-DETR."""
    return {
        "image_processor_type": "RTDetrImageProcessor",
        "do_resize": True,
        "size": {"height": 640, "width": 640},
        "resample": 2,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": False,
        "do_pad": False,
    }
