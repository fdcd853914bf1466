"""The published recipes of all families, as plain numbers.

Sources: the D-FINE repository's configurations (dfine_hgnetv2_*_coco, *_custom and *_obj2custom); DETR (Carion et al.
2020), section 4, and its repository's README and main.py; Deformable DETR (Zhu et al. 2021), section 5, and its main.py.
"""

from collections.abc import Mapping
from typing import Any, Literal, get_args

from detcli.models.family import Family

# From random weights; from learned ones; from those of D-FINE that have seen Objects365.
Kind = Literal["scratch", "custom", "objects365"]

_Size = Literal["n", "s", "m", "l", "x"]

# D-FINE. From random weights, as published for a backbone of ImageNet; from weights of COCO; from weights that have
# seen Objects365.
# A row: lr, of the backbone, weight decay, epochs, epoch at which augmentation stops, images a step, how often the
# middle size stands among the sizes a batch may have (0: one size), decay of the average from that epoch on.
_Row = tuple[float, float, float, int, int, int, int, float]
_ROWS: dict[tuple[Kind, _Size], _Row] = {
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
# Of D-FINE's configuration: what tells its sizes apart.
_SHAPE = ("encoder_hidden_dim", "d_model", "decoder_layers", "num_feature_levels", "hidden_expansion", "depth_mult")

# Of DETR's and Deformable DETR's backbone, what keeps what ImageNet taught it: the stem and the first stage of a ResNet,
# ours or timm's.
_KEPT = ("backbone.stem.", "backbone.stages.0.", "backbone.model.conv1.", "backbone.model.layer1.")

# What DETR and Deformable DETR have in common: images of many sizes, a step in the rates, no average of the weights.
_OF_MANY_SIZES: Mapping[str, Any] = {
    "weight_decay": 1e-4,
    "clip": 0.1,
    "warmup_steps": 0,
    "schedule": "step",
    "gamma": 0.1,
    "ema_decay": 0.0,
    "ema_warmup_steps": 0,
    "ema_restart_decay": 0.0,
    "stop_augmentation_epoch": 0,
    "photometric": 0.0,
    "flip": 0.5,
    "shortest_edges": tuple(range(480, 801, 32)),
    "longest_edge": 1333,
    "random_crop": 0.5,
    "crop_edges": (400, 500, 600),
    "crop_sides": (384, 600),
    "zoom_out": 0.0,
    "iou_crop": 0.0,
    "multi_scale_repeat": 0,
}


def published_numbers(family: Family, config: Any, kind: Kind, *, masks: bool = False) -> Mapping[str, Any]:
    """Fields of the recipe that are not as a Recipe's defaults are.

    config  the family's record
    masks   a network that finds boxes learns masks

    From random weights, the backbone learns at the full rate and nothing of it is frozen: the published backbones come
    from ImageNet, and learn at a fraction; ours know nothing.

    Raises ValueError for a family that is not in this room: none learns by another's recipe.
    """
    if family.name == "dfine":
        return _dfine(_size_of(family, config), kind)
    if family.name not in ("detr", "deformable_detr"):
        raise ValueError(f"there is no published recipe of the family '{family.name}'")
    own = _detr(kind) if family.name == "detr" else _deformable_detr()
    numbers: dict[str, Any] = {**_OF_MANY_SIZES, **own, "frozen": () if kind == "scratch" else _KEPT}
    if masks and not family.segments(config):
        numbers |= {"mask_head": True} if kind == "scratch" else _MASK_HEAD
    if kind == "scratch":
        numbers["backbone_lr"] = numbers["lr"]
    return {**numbers, "base_batch": numbers["batch"]}


def _detr(kind: Kind) -> dict[str, Any]:
    """From random weights: 300 epochs of 64 images a step, as in the paper's comparisons (the released weights: 500).

    From learned ones nothing is published: a tenth to a third as long is what is usual, with the drop where Deformable
    DETR has it, and 16 images a step, as the repository's own command has for one machine, at the same rates.
    """
    rates = {"lr": 1e-4, "backbone_lr": 1e-5}
    if kind == "scratch":
        return {**rates, "epochs": 300, "milestones_epochs": (200,), "batch": 64}
    return {**rates, "epochs": 50, "milestones_epochs": (40,), "batch": 16}


# A mask head for a trained detector, which stays as it is.
_MASK_HEAD: Mapping[str, Any] = {
    "epochs": 25,
    "milestones_epochs": (15,),
    "mask_head": True,
    "frozen": (
        "backbone.",
        "input_projection.",
        "positions.",
        "query_positions.",
        "encoder.",
        "decoder.",
        "class_head.",
        "box_head.",
    ),
}


def _deformable_detr() -> dict[str, Any]:
    """The same from random and from learned weights: 50 epochs."""
    return {"lr": 2e-4, "backbone_lr": 2e-5, "epochs": 50, "milestones_epochs": (40,), "batch": 32}


def _dfine(size: _Size, kind: Kind) -> dict[str, Any]:
    """D-FINE's; n, which has seen no Objects365, has there those for weights of COCO."""
    row = _ROWS.get((kind, size)) or _ROWS["custom", size]
    numbers: dict[str, Any] = dict(zip(_FIELDS, row, strict=True))
    numbers["base_batch"] = numbers["batch"]
    if kind == "objects365" and (kind, size) in _ROWS:
        numbers |= {"warmup_steps": 0, "ema_warmup_steps": 0}
    if kind == "scratch":
        numbers["backbone_lr"] = numbers["lr"]
    # n, s and m learn their backbone's norms; l and x keep those, and the stem, as they were on ImageNet.
    frozen = size in ("l", "x") and kind != "scratch"
    numbers["frozen"] = ("backbone.stem.",) if frozen else ()
    numbers["network"] = {"freeze_backbone_batch_norms": frozen}
    return numbers


def _size_of(family: Family, config: Any) -> _Size:
    """The published size whose widths and layers these are; s where there is none."""
    for size in get_args(_Size):
        like = family.published(size, config.labels)
        if all(getattr(like, name) == getattr(config, name) for name in _SHAPE) and like.backbone.stages == (
            config.backbone.stages
        ):
            found: _Size = size
            return found
    return "s"
