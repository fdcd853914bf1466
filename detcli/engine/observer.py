"""What a run reports while it runs; the command line prints it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from detcli.counting.run_counter import CountTotals
    from detcli.engine.outputs.output_plan import OutputPlan
    from detcli.engine.requests.run_request import ComputeSettings
    from detcli.errors import SourceError
    from detcli.io.naming import SkippedEntries
    from detcli.pipeline.statistics import RunStats
    from detcli.sources.video.video_source import VideoInfo
    from detcli.structures.class_labels import ClassLabels
    from detcli.structures.detections import Detections
    from detcli.structures.frame import FailedFrame, Frame


@dataclass(frozen=True, slots=True)
class OpenedVideo:
    """A video, camera or stream of a run.

    file   as messages and results show it
    info   what is known about it; None where it is not open
    error  why it cannot be read, or None
    live   frames that wait too long are dropped
    """

    file: str
    info: "VideoInfo | None"
    error: "SourceError | None"
    live: bool


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """The model of a run.

    folder          where its files are
    commit, sha256  of the Hub repository and of the weights file; None where they are not known
    runtime         that runs the network, such as torch
    batch_size      most images per batch
    threshold       scores are above it
    threshold_source  how it was found, if `eval` or `train` wrote it into the model folder and the run uses it; else empty
    class_thresholds  of classes that have another threshold
    nms             intersection over union above which boxes are duplicates; None: none is removed
    tile            side in pixels of the tiles into which larger images are cut; None: they are not
    """

    name: str
    folder: Path
    commit: str | None
    sha256: str | None
    runtime: str
    device: str
    precision: str
    batch_size: int
    threshold: float
    threshold_source: str = ""
    class_thresholds: Mapping[str, float] = field(default_factory=dict)
    nms: float | None = None
    tile: int | None = None


@dataclass(frozen=True, slots=True)
class DeviceShare:
    """What one of several devices has done in a run.

    device  such as "cuda:1" or "process 1 of cpu:2"
    images  that it processed, also those that failed
    """

    device: str
    images: int


@dataclass(frozen=True, slots=True)
class RunStart:
    """A run that starts now: everything is open, no image is read.

    plan    where results go
    labels  of the model
    stats   updated while the run runs
    done    results of the interrupted run that is resumed
    count   the number of images or frames, None where it is not known; may take a while, safe in any thread
    live    whether any source is live
    chunked   workers compute chunks of the input, and `on_chunk` tells the progress
    """

    plan: "OutputPlan"
    labels: "ClassLabels"
    stats: "RunStats"
    done: int
    count: Callable[[], int | None]
    live: bool = False
    chunked: bool = False


class Observer:
    """Gets the events of a run; each method does nothing here, a subclass takes what it needs.

    `on_result`, and `on_warning` while folders are watched, are called in a thread of the run, everything else in the thread
    that called it. What a method raises ends the run: its outputs are closed as those of a run that failed.
    """

    def on_plan(self, plan: "OutputPlan") -> None:
        """It is decided where results go."""

    def on_skipped_output(self, path: Path) -> None:
        """An output exists and stays as it is."""

    def on_videos_opened(self, videos: Sequence[OpenedVideo]) -> None:
        """The videos are open, or cannot be opened."""

    def on_no_video_opened(self, videos: Sequence[OpenedVideo]) -> None:
        """None of several videos can be opened; an error follows."""

    def on_download_start(self, total: int | None, description: str) -> None:
        """A download starts; `total` is its size in bytes, where that is known."""

    def on_download_progress(self, count: int) -> None:
        """So many more bytes are downloaded."""

    def on_download_end(self) -> None:
        """The download is over."""

    def on_cluster(self, message: str) -> None:
        """A cluster is started or joined next, or its workers are waited for; `message` says so."""

    def on_chunk(self, done: int, failed: int) -> None:
        """A worker has processed so many more images or frames, of which some failed; their results come later."""

    def on_model_load(self, compute: "ComputeSettings") -> None:
        """The model is loaded next: the time for changes of the whole process, which a run makes none of."""

    def on_preparation(self, message: str) -> None:
        """The model is prepared for another runtime next, which takes up to a minute, once; `message` says so."""

    def on_model_loaded(self, model: LoadedModel) -> None:
        """The model is on its device."""

    def on_start(self, start: RunStart) -> None:
        """The run starts."""

    def on_result(self, frame: "Frame | FailedFrame", detections: "Detections | FailedFrame") -> None:
        """A result is written; in input order. `detections` is a FailedFrame where the image failed."""

    def on_end(self) -> None:
        """The run is over, in whatever way, once for each `on_start`."""

    def on_counts(self, totals: "Sequence[CountTotals]") -> None:
        """What was counted at each line and in each zone of each video, once at the end."""

    def on_devices(self, devices: Sequence[DeviceShare]) -> None:
        """A run on several devices is over: what each of them has done."""

    def on_empty_video(self, video: OpenedVideo) -> None:
        """A video ended before its first frame was processed."""

    def on_skipped_entries(self, skipped: "SkippedEntries") -> None:
        """Entries of folders were skipped: files of other suffixes, or outputs of earlier runs."""

    def on_warning(self, message: str) -> None:
        """Something that the user should know."""
