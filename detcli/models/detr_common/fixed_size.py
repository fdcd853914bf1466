"""What D-FINE and RT-DETR share: image preprocessing for images of one size."""

from typing import Any


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
