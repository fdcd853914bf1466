"""Frames in, detections out: which frames share a batch, and what happens when one does not fit into memory."""

import os
import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from detcli.errors import DeviceError
from detcli.inference.batches.batch_steps import BatchSteps, Outcomes, PendingOutcomes
from detcli.inference.batches.batching import BatchSettings, padded_together, same_size, slot_of
from detcli.inference.batches.pending_detections import FinishedDetections, PendingDetections
from detcli.inference.model_info import ModelInfo
from detcli.inference.postprocessing.selection import NotFiniteError, Selection
from detcli.inference.preprocessing.frame_preparation import FramesToBatch
from detcli.inference.segmentation.segmentation_settings import SegmentationSettings
from detcli.runtimes.runtime import Runtime
from detcli.structures.class_labels import ClassLabels
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame, Pixels

if TYPE_CHECKING:
    from PIL import Image

    from detcli.inference.segmentation.computed_masks import ComputedMasks

_BATCHES_AHEAD = 8  # a batch of images of one size is chosen from the frames of so many batches


class FrameDetector:
    """Detects in frames, in batches that it chooses: `Detector` without images of other kinds, and with its attributes."""

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
    def precision(self) -> str:
        """fp32, tf32, bf16 or fp16."""
        return self.runtime.precision

    @property
    def batches_in_flight(self) -> int:
        """How many calls of `submit` keep the device busy; 1: `detect_frames` is as fast."""
        return 1 if self.deterministic else self.runtime.batches_in_flight

    @property
    def deterministic(self) -> bool:
        """Whether the results for an image never depend on the other images, to the last bit."""
        return self.batches.deterministic

    @property
    def pad(self) -> bool:
        """Whether images of different sizes share a batch."""
        return self.batches.pad

    @property
    def look_ahead(self) -> int:
        """Most frames that `choose` uses."""
        return self._look_ahead(self.batch_size)

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
    def _many_sizes(self) -> bool:
        return self.preprocessor.preprocessing.size_hw is None

    def _look_ahead(self, size: int) -> int:
        return size * (_BATCHES_AHEAD if self._many_sizes and size > 1 else 1)

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
        taken: set[int] = set()
        for end, frame in enumerate(frames[: len(chosen)]):
            if self._slot(frame) in taken:
                return chosen[:end]
            taken.add(self._slot(frame))
        return chosen

    def _slot(self, frame: Frame) -> int:
        return slot_of(frame.origin.index, self.batch_size)

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

    def __init__(
        self, detector: FrameDetector, frames: Sequence[Frame | FailedFrame], pending: PendingOutcomes
    ) -> None:
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
