"""Fields of preprocessor_config.json that change pixels in a way that detcli does not support, and fields that it does not read."""

from collections.abc import Collection, Mapping
from typing import Any

from detcli.errors import UnsupportedModelError
from detcli.inference.preprocessing.letterbox import POSITION, VALUE, is_letterboxed
from detcli.inference.preprocessing.resize_rules import short

# Processors of transformers that make pixels as detcli does. Suffixes name the implementation: Fast, Pil.
_KINDS = {
    "RTDetrImageProcessor": "RTDetrImageProcessor",
    "DetrImageProcessor": "DetrImageProcessor",
    "DeformableDetrImageProcessor": "DeformableDetrImageProcessor",
    "ConditionalDetrImageProcessor": "DetrImageProcessor",
}
_READ = {
    *("image_processor_type", "feature_extractor_type", "size", "max_size", "resample", "rescale_factor", "image_mean"),
    *("image_std", "pad_size", "pad_and_return_pixel_mask", "do_resize", "do_rescale", "do_normalize", "do_pad"),
}
# They describe annotations, the arrays that are given or returned, or the program that wrote the file.
_WITHOUT_EFFECT = {
    *("format", "processor_class", "_processor_class", "input_data_format", "return_tensors", "device", "backend"),
    *("disable_grouping", "do_convert_rgb", "do_convert_annotations", "do_reduce_labels", "reduce_labels", "crop_size"),
    *("image_seq_length", "model_input_names", "transformers_version", "num_labels", "masks_path", "_name_or_path"),
    *("return_segmentation_masks", "default_to_square", "data_format"),
}
_FLAGS = ("do_resize", "do_rescale", "do_normalize", "do_pad")
_KEEPS_RATIO = {
    "keep_ratio",
    "keep_aspect_ratio",
    "preserve_aspect_ratio",
    "maintain_aspect_ratio",
    "letterbox",
    "do_letterbox",
}
_MODES = {
    "image_mode",
    "mode",
    "color_mode",
    "color_space",
    "color_order",
    "channel_order",
    "channels_order",
    "channel_format",
}
_NEUTRAL: dict[str, tuple[Any, ...]] = {
    **dict.fromkeys(_MODES, ("rgb",)),
    **dict.fromkeys(("num_channels", "in_channels", "channels"), (3, "rgb")),
    **dict.fromkeys(("pad_mode", "padding_mode"), ("constant", "zeros", "zero")),
    **dict.fromkeys(
        ("pad_value", "padding_value", "pad_val", "fill", "fill_value", "constant_values", "padding_color"), (0,)
    ),
    **dict.fromkeys(
        ("pad_position", "padding_position", "pad_side", "padding_side"), ("bottom_right", "bottom-right", "right")
    ),
    "data_format": ("channels_first", "first"),
}
# Words in the names of fields that change pixels as soon as they are on.
_CHANGING_WORDS = (
    "crop",
    "bgr",
    "gray",
    "grey",
    "flip",
    "swap",
    "letterbox",
    "offset",
    "invert",
    "equalize",
    "thumbnail",
)


def kind_of(config: Mapping[str, Any], own_kind: str) -> str | None:
    """Return the kind of image processor that the file is of; None if it does not say.

    own_kind  of the family, always accepted

    Raises UnsupportedModelError for a processor that makes other pixels, or an unknown one.
    """
    given = config.get("image_processor_type", config.get("feature_extractor_type"))
    if given is None:
        return None
    name = given if isinstance(given, str) else ""
    plain = name.replace("FeatureExtractor", "ImageProcessor").removesuffix("Fast").removesuffix("Pil")
    if name == own_kind or plain == own_kind:
        return own_kind
    if plain not in _KINDS:
        known = ", ".join(_KINDS)
        raise UnsupportedModelError(
            f"image_processor_type is {short(given)}, which may prepare images in another way; supported are {known}"
        )
    return _KINDS[plain]


def check_fields(config: Mapping[str, Any], known: Collection[str] = ()) -> tuple[str, ...]:
    """Return the names of set fields that detcli does not read, sorted.

    known  other fields that the family reads

    Raises UnsupportedModelError with the field for a value that changes pixels in a way that is not supported.
    """
    for name in _FLAGS:
        if name in config and config[name] is not None and not isinstance(config[name], bool):
            raise UnsupportedModelError(f"{name} is {short(config[name])}, neither true nor false")
    unread = []
    for name, value in config.items():
        if not value or name in _READ:
            continue
        _check_field(name, value, config)
        if name not in _WITHOUT_EFFECT and name not in _NEUTRAL and name not in known and name not in _KEEPS_RATIO:
            unread.append(name)
    return tuple(sorted(unread))


def is_padded(config: Mapping[str, Any]) -> bool:
    """Whether images keep their aspect ratio and are padded to one size."""
    return config.get("do_pad") is True and config.get("pad_size") is not None and not _is_stretched(config.get("size"))


def _check_field(name: str, value: Any, config: Mapping[str, Any]) -> None:
    """Raise UnsupportedModelError if a set field changes pixels."""
    if name in (POSITION, VALUE) and is_letterboxed(config):
        return  # read_letterbox checks them
    if name in _NEUTRAL:
        plain = value.casefold() if isinstance(value, str) else value
        values = plain if isinstance(plain, list) and plain else [plain]
        if not all(each in _NEUTRAL[name] and not isinstance(each, bool) for each in values):
            raise UnsupportedModelError(
                f"{name} is {short(value)}, which is not supported: pixels are RGB, channels first, padded with 0 at the "
                "bottom and the right"
            )
    elif name in _KEEPS_RATIO:
        if _is_stretched(config.get("size")):
            raise UnsupportedModelError(
                f"{name} is {short(value)}, but size has a height and a width, to which images are stretched; an image that "
                "keeps its aspect ratio has a size of max_height and max_width, and a pad_size"
            )
    elif name == "default_to_square":
        if isinstance(config.get("size"), int):
            raise UnsupportedModelError("size is one number with default_to_square; it must be a height and a width")
    elif name in _WITHOUT_EFFECT:
        return
    elif name.startswith("do_") or any(word in name.casefold() for word in _CHANGING_WORDS):
        raise UnsupportedModelError(f"{name} is {short(value)}, which changes the images and is not supported")


def _is_stretched(size: Any) -> bool:
    given = {key for key, value in size.items() if value is not None} if isinstance(size, Mapping) else set()
    return {"height", "width"} <= given or isinstance(size, list | tuple) or not given
