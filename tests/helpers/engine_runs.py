"""Requests of small runs, and an observer that records."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from detcli.engine.observer import LoadedModel, Observer, OpenedVideo, RunStart
from detcli.engine.outputs.output_plan import OutputPlan
from detcli.engine.requests.run_request import (
    ComputeSettings,
    DetectionSettings,
    FailurePolicy,
    ImageInputSettings,
    ImageRequest,
    ModelSettings,
    OutputSettings,
    VideoInputSettings,
    VideoRequest,
)
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame
from detcli.structures.stop_signal import StopSignal


def image_request(model: Path, *sources: str, strict: bool = False, batch_size: int = 1, **output: Any) -> ImageRequest:
    """A run over images with a tiny model on the CPU: two boxes per image."""
    return ImageRequest(
        input=ImageInputSettings(sources=sources or ("in",)),
        model=ModelSettings(model=str(model)),
        detection=DetectionSettings(threshold=0.01, max_detections=2),
        compute=ComputeSettings(device="cpu", batch_size=batch_size, workers=2),
        output=OutputSettings(**output),
        failures=FailurePolicy(strict=strict),
    )


def video_request(model: Path, *sources: str, **others: Any) -> VideoRequest:
    """A run over videos with a tiny model on the CPU: two boxes per frame."""
    names = ("outputs", "save_images", "if_exists", "resume")
    output = {name: others.pop(name) for name in names if name in others}
    return VideoRequest(
        input=VideoInputSettings(sources=sources or ("in.mp4",)),
        model=ModelSettings(model=str(model)),
        detection=DetectionSettings(threshold=0.01, max_detections=2),
        compute=ComputeSettings(device="cpu", batch_size=1, workers=2),
        output=OutputSettings(**output),
        **others,
    )


@dataclass
class RecordingObserver(Observer):
    """Records the events of a run by name, and what came with them."""

    events: list[tuple[str, Any]] = field(default_factory=list)

    @property
    def names(self) -> list[str]:
        """The events in order, several of one kind in a row as one."""
        names: list[str] = []
        for name, _ in self.events:
            if names[-1:] != [name]:
                names.append(name)
        return names

    def of(self, name: str) -> list[Any]:
        """What came with the events of one name."""
        return [value for event, value in self.events if event == name]

    def on_plan(self, plan: OutputPlan) -> None:
        self.events.append(("plan", plan))

    def on_skipped_output(self, path: Path) -> None:
        self.events.append(("skipped", path))

    def on_videos_opened(self, videos: Any) -> None:
        self.events.append(("videos", videos))

    def on_no_video_opened(self, videos: Any) -> None:
        self.events.append(("no video", videos))

    def on_download_start(self, total: int | None, description: str) -> None:
        self.events.append(("download", total))

    def on_download_progress(self, count: int) -> None:
        self.events.append(("progress", count))

    def on_download_end(self) -> None:
        self.events.append(("downloaded", None))

    def on_model_load(self, compute: ComputeSettings) -> None:
        self.events.append(("load", compute))

    def on_model_loaded(self, model: LoadedModel) -> None:
        self.events.append(("loaded", model))

    def on_start(self, start: RunStart) -> None:
        self.events.append(("start", start))

    def on_result(self, frame: Frame | FailedFrame, detections: Detections | FailedFrame) -> None:
        self.events.append(("result", detections))

    def on_end(self) -> None:
        self.events.append(("end", None))

    def on_empty_video(self, video: OpenedVideo) -> None:
        self.events.append(("empty video", video))

    def on_warning(self, message: str) -> None:
        self.events.append(("warning", message))


class StopAfter(Observer):
    """Asks the run to stop after the n-th result."""

    def __init__(self, count: int, stop: StopSignal) -> None:
        self.left, self.stop = count, stop

    def on_result(self, frame: Frame | FailedFrame, detections: Detections | FailedFrame) -> None:
        self.left -= 1
        if not self.left:
            self.stop.set("SIGTERM")
