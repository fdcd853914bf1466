"""What DETR and Deformable DETR share: image preprocessing and recipe for images of many sizes."""

from collections.abc import Mapping
from typing import Any

from detcli.models.family import TrainingStart


def many_sizes_preprocessor(image_processor_type: str) -> dict[str, Any]:
    """preprocessor_config.json of the published models, under the names of transformers since 4.26."""
    return {
        "image_processor_type": image_processor_type,
        "format": "coco_detection",
        "do_resize": True,
        "size": {"shortest_edge": 800, "longest_edge": 1333},
        "resample": 2,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": [0.485, 0.456, 0.406],
        "image_std": [0.229, 0.224, 0.225],
        "do_pad": True,
    }


# Images of many sizes, a step in the learning rates, no average of the weights.
_RECIPE: Mapping[str, Any] = {
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

# Stem and first stage of a ResNet, ours or timm's: they keep their ImageNet weights.
_FROZEN_STAGES = ("backbone.stem.", "backbone.stages.0.", "backbone.model.conv1.", "backbone.model.layer1.")

# A mask head for a trained detector, whose other parameters stay frozen.
_MASK_HEAD_RECIPE: Mapping[str, Any] = {
    "epochs": 25,
    "milestone_epochs": (15,),
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


def many_sizes_recipe(own: Mapping[str, Any], start: TrainingStart, *, mask_head: bool) -> dict[str, Any]:
    """The family's own fields with those that both families share.

    mask_head  add a mask head to a network without one
    """
    fields: dict[str, Any] = {**_RECIPE, **own, "frozen": () if start == "scratch" else _FROZEN_STAGES}
    if mask_head:
        fields |= {"mask_head": True} if start == "scratch" else _MASK_HEAD_RECIPE
    if start == "scratch":
        fields["backbone_lr"] = fields["lr"]
    return {**fields, "base_batch": fields["batch"]}
