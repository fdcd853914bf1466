"""The published D-FINE models: their configurations, and the recipes that they were trained by."""

from collections.abc import Sequence
from typing import Any, Literal, cast, get_args

from detcli.models.backbones.hgnetv2 import HGNetV2Config, StageConfig
from detcli.models.dfine.config import DFineConfig
from detcli.models.dfine.original.variants import activations_of
from detcli.models.family import TrainingStart

Size = Literal["n", "s", "m", "l", "x"]
_RELATIVES = ("deim-", "rtdetrv4-")  # the same sizes, with the activations of DEIM

# Per size: (hidden width of encoder, its FFN, of decoder, its FFN, levels, points, decoder layers, depth, expansion).
# Source: the D-FINE repository's configurations, which transformers' conversion agrees with.
_SIZES: dict[Size, dict[str, Any]] = {
    "n": {
        "encoder_hidden_dim": 128, "encoder_ffn_dim": 512, "d_model": 128, "decoder_ffn_dim": 512,
        "num_feature_levels": 2, "decoder_n_points": (6, 6), "decoder_layers": 3, "encode_proj_layers": (1,),
        "depth_mult": 0.5, "hidden_expansion": 0.34,
    },
    "s": {"decoder_layers": 3, "depth_mult": 0.34, "hidden_expansion": 0.5},
    "m": {"decoder_layers": 4, "depth_mult": 0.67},
    "l": {},
    "x": {"encoder_hidden_dim": 384, "encoder_ffn_dim": 2048, "reg_scale": 8.0},
}  # fmt: skip


def published_config(variant: str, labels: Sequence[str]) -> DFineConfig:
    """One of the published configurations, with these class names.

    variant  begins with the size: "s" or "s-obj2coco", say; after the name of a relative: "deim-s" or "rtdetrv4-s"
    """
    relative = variant.startswith(_RELATIVES)
    size = cast("Size", variant.split("-")[1 if relative else 0])
    backbone = published_backbone(size)
    points = (3, 6, 3)
    own = {"decoder_n_points": points, **_SIZES[size], **(activations_of("deim") if relative else {})}
    return DFineConfig(labels=tuple(labels), backbone=backbone, eval_idx=own.get("decoder_layers", 6) - 1, **own)


# Stem, then for each stage: inputs, middle, outputs, blocks, layers. Kernels, downsampling and light layers are the same in all.
# Source: the D-FINE repository (src/nn/backbone/hgnetv2.py); n and s have B0, m B2, l B4, x B5.
_VARIANTS: dict[str, tuple[tuple[int, int, int], tuple[tuple[int, int, int, int, int], ...]]] = {
    "B0": ((3, 16, 16), ((16, 16, 64, 1, 3), (64, 32, 256, 1, 3), (256, 64, 512, 2, 3), (512, 128, 1024, 1, 3))),
    "B2": ((3, 24, 32), ((32, 32, 96, 1, 4), (96, 64, 384, 1, 4), (384, 128, 768, 3, 4), (768, 256, 1536, 1, 4))),
    "B4": ((3, 32, 48), ((48, 48, 128, 1, 6), (128, 96, 512, 1, 6), (512, 192, 1024, 3, 6), (1024, 384, 2048, 1, 6))),
    "B5": ((3, 32, 64), ((64, 64, 128, 1, 6), (128, 128, 512, 2, 6), (512, 256, 1024, 5, 6), (1024, 512, 2048, 2, 6))),
}  # fmt: skip
_VARIANT_OF_SIZE: dict[Size, str] = {"n": "B0", "s": "B0", "m": "B2", "l": "B4", "x": "B5"}


def published_backbone(size: Size) -> HGNetV2Config:
    """The backbone of a published D-FINE."""
    stem, table = _VARIANTS[_VARIANT_OF_SIZE[size]]
    return HGNetV2Config(
        stem=stem,
        stages=tuple(
            StageConfig(*column, kernel=5 if i > 1 else 3, downsample=i > 0, light=i > 1)
            for i, column in enumerate(table)
        ),
        out_indices=(3, 4) if size == "n" else (2, 3, 4),
        affine=size in ("n", "s", "m"),
    )


# From random weights (as published for a backbone trained on ImageNet), from COCO weights, and from Objects365 weights.
# A row: learning rate, backbone's rate, weight decay, epochs, epoch in which augmentation stops, batch size, how often
# the middle size is among the sizes of multi-scale training (0: one size), decay of the average after that epoch.
# Source: the D-FINE repository's configurations (dfine_hgnetv2_*_coco, *_custom and *_obj2custom).
_Row = tuple[float, float, float, int, int, int, int, float]
_ROWS: dict[tuple[TrainingStart, Size], _Row] = {
    ("scratch", "n"): (8e-4, 4e-4, 1e-4, 160, 148, 128, 0, 0.9999),
    ("scratch", "s"): (2e-4, 1e-4, 1e-4, 132, 120, 32, 20, 0.9999),
    ("scratch", "m"): (2e-4, 2e-5, 1e-4, 132, 120, 32, 6, 0.9999),
    ("scratch", "l"): (2.5e-4, 1.25e-5, 1.25e-4, 80, 72, 32, 4, 0.9999),
    ("scratch", "x"): (2.5e-4, 2.5e-6, 1.25e-4, 80, 72, 32, 3, 0.9998),
    ("custom", "n"): (8e-4, 4e-4, 1e-4, 220, 200, 128, 0, 0.9999),
    ("custom", "s"): (4e-4, 2e-4, 1e-4, 220, 200, 64, 20, 0.9999),
    ("custom", "m"): (2.5e-4, 2.5e-5, 1.25e-4, 132, 120, 32, 6, 0.9999),
    ("custom", "l"): (2.5e-4, 1.25e-5, 1.25e-4, 80, 72, 32, 4, 0.9999),
    ("custom", "x"): (2.5e-4, 2.5e-6, 1.25e-4, 80, 72, 32, 3, 0.9998),
    ("objects365", "s"): (2.5e-4, 1.25e-4, 1.25e-4, 64, 56, 32, 10, 0.9999),
    ("objects365", "m"): (2.5e-4, 2.5e-5, 1.25e-4, 56, 48, 32, 6, 0.9999),
    ("objects365", "l"): (2.5e-4, 1.25e-5, 1.25e-4, 36, 30, 32, 4, 0.9999),
    ("objects365", "x"): (2.5e-4, 2.5e-6, 1.25e-4, 36, 30, 32, 3, 0.9998),
}
_FIELDS = (
    "lr",
    "backbone_lr",
    "weight_decay",
    "epochs",
    "stop_augmentation_epoch",
    "batch",
    "multi_scale_repeat",
    "ema_restart_decay",
)
# Fields in which the sizes differ.
_SHAPE = ("encoder_hidden_dim", "d_model", "decoder_layers", "num_feature_levels", "hidden_expansion", "depth_mult")


# Networks that are narrower than any published one, such as `shapes`; they take higher rates.
# Source: measured on photographs of blood cells, see docs/guides/your-own-data.md.
_NARROW: dict[str, Any] = {
    "lr": 1.4e-3,
    "backbone_lr": 1.4e-3,
    "lr_scaling": "square-root",
    "batch": 16,
    "base_batch": 16,
    "epochs": 120,
    "stop_augmentation_epoch": 0,
    "warmup_steps": 500,
    "schedule": "cosine",
    "ema_decay": 0.999,
    "ema_warmup_steps": 300,
    "network": {"freeze_backbone_batch_norms": False},
}
_NARROWEST_PUBLISHED = 128


def published_recipe(config: DFineConfig, start: TrainingStart) -> dict[str, Any]:
    """The recipe for the size of a configuration. Size n has no Objects365 weights and uses the recipe for COCO weights."""
    if config.d_model < _NARROWEST_PUBLISHED:
        return dict(_NARROW)
    size = _size_of(config)
    row = _ROWS.get((start, size)) or _ROWS["custom", size]
    fields: dict[str, Any] = dict(zip(_FIELDS, row, strict=True))
    fields["base_batch"] = fields["batch"]
    if start == "objects365" and (start, size) in _ROWS:
        fields |= {"warmup_steps": 0, "ema_warmup_steps": 0}
    if start == "scratch":
        fields["backbone_lr"] = fields["lr"]
    # n, s and m train the norms of their backbone; l and x freeze them and the stem, as trained on ImageNet.
    frozen = size in ("l", "x") and start != "scratch"
    fields["frozen"] = ("backbone.stem.",) if frozen else ()
    fields["network"] = {"freeze_backbone_batch_norms": frozen}
    return fields


def _size_of(config: DFineConfig) -> Size:
    """The published size with the same widths and layers; s if there is none."""
    for size in get_args(Size):
        like = published_config(size, config.labels)
        if all(getattr(like, name) == getattr(config, name) for name in _SHAPE) and like.backbone.stages == (
            config.backbone.stages
        ):
            found: Size = size
            return found
    return "s"
