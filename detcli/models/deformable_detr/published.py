"""The published Deformable DETR models: their configurations, and the recipe that they were trained by."""

from collections.abc import Sequence
from typing import Any

from detcli.models.backbones.resnet import resnet_variant
from detcli.models.deformable_detr.config import DeformableDetrConfig, usual_maps
from detcli.models.detr_common.many_sizes import many_sizes_recipe
from detcli.models.family import TrainingStart

_VARIANTS: dict[str, dict[str, Any]] = {
    "": {},
    "single-scale": {"num_feature_levels": 1},
    "single-scale-dc5": {"num_feature_levels": 1},
    "with-box-refine": {"with_box_refine": True},
    "with-box-refine-two-stage": {"with_box_refine": True, "two_stage": True},
}


def published_config(variant: str, labels: Sequence[str]) -> DeformableDetrConfig:
    """One of the five published configurations, with these class names.

    variant  what follows `deformable-detr-` in its name, or ""

    Without dilation, config.json has all fields of the backbone, so that transformers reads it without timm. Dropout is as
    in the authors' code; transformers' own configurations leave some of it out.
    """
    if variant not in _VARIANTS:
        raise ValueError(f"deformable-detr-{variant} is not a published model")
    own = _VARIANTS[variant]
    levels = own.get("num_feature_levels", 4)
    return DeformableDetrConfig(
        labels=tuple(labels),
        backbone=resnet_variant("resnet50", usual_maps(levels), dilation=variant == "single-scale-dc5"),
        attention_dropout=0.1,
        activation_dropout=0.1,
        **own,
    )


def published_recipe(start: TrainingStart, *, masks: bool = False) -> dict[str, Any]:
    """The same from random and from trained weights: 50 epochs.

    Source: Deformable DETR (Zhu et al. 2020), section 5, and its main.py.
    """
    own = {"lr": 2e-4, "backbone_lr": 2e-5, "epochs": 50, "milestone_epochs": (40,), "batch": 32}
    return many_sizes_recipe(own, start, mask_head=masks)
