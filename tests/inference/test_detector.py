"""The three steps as one callable: order, batches, memory, and answers that are no numbers."""

from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import pytest
import torch

from detcli.errors import DeviceError
from detcli.inference.detector import Detector
from detcli.inference.postprocess import Selection
from detcli.inference.preprocess import Preprocessing, Preprocessor
from detcli.values.batch import Batch
from detcli.values.detections import Detections
from detcli.values.frame import Frame, Origin, Unreadable
from detcli.values.labels import Labels
from detcli.values.outputs import Outputs


@dataclass
class Brightness:
    """A runtime that finds one box whose score tells the picture's mean; it has memory for `room` pictures."""

    room: int = 100
    lost: bool = False
    batches: list[int] = field(default_factory=list)

    def __call__(self, batch: Batch) -> Outputs:
        if self.lost:
            raise DeviceError("cuda:0 was lost")
        if len(batch.pixels) > self.room:
            raise DeviceError("out of memory", out_of_memory=True)
        self.batches.append(len(batch.pixels))
        mean = batch.pixels.mean(dim=(1, 2, 3))
        boxes = torch.tensor([0.5, 0.5, 0.5, 0.5]).expand(len(mean), 1, 4)
        return Outputs(torch.logit(mean.clamp(1e-3, 1 - 1e-3)).view(-1, 1, 1), boxes)


def detector(runtime: Any, **settings: Any) -> Detector:
    defaults: dict[str, Any] = {"batch_size": 4, "device_name": "cpu", "precision": "fp32"}
    preprocessor = Preprocessor(Preprocessing(size_hw=(32, 32)), torch.device("cpu"))
    return Detector(
        cast("Any", None), Labels.from_names(["thing"]), runtime, preprocessor, Selection(0.0), **(defaults | settings)
    )


def frames(count: int) -> list[Frame | Unreadable]:
    origins = [Origin(i, f"{i}.png", f"{i}.png", str(i)) for i in range(count)]
    return [Frame(o, (8, 8), np.full((8, 8, 3), 10 + 5 * o.index, np.uint8)) for o in origins]


def scores(found: list[Detections | Unreadable]) -> list[float]:
    return [round(float(d.scores[0]), 4) for d in found if isinstance(d, Detections)]


def expected(count: int) -> list[float]:
    return [round((10 + 5 * i) / 255, 4) for i in range(count)]


def test_answers_come_in_the_order_of_the_frames() -> None:
    assert scores(detector(Brightness())(frames(11))) == pytest.approx(expected(11), abs=2e-4)


def test_unreadable_frames_come_back_untouched_in_their_place() -> None:
    given = frames(5)
    broken = Unreadable(given[2].origin, "empty", "cannot read '2.png': it is empty")
    given[2] = broken
    runtime = Brightness()
    found = detector(runtime)(given)
    assert found[2] is broken
    assert len(scores(found)) == 4
    assert runtime.batches == [4]


def test_only_unreadable_frames_never_reach_the_network() -> None:
    broken = Unreadable(Origin(0, "a", "a", "a"), "empty", "empty")
    runtime = Brightness()
    assert detector(runtime)([broken, broken]) == [broken, broken]
    assert runtime.batches == []


@pytest.mark.parametrize("room", [1, 2, 3])
def test_out_of_memory_halves_the_batch_and_loses_nothing(room: int) -> None:
    runtime = Brightness(room=room)
    small = detector(runtime, batch_size=8)
    assert scores(small(frames(19))) == pytest.approx(expected(19), abs=2e-4)
    assert small.batch_size <= room
    assert max(runtime.batches) <= room


def test_no_room_for_a_single_picture_is_a_device_error() -> None:
    with pytest.raises(DeviceError, match="out of memory"):
        detector(Brightness(room=0))(frames(3))


def test_a_lost_device_is_not_tried_again() -> None:
    runtime = Brightness(lost=True)
    with pytest.raises(DeviceError, match="lost"):
        detector(runtime)(frames(3))


def test_a_deterministic_detector_always_runs_full_batches() -> None:
    runtime = Brightness()
    found = detector(runtime, deterministic=True)(frames(6))
    assert runtime.batches == [4, 4]
    assert scores(found) == pytest.approx(expected(6), abs=2e-4)


def test_an_answer_that_is_not_finite_fails_that_picture_and_no_other() -> None:
    class Poisoned(Brightness):
        def __call__(self, batch: Batch) -> Outputs:
            outputs = super().__call__(batch)
            outputs.logits[1] = float("nan")
            return outputs

    found = detector(Poisoned())(frames(3))
    assert [type(answer).__name__ for answer in found] == ["Detections", "Unreadable", "Detections"]
    failed = cast("Unreadable", found[1])
    assert failed.code == "device"
    assert "not finite in fp32" in failed.message
