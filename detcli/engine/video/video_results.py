"""Frames of videos with their detections, one by one: for programs that process frames themselves."""

import warnings
from collections.abc import Generator, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Self

from detcli.counting.run_counter import RunCounter
from detcli.engine.inputs.open_videos import check_regions, open_videos
from detcli.engine.model_files.load_model import load_model
from detcli.engine.outputs.count_sinks import make_counter
from detcli.engine.requests.run_request import VideoRequest
from detcli.engine.video.multi_tracker import MultiSourceTracker
from detcli.errors import ImageError
from detcli.inference.detection_result import DetectionResult
from detcli.structures.class_labels import ClassLabels
from detcli.structures.frame import FailedFrame, Frame

if TYPE_CHECKING:
    from detcli.inference.detector import Detector
    from detcli.sources.video.multiplexer import Multiplexer

Pair = tuple[Frame, DetectionResult]


def open_video_results(request: VideoRequest, *, strict: bool) -> "VideoResults":
    """Open the videos and load the model of a request; its outputs are ignored.

    strict  raise ImageError at the first frame that cannot be decoded; False: skip it

    Raises SourceError if no source can be opened, and what `load_model` raises.
    """
    videos = open_videos(request)
    try:
        videos.open()
        detector = load_model(request.model, request.detection, request.compute)
        counter = make_counter(request)
        for warning in () if counter is None else check_regions(counter, videos):
            warnings.warn(warning, stacklevel=3)
        tracker = None
        if request.track:
            of_classes = detector.selection.class_thresholds
            tracker = MultiSourceTracker(detector.threshold, of_classes, weak_boxes=request.weak_boxes)
            detector = detector.with_weak_boxes(tracker.detection_threshold)
        if videos.live and request.compute.batch_size is None:  # a larger batch would hold back its first frame
            detector = detector if detector.tiles is not None else detector.with_settings(batch_size=1)
    except BaseException:
        videos.close()
        raise
    return VideoResults(videos, detector, tracker, counter, strict=strict)


class VideoResults(Iterator[Pair]):
    """An iterator over (frame, result); `close()` or a `with` block closes the videos early.

    labels  class names and category ids of the model
    """

    def __init__(
        self,
        videos: "Multiplexer",
        detector: "Detector",
        tracker: MultiSourceTracker | None,
        counter: RunCounter | None,
        *,
        strict: bool,
    ) -> None:
        self.labels: ClassLabels = detector.labels
        self._videos = videos
        self._pairs = _pairs(videos, detector, tracker, counter, strict=strict)

    def __next__(self) -> Pair:
        try:
            return next(self._pairs)
        except BaseException:  # the end of the videos included
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        """Close the videos; safe twice."""
        self._pairs.close()
        self._videos.close()


def _pairs(
    videos: "Multiplexer",
    detector: "Detector",
    tracker: MultiSourceTracker | None,
    counter: RunCounter | None,
    *,
    strict: bool,
) -> Generator[Pair]:
    batch: list[Frame | FailedFrame] = []
    size = detector.batch_size if detector.tiles is None else 1  # a frame in tiles fills batches by itself
    for item in videos:
        batch.append(item())
        if len(batch) >= size:
            yield from _detect(batch, detector, tracker, counter, strict=strict)
            batch = []
    yield from _detect(batch, detector, tracker, counter, strict=strict)


def _detect(
    batch: list[Frame | FailedFrame],
    detector: "Detector",
    tracker: MultiSourceTracker | None,
    counter: RunCounter | None,
    *,
    strict: bool,
) -> Iterator[Pair]:
    for given, detections in zip(batch, detector.detect_frames(batch), strict=True):
        result = detections if tracker is None else tracker(given, detections)
        frame = given if counter is None else counter(given, result)
        if isinstance(frame, FailedFrame) or isinstance(result, FailedFrame):
            failed = frame if isinstance(frame, FailedFrame) else result
            if strict and isinstance(failed, FailedFrame):
                raise ImageError(failed.code, f"'{failed.origin.file}': {failed.message}")
        else:
            yield frame, DetectionResult.of(result, frame.without_pixels(), frame)
