"""The published DETR models: their configurations, and the recipes that they were trained by."""

from collections.abc import Sequence
from typing import Any

from detcli.models.backbones.resnet import resnet_variant
from detcli.models.detr.config import USUAL_MAPS, DetrConfig
from detcli.models.detr_common.many_sizes import many_sizes_recipe
from detcli.models.family import TrainingStart


def published_config(variant: str, labels: Sequence[str]) -> DetrConfig:
    """One of the published configurations, with these class names.

    variant  what follows `detr-` in its name: "r101-dc5", say

    Without dilation, config.json has all fields of the backbone, so that transformers reads it without timm. Dropout is as
    in the authors' code; transformers' own configurations leave some of it out.
    Source: the DETR repository's hub file, and the configurations that transformers' conversion made of it.
    """
    size, *rest = variant.split("-")
    names = {"r50": "resnet50", "r101": "resnet101"}
    if size not in names or rest not in ([], ["dc5"], ["panoptic"], ["dc5", "panoptic"]):
        raise ValueError(f"detr-{variant} is not a published model")
    backbone = resnet_variant(names[size], USUAL_MAPS, dilation="dc5" in rest)
    return DetrConfig(
        labels=tuple(labels),
        backbone=backbone,
        has_masks="panoptic" in rest,
        attention_dropout=0.1,
        activation_dropout=0.1,
    )


def published_recipe(config: DetrConfig, start: TrainingStart, *, masks: bool = False) -> dict[str, Any]:
    """From random weights: 300 epochs with a batch size of 64, as in the paper's comparisons (released weights: 500).

    For trained weights nothing is published: a tenth to a third of the epochs is usual, with the step of Deformable DETR,
    and a batch size of 16, as in the repository's command for one machine, with the same rates.
    Source: DETR (Carion et al. 2020), section 4, and its repository's README and main.py.
    """
    own: dict[str, Any] = {"lr": 1e-4, "backbone_lr": 1e-5}
    if start == "scratch":
        own |= {"epochs": 300, "milestone_epochs": (200,), "batch": 64}
    else:
        own |= {"epochs": 50, "milestone_epochs": (40,), "batch": 16}
    return many_sizes_recipe(own, start, mask_head=masks and not config.has_masks)
