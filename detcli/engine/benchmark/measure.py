"""How fast a run would be: its first images go through the detector, and nothing is written."""

import os
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from detcli.engine.observer import Observer
from detcli.engine.prepare import PreparedRun
from detcli.engine.requests.run_request import ImageRequest, RunRequest, VideoRequest
from detcli.structures.stop_signal import StopSignal

if TYPE_CHECKING:
    from detcli.inference.detector import Detector
    from detcli.sources.source import Source
    from detcli.structures.detections import Detections
    from detcli.structures.frame import FailedFrame, Frame

BUDGET_S = 3.0  # after the first image
MOST_IMAGES = 200
_SHORTEST_S = 0.5


@dataclass(frozen=True, slots=True)
class MeasuredSpeed:
    """The speed of reading and detecting.

    per_second  images or frames
    images      number of images it was measured on
    device      that they were processed on
    """

    per_second: float
    images: int
    device: str


def is_local(request: RunRequest) -> bool:
    """Whether the inputs of a request can be read without a network, and more than once."""
    if isinstance(request, VideoRequest):
        return all(os.path.isfile(source) or os.path.isdir(source) for source in request.input.sources)  # noqa: PTH112, PTH113
    if not isinstance(request, ImageRequest):
        return False
    files_from = request.input.files_from
    return not any(source == "-" or "://" in source for source in request.input.sources) and (
        files_from is None or os.path.isfile(files_from)  # noqa: PTH113 - '-' is standard input
    )


def measure_speed(prepared: PreparedRun, *, observer: Observer | None = None) -> MeasuredSpeed | None:
    """Detect in the first images or frames of a run for a few seconds; None where no image can be read.

    Downloads nothing. The frames of a video are taken from its source. Raises what loading the model raises.
    """
    from detcli.engine.inputs.open_images import open_images
    from detcli.engine.model_files.load_model import ending_processes, load_model

    request = prepared.request
    settings = request.model if not isinstance(request.model.model, str) else replace(request.model, offline=True)
    detector = load_model(
        settings, request.detection, request.compute, segmentation=request.segmentation, observer=observer
    )
    with ending_processes(detector):
        detector = detector.with_settings(batch_size=prepared.policy(detector.batch_size).batch_size)
        if isinstance(request, ImageRequest):
            return _measure(open_images(request, prepared.plan), detector, request)
        return _measure(prepared.listing, detector, request)


def _measure(source: "Source", detector: "Detector", request: RunRequest) -> MeasuredSpeed | None:
    """The speed after the first batch, which is slower than the others; of few images, that of all."""
    from detcli.pipeline.run import PipelineSettings
    from detcli.pipeline.run import run as run_pipeline

    stop, times = StopSignal(), [time.monotonic()]

    def on_result(frame: "Frame | FailedFrame", detections: "Detections | FailedFrame") -> None:
        times.append(time.monotonic())
        if len(times) > MOST_IMAGES or times[-1] - times[1] > BUDGET_S:
            stop.set()

    stats = run_pipeline(
        source, detector, (), PipelineSettings(workers=request.compute.workers), stop=stop, on_result=on_result
    )
    if not stats.images:
        return None
    images = len(times) - 1
    first = detector.batch_size if images > detector.batch_size else 0
    if times[-1] - times[first] < _SHORTEST_S:  # results of a batch come at once
        first = 0
    seconds = max(times[-1] - times[first], 1e-6)
    return MeasuredSpeed((images - first) / seconds, images, detector.device_name)
