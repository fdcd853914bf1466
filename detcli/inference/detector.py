"""The three steps - preprocess, network, postprocess - as one callable."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from detcli.errors import DeviceError
from detcli.inference.batching import alike, padded_together
from detcli.inference.postprocess import NotFiniteError, Selection, to_detections
from detcli.inference.preprocess import Preprocessor
from detcli.inference.segmentation.segment_postprocess import to_segments
from detcli.inference.segmentation.segmentation_settings import SegmentationSettings
from detcli.runtimes.runtime import Runtime
from detcli.runtimes.torch_runtime import device_errors
from detcli.structures.class_labels import ClassLabels
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame, Pixels

if TYPE_CHECKING:
    from PIL import Image

    from detcli.checkpoints.hub.locate_model import ModelFiles

_BATCHES_AHEAD = 8  # that a batch of images of one size is chosen from


@dataclass(slots=True)
class Detector:
    """Frames in, detections out, in the same order; what could not be read passes through untouched.

    Where images keep their proportions they are of many sizes, and only those of exactly the same size share a
    batch: what is found in one never depends on its company.

    files          where the model's files lie, and what is known of them
    labels         class index -> name and category id
    runtime        what runs the network
    preprocessor   frames -> batch
    selection      threshold, number of detections, classes
    batch_size     most images a batch; halved when the device has no room
    deterministic  batches are always full, and an image's place in one follows from its place in the input: even
                   the last bit of its numbers never depends on its company, on timing or on where a run went on.
                   Images of many sizes go through the network one by one
    compiled       batches of one size of images are filled up, since the network is compiled anew for each size of batch
    notes          sentences the user should see: what was missing or looked wrong in the checkpoint
    pad            images of different sizes share a batch too, padded to a common one
    segmenting     what segments are made of the network's masks; None: boxes alone
    """

    files: "ModelFiles"
    labels: ClassLabels
    runtime: Runtime
    preprocessor: Preprocessor
    selection: Selection
    batch_size: int
    device_name: str
    precision: str
    deterministic: bool = False
    compiled: bool = False
    notes: tuple[str, ...] = ()
    pad: bool = False
    segmenting: SegmentationSettings | None = None

    def __post_init__(self) -> None:
        if self.deterministic and self._many_sizes:
            self.batch_size = 1

    @property
    def look_ahead(self) -> int:
        """Most frames that `choose` makes use of."""
        return self.batch_size * (_BATCHES_AHEAD if self._many_sizes and self.batch_size > 1 else 1)

    @property
    def threshold(self) -> float:
        """Detections score strictly above it."""
        return self.selection.threshold if self.segmenting is None else self.segmenting.least_score

    def resize(self, image: "Image.Image") -> Pixels:
        """A decoded image as the network takes it; for sources that can spare the full-size pixels."""
        return self.preprocessor.preprocessing.resize(image)

    def prepare(self, frame: Frame | FailedFrame) -> Frame | FailedFrame:
        """The part of a frame's way that needs no device; safe in any thread, done here if it was not done before."""
        return frame if isinstance(frame, FailedFrame) else self.preprocessor.prepare(frame)

    def choose(self, frames: Sequence[Frame | FailedFrame]) -> list[int]:
        """Places of the frames that are best detected in next, the first one among them, in order."""
        if not self._many_sizes or isinstance(frames[0], FailedFrame):
            return list(range(min(len(frames), self.batch_size)))
        readable = [place for place, frame in enumerate(frames) if isinstance(frame, Frame)]
        sizes = [self.preprocessor.place_hw(frame) for frame in frames if isinstance(frame, Frame)]
        chosen = (padded_together if self.pad else alike)(sizes, self.batch_size)
        return [readable[place] for place in chosen]

    def __call__(self, frames: Sequence[Frame | FailedFrame]) -> list[Detections | FailedFrame]:
        """Detect in any number of frames.

        Raises DeviceError where the device has no room for even one image, or was lost.
        """
        found: dict[int, Detections | FailedFrame] = {}
        waiting = [place for place, frame in enumerate(frames) if isinstance(frame, Frame)]
        while waiting:
            window = [frame for place in waiting[: self.look_ahead] if isinstance(frame := frames[place], Frame)]
            chosen = self._next_batch(window)
            answers = self._one_batch_if_it_fits([window[at] for at in chosen])
            if answers is None:  # by now the error is gone, and with it the memory that its traceback held
                self.batch_size = self._run_together(len(chosen)) // 2
                _release(self.device_name)
                continue
            found.update(zip((waiting[at] for at in chosen), answers, strict=True))
            for at in reversed(chosen):
                del waiting[at]
        return [found[place] if isinstance(frame, Frame) else frame for place, frame in enumerate(frames)]

    @property
    def _many_sizes(self) -> bool:
        return self.preprocessor.preprocessing.size_hw is None

    def _next_batch(self, frames: Sequence[Frame]) -> list[int]:
        chosen = self.choose(frames)
        if not self.deterministic:
            return chosen
        end = 1
        while end < len(chosen) and self._slot(frames[end]) > self._slot(frames[end - 1]):
            end += 1
        return chosen[:end]

    def _slot(self, frame: Frame) -> int:
        return frame.origin.index % self.batch_size

    def _one_batch_if_it_fits(self, frames: Sequence[Frame]) -> list[Detections | FailedFrame] | None:
        """The answers; None where the device has no room for them and may have it for fewer frames."""
        try:
            return self._one_batch(frames)
        except DeviceError as error:
            if not error.out_of_memory or self._run_together(len(frames)) == 1 or self.deterministic:
                raise
            return None

    def _run_together(self, count: int) -> int:
        return self.batch_size if self.compiled and not self._many_sizes else count

    def _one_batch(self, frames: Sequence[Frame]) -> list[Detections | FailedFrame]:
        if self.deterministic:
            full = [frames[0]] * self.batch_size
            for frame in frames:
                full[self._slot(frame)] = frame
            every = self._answers(full)
            answers = [every[self._slot(frame)] for frame in frames]
        else:
            missing = self._run_together(len(frames)) - len(frames)
            answers = self._answers([*frames, *[frames[-1]] * missing])[: len(frames)]
        return [
            FailedFrame(frame.origin, "device", f"{answer} in {self.precision}; --precision fp32 is the safest")
            if isinstance(answer, NotFiniteError)
            else answer
            for frame, answer in zip(frames, answers, strict=True)
        ]

    def _answers(self, frames: Sequence[Frame]) -> list[Detections | NotFiniteError]:
        with device_errors(self.device_name):  # a GPU tells what went wrong when it is next asked for a result
            batch = self.preprocessor.batch(frames)
            outputs = self.runtime(batch)
            if self.segmenting is not None:
                return to_segments(outputs, batch, self.segmenting)
            return to_detections(outputs, batch.sizes_hw, self.selection)


def _release(device_name: str) -> None:
    if device_name.startswith("cuda"):
        torch.cuda.empty_cache()
