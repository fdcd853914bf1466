"""Draws stored results on their images, with the loop and the sinks of a run; no network, and no torch."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from detcli.engine.observer import Observer, RunStart
from detcli.engine.outputs.output_plan import OutputPlan, check_plan, make_plan
from detcli.engine.outputs.replaced_folders import is_replaceable
from detcli.engine.results.image_facts import ImageFinder
from detcli.engine.results.open_results import OpenResults, open_results
from detcli.engine.results.results_request import DrawRequest
from detcli.errors import UsageError
from detcli.inference.batches.pending_detections import FinishedDetections
from detcli.io.output_paths import tag_output_folder
from detcli.pipeline.run import PipelineSettings
from detcli.pipeline.run import run as run_pipeline
from detcli.pipeline.statistics import RunStats
from detcli.shard import Shard
from detcli.sinks.folders.output_folder import OutputFolders
from detcli.sinks.images.annotated_images import AnnotatedImageSink
from detcli.sinks.images.crops import Crops
from detcli.sinks.sink import Sink
from detcli.sources.source import SourceItem
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame, Origin, Resize
from detcli.structures.json_records import Result
from detcli.structures.stop_signal import StopSignal

_BATCH = 4


def draw_results(request: DrawRequest, *, observer: Observer | None = None, stop: StopSignal | None = None) -> RunStats:
    """Draw every image of stored results into the folders of the request.

    observer  gets the events; images that are missing, or have another size, are results that failed
    stop      ends it between two images

    Raises DetcliError for results that cannot be read, and TooManyFailuresError by the policy of the request.
    """
    observer, stop = observer or Observer(), stop or StopSignal()
    output = request.output
    plan = check_plan(replace(make_plan(output, None), journal=None), (*request.input.reads, *output.reads), output)
    observer.on_plan(plan)
    started = time.monotonic()
    opened = open_results(request.input)
    if any(run.contents.video for run in opened.runs):
        raise UsageError(
            "these are results of a video, and only images are drawn; runs over videos draw with `save_video`"
        )
    inputs = (*request.input.reads, *output.reads)
    folders = OutputFolders(lambda folder: output.if_exists == "overwrite" and is_replaceable(folder, inputs, observer))
    stats = RunStats()
    try:
        sinks = _open_sinks(request, plan, opened, folders)
        source = StoredImages(opened, request.input.images, request.shard)
        observer.on_start(RunStart(plan, opened.labels, stats, 0, source.count))
        try:
            run_pipeline(
                source,
                StoredDetector(),
                sinks,
                PipelineSettings(workers=request.workers, failures=request.failures),
                stats=stats,
                stop=stop,
                on_result=observer.on_result,
            )
        finally:
            stats.seconds = time.monotonic() - started
            stats.outputs = tuple(path for path, _ in plan.results)
            stats.empty_shard = source.count() == 0
            observer.on_end()
    finally:
        folders.close()
    for remark in folders.remarks:
        observer.on_warning(remark)
    return stats


@dataclass(frozen=True, slots=True)
class DrawnFrame(Frame):
    """An image with the detections that are drawn on it."""

    stored: Detections | None = None


@dataclass(frozen=True, slots=True)
class StoredItem:
    """An image that results name, which is read when it is called."""

    result: Result
    item: SourceItem

    @property
    def origin(self) -> Origin:
        """Its index and names in the results."""
        return self.result[0].origin

    def __call__(self, resize: Resize | None = None) -> Frame | FailedFrame:
        """Read it; an image of another size than in the results fails."""
        stored, detections = self.result
        if isinstance(stored, FailedFrame) or isinstance(detections, FailedFrame):
            return stored
        frame = self.item()
        if isinstance(frame, FailedFrame):
            return FailedFrame(self.origin, frame.code, frame.message)
        if frame.size_hw != stored.size_hw:
            is_size, was_size = (f"{size[1]} x {size[0]}" for size in (frame.size_hw, stored.size_hw))
            message = f"it has {is_size} pixels, and the results are of an image with {was_size}"
            return FailedFrame(self.origin, "unsupported", message)
        return DrawnFrame(self.origin, frame.size_hw, frame.pixels, metadata=frame.metadata, stored=detections)


class StoredImages:
    """The images of results as a source.

    folder  where they are found by their names; None: where the results say
    shard   only those of this shard, by their position in the results; None: all
    """

    def __init__(self, opened: OpenResults, folder: Path | None, shard: Shard | None = None) -> None:
        self._opened, self._shard = opened, shard
        self._images = ImageFinder(folder)

    def __iter__(self) -> Iterator[SourceItem]:
        """The images in the order of the results."""
        for position, result in enumerate(self._opened):
            if self._shard is None or self._shard.has(position):
                yield StoredItem(result, self._images.find(result[0].origin))

    def count(self) -> int:
        """The number of images."""
        total = self._opened.count
        return total if self._shard is None else self._shard.size(total)


class StoredDetector:
    """Returns the detections that frames of `StoredImages` have; images keep their size, in which they are drawn."""

    resize = None
    batch_size = _BATCH
    look_ahead = _BATCH
    batches_in_flight = 1
    deterministic = False

    def choose(self, frames: Sequence[Frame | FailedFrame]) -> list[int]:
        """The first frames."""
        return list(range(min(len(frames), self.batch_size)))

    def prepare(self, frame: Frame | FailedFrame) -> Frame | FailedFrame:
        """The frame as it is."""
        return frame

    def detect_frames(self, frames: Sequence[Frame | FailedFrame]) -> list[Detections | FailedFrame]:
        """The stored detections."""
        return [frame if isinstance(frame, FailedFrame) else _stored(frame) for frame in frames]

    def submit(self, frames: Sequence[Frame | FailedFrame]) -> FinishedDetections:
        """The same, at once."""
        return FinishedDetections(self.detect_frames(frames))


def _stored(frame: Frame) -> Detections:
    if not isinstance(frame, DrawnFrame) or frame.stored is None:
        raise TypeError("the frame is not one of stored results")
    return frame.stored


def _open_sinks(request: DrawRequest, plan: OutputPlan, opened: OpenResults, folders: OutputFolders) -> list[Sink]:
    skip = request.output.if_exists == "skip"
    for folder in plan.folders:
        tag_output_folder(folder)
    sinks: list[Sink] = []
    if plan.images is not None:
        style = request.output.drawing
        sinks.append(AnnotatedImageSink(folders.open(plan.images), opened.labels, style, skip_existing=skip))
    if plan.crops is not None:
        sinks.append(Crops(folders.open(plan.crops), opened.labels, skip_existing=skip))
    return sinks
