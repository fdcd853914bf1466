"""What `detcli detect` and `detcli segment` are asked for, as one typed record."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from detcli.files.outputs import IfExists


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What the command line, the environment and the settings files ask for; named as the options.

    Those after `dry_run` are of `segment` alone; a wish without a task is one for boxes.
    """

    sources: tuple[str, ...]
    no_recursive: bool
    ext: tuple[str, ...] | None
    exclude: tuple[str, ...]
    files_from: str | None
    null_separated: bool
    limit: int | None
    max_pixels: int | None
    model: str
    revision: str | None
    offline: bool
    cache_dir: Path | None
    threshold: float | None
    max_det: int
    classes: tuple[str, ...] | None
    imgsz: tuple[int, int] | None
    device: str
    batch: int | None
    pad: bool
    precision: str
    compile: bool
    workers: int | None
    no_optimize: bool
    deterministic: bool
    outputs: tuple[str, ...]
    format_name: str | None
    header: bool
    csv_safe: bool
    gt: Path | None
    resume: bool
    if_exists: IfExists
    yes: bool
    save_images: Path | None
    save_crops: Path | None
    line_width: int | None
    hide_labels: bool
    hide_scores: bool
    font: Path | None
    strict: bool
    max_failures: int | None
    dry_run: bool
    task: Literal["panoptic", "instance", "semantic"] | None = None
    rule: Literal["original", "transformers"] = "original"
    mask_threshold: float = 0.5
    overlap_threshold: float = 0.8
    save_masks: Path | None = None
