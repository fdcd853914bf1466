"""Preprocessing, network and postprocessing as one callable."""

import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, overload

from detcli.argument_checks import Nms, Thresholds, check_positive
from detcli.checkpoints.score_threshold import StoredThreshold
from detcli.errors import DeviceError, ImageError
from detcli.inference.batches.batch_steps import BatchSteps, Outcomes, PendingOutcomes
from detcli.inference.batches.batching import BatchSettings, padded_together, same_size
from detcli.inference.batches.pending_detections import FinishedDetections, PendingDetections
from detcli.inference.detection_result import DetectionResult
from detcli.inference.images.image_inputs import ImageInput, check_image, read_image
from detcli.inference.load_settings import check_agnostic
from detcli.inference.postprocessing.selection import NotFiniteError, Selection
from detcli.inference.preprocessing.frame_preparation import FramesToBatch
from detcli.inference.segmentation.segmentation_settings import SegmentationSettings
from detcli.inference.setting_changes import setting_changes
from detcli.runtimes.runtime import Runtime
from detcli.structures.class_labels import ClassLabels
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame, Pixels, Resize

if TYPE_CHECKING:
    from PIL import Image

    from detcli.checkpoints.hub.locate_model import ModelFiles
    from detcli.inference.images.tiling.tile_settings import TileSettings
    from detcli.inference.segmentation.computed_masks import ComputedMasks

_BATCHES_AHEAD = 8  # a batch of images of one size is chosen from the frames of so many batches


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What is known of a loaded model.

    files    where its files are, and where they are from
    labels   class names and category ids
    notes    sentences that the user should see: what is missing or unusual in the checkpoint
    assumed  what the model's files do not tell, with the value that is taken: "num_queries=300"
    queries, decoder_layers  fewer than the model has, as they were asked for; None: all
    stored_threshold  the threshold that `eval` or `train` wrote into the model folder; None: none
    uncertainty  detections have the standard deviation of each edge
    """

    files: "ModelFiles"
    labels: ClassLabels
    notes: tuple[str, ...] = ()
    assumed: tuple[str, ...] = ()
    queries: int | None = None
    decoder_layers: int | None = None
    stored_threshold: StoredThreshold | None = None
    uncertainty: bool = False


class Detector:
    """Images in, detections out. Made by `load_detector`; call it with an image or a list of images.

    Images of exactly the same input size share a batch, so the results for an image do not depend on the other images;
    with `pad`, images of different sizes share a batch too. A batch that does not fit into the memory of the device is
    halved. Several threads may share one detector. It cannot be pickled, and it cannot be used in a forked process: load
    it in the process that uses it.

    Attributes:
    model         files, labels and notes of the model
    runtime       runs the network; has the device and the precision
    preprocessor  frames -> batch
    selection     threshold, maximum number of detections, classes; `with_settings` changes them
    segmentation  how segments are made of the network's masks; None: boxes only
    batches       how batches are formed, with the batch size of the start
    batch_size    most images in a batch; smaller after a batch did not fit into memory
    tiles         into which tiles large images are cut; None: they are not
    loaded_in     the process that loaded the network
    """

    tiles: "TileSettings | None" = None

    def __init__(
        self,
        model: ModelInfo,
        runtime: Runtime[Any, Any],
        *,
        preprocessor: FramesToBatch,
        selection: Selection,
        batches: BatchSettings,
        segmentation: SegmentationSettings | None = None,
        masks: "ComputedMasks | None" = None,
    ) -> None:
        self.model = model
        self.runtime = runtime
        self.preprocessor = preprocessor
        self.selection = selection
        self.segmentation = segmentation
        self._masks = masks  # None: the runtime computes the masks of all queries, or none
        self.batches = batches
        self.batch_size = 1 if batches.deterministic and self._many_sizes else batches.size
        self._lock = threading.Lock()
        self.loaded_in = os.getpid()

    @property
    def labels(self) -> ClassLabels:
        """Class names and category ids."""
        return self.model.labels

    @property
    def files(self) -> "ModelFiles":
        """Where the model's files are, and where they are from."""
        return self.model.files

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences that the user should see: what is missing or unusual in the checkpoint."""
        return self.model.notes

    @property
    def assumed(self) -> tuple[str, ...]:
        """What the model's files do not tell, with the value that is taken, such as "num_queries=300"."""
        return self.model.assumed

    @property
    def device_name(self) -> str:
        """Name of the device, such as "cpu" or "cuda:0"."""
        return self.runtime.device_name

    @property
    def precision(self) -> str:
        """fp32, tf32, bf16 or fp16."""
        return self.runtime.precision

    @property
    def batches_in_flight(self) -> int:
        """How many calls of `submit` keep the device busy; 1: `detect_frames` is as fast."""
        return 1 if self.deterministic else self.runtime.batches_in_flight

    @property
    def remarks(self) -> tuple[str, ...]:
        """Sentences of the runtime about what it did otherwise than asked, for the end of a run."""
        return self.runtime.remarks

    @property
    def deterministic(self) -> bool:
        """Whether the results for an image never depend on the other images, to the last bit."""
        return self.batches.deterministic

    @property
    def uncertainty(self) -> bool:
        """Whether detections have `box_std`, the standard deviation of each edge."""
        return self.model.uncertainty

    @property
    def pad(self) -> bool:
        """Whether images of different sizes share a batch."""
        return self.batches.pad

    @property
    def threshold(self) -> float:
        """Scores of detections are strictly above it, except of classes in `class_thresholds`."""
        return self.selection.threshold if self.segmentation is None else self.segmentation.score_threshold

    @property
    def class_thresholds(self) -> dict[str, float]:
        """The thresholds of classes that have their own, by class name."""
        return {self.labels.names[class_id]: value for class_id, value in self.selection.class_thresholds}

    @property
    def nms(self) -> float | None:
        """Boxes that overlap a better one by more than this intersection over union are removed; None: no box is."""
        return self.selection.nms if self.segmentation is None else self.segmentation.nms

    @property
    def nms_agnostic(self) -> bool:
        """Whether the better box may be of another class."""
        return self.selection.nms_agnostic if self.segmentation is None else self.segmentation.nms_agnostic

    @property
    def look_ahead(self) -> int:
        """Most frames that `choose` uses."""
        return self._look_ahead(self.batch_size)

    def __repr__(self) -> str:
        return f"Detector('{self.files.name}', device='{self.device_name}', threshold={self.threshold:g})"

    def __reduce__(self) -> str:
        raise TypeError(
            "a Detector cannot be pickled or copied: call load_detector() in each process; threads may share one"
        )

    @overload
    def __call__(self, images: ImageInput) -> DetectionResult: ...

    @overload
    def __call__(self, images: list[ImageInput] | tuple[ImageInput, ...]) -> list[DetectionResult]: ...

    def __call__(
        self, images: ImageInput | list[ImageInput] | tuple[ImageInput, ...]
    ) -> DetectionResult | list[DetectionResult]:
        """Detect in an image, or in each image of a list.

        images  an image, or a list or tuple of images, of different kinds too. An image is one of
                - path of a file (str or Path), or an http or https URL
                - PIL image of any mode; its EXIF orientation is applied
                - numpy array uint8 [H, W, 3] RGB; also [H, W] and [H, W, 1] gray, and [H, W, 4] RGBA, whose alpha is dropped
                - torch tensor [3, H, W] RGB, uint8, or float from 0 to 1; also [H, W] and [1, H, W] gray
                - Frame, as sources give it

        Returns a result for an image, and a list of results in the same order for a list.

        Raises TypeError for another type, ValueError for an array of another shape or range, ImageError for an image that
        cannot be read (the message names its position in a list), and DeviceError if one image does not fit into memory.
        """
        if not isinstance(images, list | tuple):
            check_image(images)
            return self._detect_images([images])[0]
        for position, image in enumerate(images):
            check_image(image, f"`images`[{position}]")
        return self._detect_images(images, "`images`[{}] ")

    def detect_frames(self, frames: Sequence[Frame | FailedFrame]) -> list[Detections | FailedFrame]:
        """Detect in frames; failed frames come back unchanged, in their position. This is what the pipeline calls.

        Raises DeviceError if even one image does not fit into memory, or the device was lost.
        """
        return self.detect_whole_frames(frames)

    def detect_whole_frames(self, frames: Sequence[Frame | FailedFrame]) -> list[Detections | FailedFrame]:
        """Detect in frames as they are, without tiles; the rest is as for `detect_frames`."""
        self._check_process()
        results: dict[int, Detections | FailedFrame] = {}
        waiting = [position for position, frame in enumerate(frames) if isinstance(frame, Frame)]
        while waiting:
            size = self.batch_size  # another thread may halve it meanwhile
            ahead = waiting[: self._look_ahead(size)]
            window = [frame for position in ahead if isinstance(frame := frames[position], Frame)]
            chosen = self._next_batch(window, size)
            detections = self._detect_batch_if_it_fits([window[index] for index in chosen], size)
            if detections is None:  # by now the error is deleted, and with it the memory that its traceback held
                self._halve(self._slots(len(chosen), size))
                continue
            results.update(zip((waiting[index] for index in chosen), detections, strict=True))
            for index in reversed(chosen):
                del waiting[index]
        return [results[position] if isinstance(frame, Frame) else frame for position, frame in enumerate(frames)]

    def submit(self, frames: Sequence[Frame | FailedFrame]) -> PendingDetections:
        """Start to detect in frames that `choose` chose; collect as many as `batches_in_flight` calls later.

        A batch that does not fit into memory is detected in smaller parts when its result is collected. Raises what
        `detect_frames` raises.
        """
        self._check_process()
        images = [frame for frame in frames if isinstance(frame, Frame)]
        if not images:
            return FinishedDetections([frame for frame in frames if isinstance(frame, FailedFrame)])
        try:
            pending = self._steps().start(self.filled(images))
        except DeviceError as error:
            if not error.out_of_memory:
                raise
        else:
            return _BatchInFlight(self, frames, pending)
        return FinishedDetections(self.detect_whole_frames(frames))  # in smaller parts

    def with_settings(
        self,
        *,
        threshold: Thresholds | None = None,
        max_detections: int | None = None,
        classes: Sequence[str | int] | None = None,
        batch_size: int | None = None,
        nms: Nms | None = None,
        nms_agnostic: bool | None = None,
    ) -> "Detector":
        """Return a detector with other settings that shares the network; None keeps a setting.

        threshold  as of `load_detector`; it replaces those of single classes, too
        nms        as of `load_detector`; "off" removes no duplicates

        Raises UsageError or TypeError for an invalid value.
        """
        changes: dict[str, Any] = setting_changes(
            self.labels,
            threshold=threshold,
            max_detections=max_detections,
            classes=classes,
            nms=nms,
            nms_agnostic=nms_agnostic,
        )
        size = self.batch_size if batch_size is None else check_positive("batch_size", batch_size)
        size = self.runtime.fixed_batch or size  # batches are filled up
        segmentation = None if self.segmentation is None else replace(self.segmentation, **changes)
        if segmentation is not None and self._masks is not None:
            self._masks.include(segmentation)
        changed = self._copy(replace(self.selection, **changes), segmentation, size)
        check_agnostic(changed.nms, changed.nms_agnostic)
        return changed

    def with_weak_boxes(self, threshold: float) -> "Detector":
        """Return a detector that keeps boxes with lower scores, too, for a tracker.

        They neither remove duplicates above their threshold nor take the place of a box above it.
        """
        return self._copy(replace(self.selection, weak_threshold=threshold), self.segmentation, self.batch_size)

    def _copy(self, selection: Selection, segmentation: SegmentationSettings | None, size: int) -> "Detector":
        changed = Detector(
            self.model,
            self.runtime,
            preprocessor=self.preprocessor,
            selection=selection,
            batches=replace(self.batches, size=size),
            segmentation=segmentation,
            masks=self._masks,
        )
        changed.loaded_in = self.loaded_in  # the network was loaded there
        return changed

    def resize(self, image: "Image.Image") -> Pixels:
        """Resize a decoded image for the network; for sources that can drop the full-size pixels."""
        return self.preprocessor.resize(image)

    def prepare(self, frame: Frame | FailedFrame) -> Frame | FailedFrame:
        """Do the part of preprocessing that needs no device, in any thread; `detect_frames` does it if it was not done."""
        return frame if isinstance(frame, FailedFrame) else self.preprocessor.prepare(frame)

    def choose(self, frames: Sequence[Frame | FailedFrame]) -> list[int]:
        """Return positions of the frames for the next batch, in order; the first frame is always one of them."""
        return self._choose(frames, self.batch_size)

    def filled(self, frames: Sequence[Frame], size: int | None = None) -> list[Frame]:
        """The frames of a batch, and the last one again until there are as many as the network was compiled for.

        size  most images in a batch; None: `batch_size`
        """
        size = size or self.batch_size
        return [*frames, *[frames[-1]] * (self._slots(len(frames), size) - len(frames))]

    @property
    def _reading_resize(self) -> Resize:
        """What readers of images call."""
        return self.resize

    @property
    def _many_sizes(self) -> bool:
        return self.preprocessor.preprocessing.size_hw is None

    def _look_ahead(self, size: int) -> int:
        return size * (_BATCHES_AHEAD if self._many_sizes and size > 1 else 1)

    def _detect_images(self, images: Sequence[ImageInput], prefix: str = "") -> list[DetectionResult]:
        """Read and detect in a few batches at a time: a long list of paths needs no more memory than a short one."""
        results: list[DetectionResult] = []
        while len(results) < len(images):
            start = len(results)
            batch = images[start : start + self.look_ahead]
            frames = [
                read_image(image, index, resize=self._reading_resize, prefix=prefix.format(index))
                for index, image in enumerate(batch, start)
            ]
            for image, frame, detections in zip(batch, frames, self.detect_frames(frames), strict=True):
                if isinstance(detections, FailedFrame):
                    where = prefix.format(len(results))
                    raise ImageError(detections.code, f"{where}'{frame.origin.file}': {detections.message}")
                # A result is kept for long: without any pixels.
                bare = replace(frame.without_pixels(), prepared=None, bands=None)
                results.append(DetectionResult.of(detections, bare, image))
        return results

    def _choose(self, frames: Sequence[Frame | FailedFrame], size: int) -> list[int]:
        if not self._many_sizes or isinstance(frames[0], FailedFrame):
            return list(range(min(len(frames), size)))
        readable = [position for position, frame in enumerate(frames) if isinstance(frame, Frame)]
        sizes = [self.preprocessor.batch_size_hw(frame) for frame in frames if isinstance(frame, Frame)]
        chosen = (padded_together if self.pad else same_size)(sizes, size)
        return [readable[position] for position in chosen]

    def _next_batch(self, frames: Sequence[Frame], size: int) -> list[int]:
        chosen = self._choose(frames, size)
        if not self.deterministic:
            return chosen
        end = 1
        while end < len(chosen) and self._slot(frames[end]) > self._slot(frames[end - 1]):
            end += 1
        return chosen[:end]

    def _slot(self, frame: Frame) -> int:
        return frame.origin.index % self.batch_size

    def _slots(self, count: int, size: int) -> int:
        """How many images the network processes for so many frames."""
        if self.runtime.fixed_batch is not None:
            return self.runtime.fixed_batch
        return max(size, count) if self.batches.compiled and not self._many_sizes else count

    def _halve(self, size: int) -> None:
        """Reduce the batch size after a batch of that size did not fit; never raises it for another thread."""
        with self._lock:
            self.batch_size = max(1, min(self.batch_size, size // 2))
        self.runtime.release_memory()

    def _detect_batch_if_it_fits(self, frames: Sequence[Frame], size: int) -> list[Detections | FailedFrame] | None:
        """The detections; None if the device has no memory for them, but may have it for fewer frames."""
        try:
            return self._detect_batch(frames, size)
        except DeviceError as error:
            is_smallest = self._slots(len(frames), size) == 1 or self.runtime.fixed_batch is not None
            if not error.out_of_memory or is_smallest or self.deterministic:
                raise
            return None

    def _detect_batch(self, frames: Sequence[Frame], size: int) -> list[Detections | FailedFrame]:
        if self.deterministic:
            full = [frames[0]] * size
            for frame in frames:
                full[self._slot(frame)] = frame
            every = self._run(full)
            return self._labelled(frames, [every[self._slot(frame)] for frame in frames])
        return self._labelled(frames, self._run(self.filled(frames, size)))

    def _labelled(self, frames: Sequence[Frame], outcomes: Outcomes) -> list[Detections | FailedFrame]:
        return [
            FailedFrame(frame.origin, "device", f"{outcome} in {self.precision}; fp32 is the safest precision")
            if isinstance(outcome, NotFiniteError)
            else replace(outcome, labels=self.labels)
            for frame, outcome in zip(frames, outcomes, strict=False)
        ]

    def _run(self, frames: Sequence[Frame]) -> Outcomes:
        return self._steps().start(frames).result()

    def _steps(self) -> BatchSteps:
        return BatchSteps(self.preprocessor, self.runtime, self.selection, self.segmentation)

    def _check_process(self) -> None:
        """Refuse a forked copy: the threads and the CUDA context of torch do not survive a fork, and it would hang."""
        if os.getpid() != self.loaded_in:
            raise DeviceError(
                "the detector was loaded in another process, before a fork: call load_detector() in this process, or "
                "start processes with multiprocessing's 'spawn'"
            )


class _BatchInFlight:
    """A batch that the runtime still computes."""

    def __init__(self, detector: Detector, frames: Sequence[Frame | FailedFrame], pending: PendingOutcomes) -> None:
        self._detector, self._frames, self._pending = detector, frames, pending

    def result(self) -> list[Detections | FailedFrame]:
        """Wait for the outputs and return the detections."""
        detections = self._result_if_it_fits()
        return self._detector.detect_whole_frames(self._frames) if detections is None else detections

    def _result_if_it_fits(self) -> list[Detections | FailedFrame] | None:
        images = [frame for frame in self._frames if isinstance(frame, Frame)]
        try:
            outcomes = self._pending.result()
        except DeviceError as error:
            if not error.out_of_memory:
                raise
            return None
        found = iter(self._detector._labelled(images, outcomes))
        return [next(found) if isinstance(frame, Frame) else frame for frame in self._frames]
