"""The published DETR models: their configurations, and the recipes that they were trained by."""

from collections.abc import Sequence
from typing import Any

from detcli.models.backbones.resnet import resnet_variant
from detcli.models.detr.config import USUAL_MAPS, DetrConfig
from detcli.models.detr_common.many_sizes import many_sizes_recipe
from detcli.models.family import TrainingStart


def published_config(variant: str, labels: Sequence[str]) -> DetrConfig:
    """One of the published configurations, for any labels: what follows `detr-` in its name, "r101-dc5" say.

    Without dilation the backbone is spelled out, so that transformers reads what is saved without timm. Dropout is
    everywhere where the authors' code has it; transformers' own configurations leave some of it out.
    Source: the DETR repository's hub file, and the configurations that transformers' conversion made of it.
    """
    size, *rest = variant.split("-")
    names = {"r50": "resnet50", "r101": "resnet101"}
    if size not in names or rest not in ([], ["dc5"], ["panoptic"], ["dc5", "panoptic"]):
        raise ValueError(f"there is no published detr-{variant}")
    backbone = resnet_variant(names[size], USUAL_MAPS, dilation="dc5" in rest)
    return DetrConfig(
        labels=tuple(labels),
        backbone=backbone,
        has_masks="panoptic" in rest,
        attention_dropout=0.1,
        activation_dropout=0.1,
    )


def published_recipe(config: DetrConfig, start: TrainingStart, *, masks: bool = False) -> dict[str, Any]:
    """From random weights: 300 epochs of 64 images a step, as in the paper's comparisons (the released weights: 500).

    From learned ones nothing is published: a tenth to a third as long is what is usual, with the drop where Deformable
    DETR has it, and 16 images a step, as the repository's own command has for one machine, at the same rates.
    """
    own: dict[str, Any] = {"lr": 1e-4, "backbone_lr": 1e-5}
    if start == "scratch":
        own |= {"epochs": 300, "milestone_epochs": (200,), "batch": 64}
    else:
        own |= {"epochs": 50, "milestone_epochs": (40,), "batch": 16}
    return many_sizes_recipe(own, start, mask_head=masks and not config.has_masks)
