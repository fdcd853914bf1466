"""What a file of D-FINE-seg (ArgoHA/D-FINE-seg) tells besides D-FINE's network: preprocessing, and a mask head that is not read.

Its training writes {"model": weights, "meta": {label_to_name, img_size, keep_ratio, …}}; `hints.args` has the fields of meta.
"""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from detcli.errors import UnsupportedModelError

_MASK_HEAD = ("decoder.mask_decoder.", "decoder.mask_head.")
_SEMANTIC_HEAD = "decoder.classifier."
_GRAY = 114  # of the border of letterboxed images, in training and in inference


def refuse_semantic(tensors: Mapping[str, Tensor]) -> None:
    """Raise UnsupportedModelError for its semantic segmentation, which predicts no boxes."""
    if any(name.startswith(_MASK_HEAD) for name in tensors) and any(
        name.startswith(_SEMANTIC_HEAD) for name in tensors
    ):
        raise UnsupportedModelError(
            "the weights are a semantic segmentation of D-FINE-seg, which predicts no boxes; its detection models are supported"
        )


def without_mask_head(tensors: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Return the tensors of the detector, and a note if there is a mask head."""
    kept = {name: tensor for name, tensor in tensors.items() if not name.startswith(_MASK_HEAD)}
    if len(kept) == len(tensors):
        return kept, ()
    return kept, ("its mask head, of D-FINE-seg, is not supported and left out: the model detects boxes, not masks",)


def tells_preprocessing(args: Mapping[str, Any]) -> bool:
    """Whether the file says how images are resized."""
    return isinstance(args.get("keep_ratio"), bool)


def preprocessor(size_hw: tuple[int, int], args: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of preprocessor_config.json for an input size: stretched to it, or letterboxed if the file says so."""
    height, width = size_hw
    if args.get("keep_ratio") is not True:
        return {"size": {"height": height, "width": width}}
    return {
        "size": {"max_height": height, "max_width": width},
        "do_pad": True,
        "pad_size": {"height": height, "width": width},
        "pad_position": "center",
        "pad_value": _GRAY,
    }
