"""Bounds of the numbers of a recipe."""

from collections.abc import Mapping
from types import MappingProxyType

# Probabilities of augmentation; without them, images are only resized.
AUGMENTATIONS = (
    *(
        "photometric",
        "flip",
        "vertical_flip",
        "quarter_turn",
        "rotation",
        "random_crop",
        "zoom_out",
        "iou_crop",
        "mosaic",
    ),
    *("copy_paste", "mixup", "hue", "random_gamma", "blur", "noise", "jpeg"),
)

# Smallest and largest value of each number, both allowed.
BOUNDS: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        **dict.fromkeys(AUGMENTATIONS, (0, 1)),
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
        "max_rotation": (0, 180),
        "shortest_edges": (1, 16384),
        "longest_edge": (1, 16384),
        "crop_edges": (1, 16384),
        "crop_sides": (1, 16384),
        "hue_shift": (0, 0.5),
        "gamma_range": (0.1, 10),
        "blur_sigma": (0, 100),
        "noise_sigma": (0, 255),
        "jpeg_quality": (1, 100),
        "image_size": (1, 16384),
        "multi_scale_repeat": (0, 1000),
        "images_per_epoch": (0, 100_000_000),
        "repeat_threshold": (0, 1),
        "max_empty_fraction": (0, 1),
        "class_weights": (0.001, 1000),
        "teacher_weight": (0, 1000),
        "max_failed_fraction": (0, 1),
        "seed": (0, 2**63 - 1),
        "evaluate_every_epochs": (1, 1_000_000),
        "save_every_s": (0, 1e9),
        "log_every_steps": (1, 1_000_000_000),
        "patience": (0, 1_000_000),
        "max_skipped_steps": (0, 1_000_000),
    }
)
