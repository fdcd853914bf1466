"""The steps of one batch: preprocessing, network, postprocessing; the last two may still run when `start` returns."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from detcli.inference.postprocessing.array_postprocess import array_results
from detcli.inference.postprocessing.selection import NotFiniteError, Selection
from detcli.inference.preprocessing.frame_preparation import FramesToBatch
from detcli.inference.segmentation.segmentation_settings import SegmentationSettings
from detcli.runtimes.exported.array_io import ArrayOutputs
from detcli.runtimes.runtime import FinishedOutputs, PendingOutputs, Runtime
from detcli.structures.detections import Detections
from detcli.structures.frame import Frame

Outcomes = list[Detections | NotFiniteError]


class BatchSteps:
    """Frames -> detections, for one batch after the other or for several at once.

    preprocessor  frames -> batch
    runtime       runs the network
    selection     which predictions are kept
    segmentation  how segments are made of masks; None: boxes only
    """

    def __init__(
        self,
        preprocessor: FramesToBatch,
        runtime: Runtime[Any, Any],
        selection: Selection,
        segmentation: SegmentationSettings | None,
    ) -> None:
        self._preprocessor, self._runtime = preprocessor, runtime
        self._selection, self._segmentation = selection, segmentation

    def start(self, frames: Sequence[Frame]) -> "PendingOutcomes":
        """Start a batch: then a GPU has everything in its queue, up to the transfer of the detections.

        Raises DeviceError.
        """
        with self._runtime.errors():
            batch = self._preprocessor.batch(frames)
            outputs: PendingOutputs[Any] = self._runtime.submit(batch)
            if isinstance(outputs, FinishedOutputs):
                return PendingOutcomes(self._runtime, self.postprocess(outputs.result(), batch))
            return PendingOutcomes(self._runtime, lambda: self.postprocess(outputs.result(), batch)())

    def postprocess(self, outputs: Any, batch: Any) -> Callable[[], Outcomes]:
        """Start postprocessing; the function that is returned waits for the device and finishes it."""
        preprocessing = self._preprocessor.preprocessing
        if isinstance(outputs, ArrayOutputs):
            return partial(array_results, outputs, batch, preprocessing, self._selection, self._segmentation)
        from detcli.inference.postprocessing.tensor_postprocess import start_tensor_results

        return start_tensor_results(outputs, batch, preprocessing, self._selection, self._segmentation)


class PendingOutcomes:
    """The outcomes of a batch that may still be computed."""

    def __init__(self, runtime: Runtime[Any, Any], finish: Callable[[], Outcomes]) -> None:
        self._runtime, self._finish = runtime, finish

    def result(self) -> Outcomes:
        """Wait for the outcomes, one per image of the batch; call it once. Raises DeviceError."""
        with self._runtime.errors():  # a GPU reports an error when its next result is read
            return self._finish()
