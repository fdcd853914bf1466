"""What a run is asked for, as checked records: of images, and of videos.

A wrong type is a TypeError, a wrong value a UsageError (a ValueError); both name the argument. Sequences and paths may
be given in any usual form: they are stored as tuples and `Path`.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from detcli.argument_checks import check_flag
from detcli.counting.count_settings import CountSettings
from detcli.engine.requests.cluster_settings import ClusterSettings
from detcli.engine.requests.count_rules import check_image_counting, check_video_counting
from detcli.engine.requests.input_settings import ImageInputSettings, VideoInputSettings
from detcli.engine.requests.record_fields import optional_path, store
from detcli.engine.requests.run_settings import ComputeSettings, DetectionSettings, ModelSettings, OutputSettings
from detcli.engine.requests.shard_outputs import outputs_of_shard, path_of_shard
from detcli.errors import UsageError
from detcli.inference.segmentation.segmentation_settings import SegmentationSettings
from detcli.pipeline.failure_policy import FailurePolicy
from detcli.visualization.drawing_style import DrawingStyle

__all__ = [
    "ClusterSettings",
    "ComputeSettings",
    "CountSettings",
    "DetectionSettings",
    "DrawingStyle",
    "FailurePolicy",
    "ImageInputSettings",
    "ImageRequest",
    "ModelSettings",
    "OutputSettings",
    "RunRequest",
    "SegmentationSettings",
    "VideoInputSettings",
    "VideoRequest",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """What a run of every kind is asked for.

    segmentation  which segments are made; None: boxes. `DetectionSettings` decides about classes and their number
    counting      lines and zones; `OutputSettings` says where counts go
    cluster       where the run is computed; None: in this process
    """

    model: ModelSettings = field(default_factory=ModelSettings)
    detection: DetectionSettings = field(default_factory=DetectionSettings)
    compute: ComputeSettings = field(default_factory=ComputeSettings)
    output: OutputSettings = field(default_factory=OutputSettings)
    failures: FailurePolicy = field(default_factory=FailurePolicy)
    segmentation: SegmentationSettings | None = None
    counting: CountSettings = field(default_factory=CountSettings)
    cluster: ClusterSettings | None = None

    @property
    def counts(self) -> bool:
        """Whether something is counted."""
        return bool(self.counting.regions) or self.output.counts is not None

    @property
    def task(self) -> Literal["panoptic", "instance", "semantic"] | None:
        """The segmentation task; None: boxes."""
        return None if self.segmentation is None else self.segmentation.task

    @property
    def tracks(self) -> bool:
        """Whether detections get track ids."""
        return False

    @property
    def keeps_weak_boxes(self) -> bool:
        """Whether results have boxes of tracks that are not above the threshold."""
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRequest(RunRequest):
    """A run over images; `{shard}` in its outputs is the number of the shard."""

    input: ImageInputSettings

    def __post_init__(self) -> None:
        store(self, output=outputs_of_shard(self.output, self.input.shard))
        check_image_counting(self.counting, self.output)


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoRequest(RunRequest):
    """A run over videos, cameras and streams; `{shard}` in its outputs is the number of the shard.

    track       detections get track ids: the same number for the same object in every frame
    weak_boxes  results also have the boxes of tracks that are not above the threshold
    save_video  annotated video; a folder, or a name with {name} in it, for several sources
    show        show the frames in a window
    """

    input: VideoInputSettings
    track: bool = False
    weak_boxes: bool = False
    save_video: Path | None = None
    show: bool = False

    def __post_init__(self) -> None:
        check_flag("track", self.track)
        check_flag("weak_boxes", self.weak_boxes)
        if self.weak_boxes and not self.track:
            raise UsageError("`weak_boxes` needs `track`: without it there are no weak boxes")
        check_flag("show", self.show)
        check_video_counting(self.counting, self.output, track=self.track)
        save_video = optional_path("save_video", self.save_video)
        store(
            self,
            output=outputs_of_shard(self.output, self.input.shard),
            save_video=path_of_shard(save_video, self.input.shard),
        )
        if self.segmentation is not None:
            raise UsageError("segmentation of videos is not supported")
        if self.output.select is not None:
            raise UsageError("`select` is for images; `filter_results` selects frames of stored results")
        self.compute.check_one_device("for many videos, start one run for each device")

    @property
    def tracks(self) -> bool:
        """Whether detections get track ids."""
        return self.track

    @property
    def keeps_weak_boxes(self) -> bool:
        """Whether results have boxes of tracks that are not above the threshold."""
        return self.weak_boxes
