"""Images of many sizes: which of them share a batch, and results that do not depend on the batch without `pad`."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import pytest
import torch

from detcli.errors import DeviceError
from detcli.inference.batches.batching import BatchSettings, automatic_batch, padded_together, same_size
from detcli.inference.detector import Detector
from detcli.inference.model_info import ModelInfo
from detcli.inference.postprocessing.selection import Selection
from detcli.inference.preprocessing.preprocessing import Preprocessing
from detcli.inference.preprocessing.resize_rules import ShortestEdge
from detcli.inference.preprocessing.tensor_preprocessor import Preprocessor
from detcli.runtimes.runtime import SynchronousRuntime
from detcli.structures.class_labels import ClassLabels
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame, Origin
from detcli.structures.network_io import Batch, Outputs

TALL, WIDE, SQUARE = (64, 48), (48, 64), (50, 50)
MIXED = [WIDE, TALL, WIDE, SQUARE, WIDE, TALL, WIDE, WIDE, SQUARE, WIDE, TALL, WIDE]


@dataclass
class Brightness(SynchronousRuntime[Batch, Outputs]):
    """A runtime that finds one box whose score tells the mean of an image's real pixels, and remembers its batches.

    room  pixels that it has memory for
    """

    room: int = 10**9
    batches: list[tuple[int, int, int]] = field(default_factory=list)
    masked: list[bool] = field(default_factory=list)

    name = "brightness"
    device_name = "cpu"
    precision = "fp32"

    def __call__(self, batch: Batch) -> Outputs:
        count, _, height, width = batch.pixels.shape
        if count * height * width > self.room:
            raise DeviceError("out of memory", out_of_memory=True)
        self.batches.append((count, height, width))
        self.masked.append(batch.mask is not None)
        real = batch.pixels.new_ones(count, height, width) if batch.mask is None else batch.mask.float()
        mean = (batch.pixels.mean(1) * real).sum((1, 2)) / real.sum((1, 2))
        boxes = torch.tensor([0.5, 0.5, 0.5, 0.5]).expand(count, 1, 4)
        return Outputs(torch.logit(mean.clamp(1e-3, 1 - 1e-3)).view(-1, 1, 1), boxes)


def detector(runtime: Any, *, batch_size: int = 4, **settings: bool) -> Detector:
    preprocessor = Preprocessor(Preprocessing(ShortestEdge(32, 50)), torch.device("cpu"))
    model = ModelInfo(cast("Any", None), ClassLabels.from_names(["thing"]))
    batches = BatchSettings(batch_size, **settings)
    return Detector(model, runtime, preprocessor=preprocessor, selection=Selection(0.0), batches=batches)


def frames(sizes: Sequence[tuple[int, int]]) -> list[Frame | FailedFrame]:
    origins = [Origin(i, f"{i}.png", f"{i}.png", str(i)) for i in range(len(sizes))]
    return [Frame(o, s, np.full((*s, 3), 10 + 5 * o.index, np.uint8)) for o, s in zip(origins, sizes, strict=True)]


def scores(found: list[Detections | FailedFrame]) -> list[float]:
    return [float(one.scores[0]) for one in found if isinstance(one, Detections)]


def expected(count: int) -> list[float]:
    return [(10 + 5 * i) / 255 for i in range(count)]


def test_detections_have_the_order_of_the_frames() -> None:
    assert scores(detector(Brightness()).detect_frames(frames(MIXED))) == pytest.approx(expected(len(MIXED)), abs=1e-4)


def test_a_runtime_of_one_batch_size_gets_only_full_batches_of_a_size() -> None:
    runtime = Brightness()
    runtime.fixed_batch = 4
    assert scores(detector(runtime).detect_frames(frames(MIXED))) == pytest.approx(expected(len(MIXED)), abs=1e-4)
    assert {count for count, _, _ in runtime.batches} == {4}


def test_only_images_of_equal_size_share_a_batch_and_none_is_padded() -> None:
    runtime = Brightness()
    detector(runtime).detect_frames(frames(MIXED))
    assert runtime.batches == [(4, 32, 42), (3, 42, 32), (2, 32, 32), (3, 32, 42)]
    assert not any(runtime.masked)


def test_boxes_are_in_each_images_own_pixels() -> None:
    for found, (height, width) in zip(detector(Brightness()).detect_frames(frames(MIXED)), MIXED, strict=True):
        assert isinstance(found, Detections)
        assert found.boxes_xyxy.tolist() == [[width / 4, height / 4, width * 3 / 4, height * 3 / 4]]


def test_an_image_has_the_same_detections_in_a_batch_and_alone() -> None:
    given = frames(MIXED)
    together = detector(Brightness()).detect_frames(given)
    for one, frame in zip(together, given, strict=True):
        assert scores([one]) == scores(detector(Brightness()).detect_frames([frame]))


def test_padding_joins_other_sizes_and_gives_the_network_a_mask() -> None:
    runtime = Brightness()
    found = detector(runtime, pad=True).detect_frames(frames(MIXED))
    assert scores(found) == pytest.approx(expected(len(MIXED)), abs=1e-4)
    assert len(runtime.batches) == 3
    assert any(runtime.masked)


def test_a_deterministic_detector_processes_each_image_alone() -> None:
    runtime = Brightness()
    alone = detector(runtime, deterministic=True, batch_size=8)
    found = alone.detect_frames(frames(MIXED))
    assert {count for count, _, _ in runtime.batches} == {1}
    assert (alone.batch_size, alone.look_ahead) == (1, 1)
    other = detector(Brightness(), deterministic=True, batch_size=3).detect_frames(frames(MIXED))
    assert [one.scores.tobytes() for one in found if isinstance(one, Detections)] == [
        one.scores.tobytes() for one in other if isinstance(one, Detections)
    ]


@pytest.mark.parametrize("pad", [False, True])
@pytest.mark.parametrize("room", [1, 2, 3])
def test_out_of_memory_halves_the_batch_and_loses_nothing(room: int, pad: bool) -> None:
    runtime = Brightness(room=room * 42 * 32)
    small = detector(runtime, batch_size=8, pad=pad)
    assert scores(small.detect_frames(frames(MIXED))) == pytest.approx(expected(len(MIXED)), abs=1e-4)
    assert max(count for count, _, _ in runtime.batches) <= room


def test_a_compiled_network_is_given_no_image_twice() -> None:
    runtime = Brightness()
    detector(runtime, compiled=True).detect_frames(frames(MIXED))
    assert sum(count for count, _, _ in runtime.batches) == len(MIXED)


def test_failed_frames_come_back_unchanged_in_their_position() -> None:
    given = frames(MIXED)
    broken = FailedFrame(given[1].origin, "empty", "cannot read '1.png': it is empty")
    given[1] = broken
    found = detector(Brightness()).detect_frames(given)
    assert found[1] is broken
    assert len(scores(found)) == len(MIXED) - 1


def test_the_frame_that_is_next_is_always_chosen() -> None:
    given, many = frames(MIXED), detector(Brightness())
    for start in range(len(given)):
        chosen = many.choose(given[start:])
        assert chosen[0] == 0
        assert chosen == sorted(set(chosen))
        assert len({given[start + place].size_hw for place in chosen}) == 1  # type: ignore[union-attr]
    broken = FailedFrame(given[0].origin, "empty", "empty")
    assert many.choose([broken, *given[1:]])[0] == 0
    assert 1 not in many.choose([given[0], broken, given[2]])


def test_a_batch_of_one_needs_no_look_ahead() -> None:
    assert detector(Brightness(), batch_size=1).look_ahead == 1
    assert detector(Brightness(), batch_size=4).look_ahead > 4


def test_images_of_the_same_size_as_the_first_are_chosen() -> None:
    assert same_size([(1, 2), (2, 1), (1, 2), (1, 2)], 8) == [0, 2, 3]
    assert same_size([(1, 2), (2, 1), (1, 2), (1, 2)], 2) == [0, 2]


def test_padding_joins_the_closest_and_never_wastes_much() -> None:
    wide, wider, tall = (800, 1066), (800, 1199), (1066, 800)
    assert padded_together([wide, tall, wider, wide], 4) == [0, 2, 3]
    assert padded_together([wide, wider, wide], 2) == [0, 2]
    assert padded_together([tall], 4) == [0]


def test_larger_images_make_smaller_batches() -> None:
    assert [automatic_batch(kind, (640, 640)) for kind in ("cpu", "mps", "cuda")] == [4, 8, 32]
    assert [automatic_batch(kind, (800, 1333)) for kind in ("cpu", "mps", "cuda")] == [1, 3, 12]
    assert automatic_batch("cuda", (320, 320)) == automatic_batch("cuda", None) == 32
    assert automatic_batch("cpu", (16384, 16384)) == 1
