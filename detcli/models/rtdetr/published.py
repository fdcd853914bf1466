"""The published RT-DETR and RT-DETRv2 models: their configurations, and the recipes that they were trained by."""

from collections.abc import Sequence
from typing import Any, Literal, cast, get_args

from detcli.models.backbones.resnet import resnet_variant
from detcli.models.family import TrainingStart
from detcli.models.rtdetr.config import USUAL_MAPS, RtDetrConfig, Version

Size = Literal["r18vd", "r34vd", "r50vd-m", "r50vd", "r101vd"]

# Source: the configurations of lyuwenyu/RT-DETR, which transformers' conversion agrees with. The published files of
# r50vd-m have six decoder layers, of which the third predicts.
_SIZES: dict[Size, dict[str, Any]] = {
    "r18vd": {"hidden_expansion": 0.5, "decoder_layers": 3},
    "r34vd": {"hidden_expansion": 0.5, "decoder_layers": 4},
    "r50vd-m": {"hidden_expansion": 0.5, "decoder_layers": 3},
    "r50vd": {},
    "r101vd": {"encoder_hidden_dim": 384, "encoder_ffn_dim": 2048},
}
_BACKBONES: dict[Size, str] = {
    "r18vd": "resnet18",
    "r34vd": "resnet34",
    "r50vd-m": "resnet50",
    "r50vd": "resnet50",
    "r101vd": "resnet101",
}
_SMALL = ("r18vd", "r34vd")  # their backbones' norms learn
# Models of other authors, and the published size that each of them has.
_OTHERS: dict[str, tuple[Version, Size]] = {
    "docling-layout-heron": (2, "r50vd"),
    "docling-layout-heron-101": (2, "r101vd"),
}


def published_config(variant: str, labels: Sequence[str]) -> RtDetrConfig:
    """One of the published configurations, with these class names.

    variant  begins with the version, unless that is 1, and the size: "r18vd", "v2-r50vd", "r101vd-coco-o365", say; or the
             name of another author's model
    """
    if variant in _OTHERS:
        version, size = _OTHERS[variant]
    else:
        version = 2 if variant.startswith("v2-") else 1
        size = _size_in(variant.removeprefix("v2-").removesuffix("-coco-o365"), variant)
    return sized_config(version, size, labels)


def sized_config(version: Version, size: Size, labels: Sequence[str]) -> RtDetrConfig:
    """The configuration of a version and size."""
    backbone = resnet_variant(_BACKBONES[size], USUAL_MAPS, variant_d=True, frozen=size not in _SMALL)
    return RtDetrConfig(version=version, labels=tuple(labels), backbone=backbone, **_SIZES[size])


def size_of(config: RtDetrConfig) -> Size | None:
    """The published size with the same backbone, widths and layers; None if there is none."""
    for size in get_args(Size):
        like = sized_config(config.version, size, config.labels)
        same = ("encoder_hidden_dim", "hidden_expansion", "d_model", "decoder_layers")
        if all(getattr(like, name) == getattr(config, name) for name in same) and (
            like.backbone.depths,
            like.backbone.layer_type,
        ) == (config.backbone.depths, config.backbone.layer_type):
            return cast("Size", size)
    return None


def _size_in(name: str, variant: str) -> Size:
    if name not in get_args(Size):
        raise ValueError(f"rtdetr-{variant} is not a published model")
    return cast("Size", name)


# Learning rate of the backbone, epochs, epoch in which augmentation stops (0: never), and how often the middle size is
# among the sizes of multi-scale training (0: one size); a backbone trained on ImageNet. All others are equal.
# Source: the configurations rtdetr_*_6x_coco of rtdetr_pytorch, and rtdetrv2_*_coco of rtdetrv2_pytorch.
_Row = tuple[float, int, int, int]
_ROWS: dict[tuple[Version, Size], _Row] = {
    (1, "r18vd"): (1e-5, 72, 0, 3),
    (1, "r34vd"): (1e-5, 72, 0, 3),
    (1, "r50vd-m"): (1e-5, 72, 0, 3),
    (1, "r50vd"): (1e-5, 72, 0, 3),
    (1, "r101vd"): (1e-6, 72, 0, 3),
    (2, "r18vd"): (1e-4, 120, 117, 0),
    (2, "r34vd"): (5e-5, 120, 117, 3),
    (2, "r50vd-m"): (1e-5, 84, 81, 3),
    (2, "r50vd"): (1e-5, 72, 71, 3),
    (2, "r101vd"): (1e-6, 72, 71, 3),
}
_SHARED = {
    "lr": 1e-4,
    "weight_decay": 1e-4,
    "batch": 16,
    "base_batch": 16,
    "clip": 0.1,
    "ema_decay": 0.9999,
    "ema_warmup_steps": 2000,
    "ema_restart_decay": 0.9999,
    "photometric": 0.5,
    "zoom_out": 0.5,
    "iou_crop": 0.8,
    "flip": 0.5,
}


def published_recipe(config: RtDetrConfig, start: TrainingStart) -> dict[str, Any]:
    """The recipe for the version and size of a configuration, r18vd's for other sizes.

    The same for trained weights: that is how the repository tunes them.
    """
    size = size_of(config) or "r18vd"
    backbone_lr, epochs, stop, repeat = _ROWS[config.version, size]
    frozen = size not in _SMALL and start != "scratch"
    return {
        **_SHARED,
        "backbone_lr": _SHARED["lr"] if start == "scratch" else backbone_lr,
        "epochs": epochs,
        "stop_augmentation_epoch": stop,
        "multi_scale_repeat": repeat,
        "warmup_steps": 2000 if config.version == 2 else 0,
        "frozen": ("backbone.stem.",) if frozen else (),
        "network": {"freeze_backbone_batch_norms": frozen},
    }
