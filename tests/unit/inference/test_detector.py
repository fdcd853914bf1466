"""The three steps as one callable: order, batches, memory, and answers that are no numbers."""

import weakref
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import pytest
import torch

from detcli.errors import DeviceError
from detcli.inference.batches.batching import BatchSettings
from detcli.inference.detector import Detector
from detcli.inference.model_info import ModelInfo
from detcli.inference.postprocessing.selection import Selection
from detcli.inference.preprocessing.preprocessing import Preprocessing
from detcli.inference.preprocessing.resize_rules import FixedSize
from detcli.inference.preprocessing.tensor_preprocessor import Preprocessor
from detcli.runtimes.runtime import PendingOutputs, SynchronousRuntime
from detcli.runtimes.torch_runtime import device_errors
from detcli.structures.class_labels import ClassLabels
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame, Origin
from detcli.structures.network_io import Batch, Outputs


@dataclass
class Brightness(SynchronousRuntime[Batch, Outputs]):
    """A runtime that finds one box whose score tells the image's mean; it has memory for `room` images."""

    room: int = 100
    lost: bool = False
    batches: list[int] = field(default_factory=list)

    name = "brightness"
    device_name = "cpu"
    precision = "fp32"

    def errors(self) -> AbstractContextManager[None]:
        return device_errors("cpu")

    def __call__(self, batch: Batch) -> Outputs:
        if self.lost:
            raise DeviceError("cuda:0 was lost")
        if len(batch.pixels) > self.room:
            raise DeviceError("out of memory", out_of_memory=True)
        self.batches.append(len(batch.pixels))
        mean = batch.pixels.mean(dim=(1, 2, 3))
        boxes = torch.tensor([0.5, 0.5, 0.5, 0.5]).expand(len(mean), 1, 4)
        return Outputs(torch.logit(mean.clamp(1e-3, 1 - 1e-3)).view(-1, 1, 1), boxes)


def detector(runtime: Any, *, batch_size: int = 4, **settings: bool) -> Detector:
    preprocessor = Preprocessor(Preprocessing(FixedSize((32, 32))), torch.device("cpu"))
    model = ModelInfo(cast("Any", None), ClassLabels.from_names(["thing"]))
    batches = BatchSettings(batch_size, **settings)
    return Detector(model, runtime, preprocessor=preprocessor, selection=Selection(0.0), batches=batches)


def frames(count: int) -> list[Frame | FailedFrame]:
    origins = [Origin(i, f"{i}.png", f"{i}.png", str(i)) for i in range(count)]
    return [Frame(o, (8, 8), np.full((8, 8, 3), 10 + 5 * o.index, np.uint8)) for o in origins]


def scores(found: list[Detections | FailedFrame]) -> list[float]:
    return [round(float(d.scores[0]), 4) for d in found if isinstance(d, Detections)]


def expected(count: int) -> list[float]:
    return [round((10 + 5 * i) / 255, 4) for i in range(count)]


def test_detections_have_the_order_of_the_frames() -> None:
    assert scores(detector(Brightness()).detect_frames(frames(11))) == pytest.approx(expected(11), abs=2e-4)


def test_failed_frames_come_back_unchanged_in_their_position() -> None:
    given = frames(5)
    broken = FailedFrame(given[2].origin, "empty", "cannot read '2.png': it is empty")
    given[2] = broken
    runtime = Brightness()
    found = detector(runtime).detect_frames(given)
    assert found[2] is broken
    assert len(scores(found)) == 4
    assert runtime.batches == [4]


def test_failed_frames_never_reach_the_network() -> None:
    broken = FailedFrame(Origin(0, "a", "a", "a"), "empty", "empty")
    runtime = Brightness()
    assert detector(runtime).detect_frames([broken, broken]) == [broken, broken]
    assert runtime.batches == []


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("room", [1, 2, 3])
def test_out_of_memory_halves_the_batch_and_loses_nothing(room: int, compiled: bool) -> None:
    runtime = Brightness(room=room)
    small = detector(runtime, batch_size=8, compiled=compiled)
    assert scores(small.detect_frames(frames(19))) == pytest.approx(expected(19), abs=2e-4)
    assert small.batch_size <= room
    assert max(runtime.batches) <= room


def test_no_memory_for_a_single_image_is_a_device_error() -> None:
    with pytest.raises(DeviceError, match="out of memory"):
        detector(Brightness(room=0)).detect_frames(frames(3))


def test_a_lost_device_is_not_tried_again() -> None:
    runtime = Brightness(lost=True)
    with pytest.raises(DeviceError, match="lost"):
        detector(runtime).detect_frames(frames(3))


@dataclass
class Deferred:
    """Logits of a device that has failed and says so only when they are fetched, as CUDA does."""

    shape: tuple[int, int, int] = (3, 1, 1)

    def float(self) -> torch.Tensor:
        raise RuntimeError("CUDA error: an illegal memory access was encountered\nCUDA kernel errors might be ...")


def test_a_lost_device_is_noticed_when_its_result_is_read() -> None:
    class Lost(Brightness):
        def __call__(self, batch: Batch) -> Outputs:
            return Outputs(cast("torch.Tensor", Deferred()), torch.zeros(3, 1, 4))

    with pytest.raises(DeviceError, match=r"cpu was lost: CUDA error: an illegal memory access was encountered$"):
        detector(Lost()).detect_frames(frames(3))


def test_no_memory_for_the_input_halves_the_batch_too() -> None:
    class Narrow(Preprocessor):
        def batch(self, frames: Sequence[Frame]) -> Batch:
            if len(frames) > 2:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")
            return super().batch(frames)

    small = detector(Brightness(), batch_size=8)
    small.preprocessor = Narrow(small.preprocessor.preprocessing, torch.device("cpu"))
    assert scores(small.detect_frames(frames(9))) == pytest.approx(expected(9), abs=2e-4)
    assert small.batch_size == 2


def test_a_batch_that_did_not_fit_is_deleted_before_memory_is_released() -> None:
    batches: list[weakref.ref[torch.Tensor]] = []
    alive: list[bool] = []

    class Watched(Brightness):
        def __call__(self, batch: Batch) -> Outputs:
            batches.append(weakref.ref(batch.pixels))
            return super().__call__(batch)

        def release_memory(self) -> None:
            alive.append(batches[-1]() is not None)

    detector(Watched(room=2), batch_size=8).detect_frames(frames(8))
    assert alive == [False, False]


def test_a_deterministic_detector_always_runs_full_batches() -> None:
    runtime = Brightness()
    found = detector(runtime, deterministic=True).detect_frames(frames(6))
    assert runtime.batches == [4, 4]
    assert scores(found) == pytest.approx(expected(6), abs=2e-4)


def test_a_compiled_network_sees_one_size_of_batch() -> None:
    runtime = Brightness()
    assert scores(detector(runtime, compiled=True).detect_frames(frames(6))) == pytest.approx(expected(6), abs=2e-4)
    assert runtime.batches == [4, 4]


def test_a_runtime_of_one_batch_size_gets_only_full_batches() -> None:
    runtime = Brightness()
    runtime.fixed_batch = 4
    many = detector(runtime)
    assert scores(many.detect_frames(frames(6))) == pytest.approx(expected(6), abs=2e-4)
    assert scores(many.submit(frames(1)).result()) == pytest.approx(expected(1), abs=2e-4)
    assert runtime.batches == [4, 4, 4]


def test_memory_missing_for_the_one_batch_size_is_an_error() -> None:
    runtime = Brightness(room=2)
    runtime.fixed_batch = 4
    with pytest.raises(DeviceError, match="out of memory"):
        detector(runtime).detect_frames(frames(6))


def test_nan_in_an_output_fails_only_that_image() -> None:
    class Poisoned(Brightness):
        def __call__(self, batch: Batch) -> Outputs:
            outputs = super().__call__(batch)
            outputs.logits[1] = float("nan")
            return outputs

    found = detector(Poisoned()).detect_frames(frames(3))
    assert [type(answer).__name__ for answer in found] == ["Detections", "FailedFrame", "Detections"]
    failed = cast("FailedFrame", found[1])
    assert failed.code == "device"
    assert "NaN or infinity in fp32" in failed.message


@dataclass
class Late(Brightness):
    """A runtime that computes when outputs are collected, of two batches at once."""

    batches_in_flight = 2

    def submit(self, batch: Batch) -> PendingOutputs[Outputs]:
        return Uncollected(self, batch)


@dataclass
class Uncollected:
    runtime: Late
    batch: Batch

    def result(self) -> Outputs:
        return self.runtime(self.batch)


def test_batches_in_flight_give_the_results_of_single_ones() -> None:
    late = detector(Late())
    broken = FailedFrame(Origin(9, "9.png", "9.png", "9"), "truncated", "ends early")
    pending = [late.submit(frames(4)), late.submit([broken, *frames(2)]), late.submit([broken])]
    assert late.batches_in_flight == 2
    assert scores(pending[1].result()[1:]) == pytest.approx(expected(2), abs=2e-4)
    assert scores(pending[0].result()) == pytest.approx(expected(4), abs=2e-4)
    assert pending[2].result() == [broken]


def test_a_batch_in_flight_that_does_not_fit_is_detected_in_parts() -> None:
    late = detector(Late(room=2), batch_size=8)
    assert scores(late.submit(frames(8)).result()) == pytest.approx(expected(8), abs=2e-4)
    assert late.batch_size == 2


def test_a_device_lost_in_flight_is_not_tried_again() -> None:
    with pytest.raises(DeviceError, match="lost"):
        detector(Late(lost=True)).submit(frames(3)).result()


def test_a_deterministic_detector_has_one_batch_at_a_time() -> None:
    assert detector(Late(), deterministic=True).batches_in_flight == 1
