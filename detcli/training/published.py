"""The published recipes of D-FINE's sizes, as plain numbers.

Source: the D-FINE repository's configurations (dfine_hgnetv2_*_coco, *_custom and *_obj2custom).
"""

from collections.abc import Mapping
from typing import Any, Literal

Size = Literal["n", "s", "m", "l", "x"]
Kind = Literal["scratch", "custom", "objects365"]

# Kind: from random weights, as published for a backbone of ImageNet; from weights of COCO; from weights that have seen
# Objects365.
# A row: lr, of the backbone, weight decay, epochs, epoch at which augmentation stops, pictures a step, how often the
# middle size stands among the sizes a batch may have (0: one size), decay of the average from that epoch on.
_Row = tuple[float, float, float, int, int, int, int, float]
_ROWS: dict[tuple[Kind, Size], _Row] = {
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


def published_numbers(size: Size, kind: Kind) -> Mapping[str, Any]:
    """Fields of the recipe that are not the same for all sizes.

    n, which has seen no Objects365, has there those for weights of COCO. From random weights, the backbone learns at
    the full rate and nothing of it is frozen.
    """
    row = _ROWS.get((kind, size)) or _ROWS["custom", size]
    numbers: dict[str, Any] = dict(zip(_FIELDS, row, strict=True))
    numbers["base_batch"] = numbers["batch"]
    if kind == "objects365" and (kind, size) in _ROWS:
        numbers |= {"warmup_steps": 0, "ema_warmup_steps": 0}
    if kind == "scratch":  # the published backbones come from ImageNet, and learn at a fraction; ours know nothing
        numbers["backbone_lr"] = numbers["lr"]
    # n, s and m learn their backbone's norms; l and x keep those, and the stem, as they were on ImageNet.
    frozen = size in ("l", "x") and kind != "scratch"
    numbers["frozen"] = ("backbone.stem.",) if frozen else ()
    numbers["network"] = {"freeze_backbone_batch_norms": frozen}
    return numbers
