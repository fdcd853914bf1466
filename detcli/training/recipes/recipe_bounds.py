"""Bounds of the numbers of a recipe."""

from collections.abc import Mapping
from types import MappingProxyType

# Smallest and largest value of each number, both allowed.
BOUNDS: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        "epochs": (1, 1_000_000),
        "batch": (1, 1_000_000),
        "base_batch": (1, 1_000_000),
        "accumulate": (1, 1_000_000),
        "lr": (0, 1e3),
        "backbone_lr": (0, 1e3),
        "weight_decay": (0, 1e3),
        "betas": (0, 1 - 1e-12),
        "clip": (0, 1e12),
        "warmup_steps": (0, 1_000_000_000),
        "milestone_epochs": (0, 1_000_000),
        "gamma": (0, 1),
        "flat_fraction": (0, 1),
        "final_factor": (0, 1),
        "ema_decay": (0, 1),
        "ema_warmup_steps": (0, 1_000_000_000),
        "ema_restart_decay": (0, 1),
        "stop_augmentation_epoch": (0, 1_000_000),
        "photometric": (0, 1),
        "flip": (0, 1),
        "shortest_edges": (1, 16384),
        "longest_edge": (1, 16384),
        "random_crop": (0, 1),
        "crop_edges": (1, 16384),
        "crop_sides": (1, 16384),
        "zoom_out": (0, 1),
        "iou_crop": (0, 1),
        "mosaic": (0, 1),
        "image_size": (1, 16384),
        "multi_scale_repeat": (0, 1000),
        "images_per_epoch": (0, 1_000_000_000),
        "max_failed_fraction": (0, 1),
        "seed": (0, 2**63 - 1),
        "evaluate_every_epochs": (1, 1_000_000),
        "save_every_s": (0, 1e9),
        "log_every_steps": (1, 1_000_000_000),
        "patience": (0, 1_000_000),
        "max_skipped_steps": (0, 1_000_000),
    }
)
