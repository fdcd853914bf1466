"""What the commands that look for something are asked for, as typed records: of images, and of moving ones."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from detcli.io.outputs import IfExists


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectRequest:
    """What the command line, the environment and the settings files ask for; named as the options.

    Those after `dry_run` are of `segment` alone; a wish without a task is one for boxes.
    """

    sources: tuple[str, ...]
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

    @property
    def input(self) -> Mapping[str, Any]:
        """What decides which images are looked at, beside the names of the sources: it stands in the results."""
        return {}

    @property
    def tracks(self) -> bool:
        """Whether detections will have track ids."""
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRequest(DetectRequest):
    """What `detect` and `segment` are asked for."""

    no_recursive: bool
    ext: tuple[str, ...] | None
    exclude: tuple[str, ...]
    files_from: str | None
    null_separated: bool
    limit: int | None

    @property
    def input(self) -> Mapping[str, Any]:
        """Which images."""
        return {
            "files_from": self.files_from,
            "recursive": not self.no_recursive,
            "ext": self.ext,
            "exclude": self.exclude,
            "limit": self.limit,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoRequest(DetectRequest):
    """What `video` is asked for; `live` is None where the kind of source decides."""

    stride: int
    fps: float | None
    start: float
    duration: float | None
    max_frames: int | None
    live: bool | None
    camera_size: tuple[int, int] | None
    camera_rate: float | None
    no_reconnect: bool
    track: bool
    save_video: Path | None
    show: bool

    @property
    def input(self) -> Mapping[str, Any]:
        """Which frames."""
        names = ("stride", "fps", "start", "duration", "max_frames", "live", "camera_size", "camera_rate")
        return {name: getattr(self, name) for name in names} | {"track": self.track or None}

    @property
    def tracks(self) -> bool:
        """Where `--track` says so."""
        return self.track
