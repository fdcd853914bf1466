"""Judging during a run: the figures are those of the images whose truths are known."""

from typing import Any, cast

import numpy as np
import pytest

from detcli.inference.detector import Detector
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame, Pixels
from detcli.structures.stop_signal import StopSignal
from detcli.training.optimization.distributed import Processes
from detcli.training.validation import ValidationResult, judged
from tests.helpers.training_jobs import Rectangles


class Knowing:
    """Finds every rectangle of a dataset, where it is."""

    threshold, batch_size, look_ahead, deterministic = 0.0, 4, 4, False

    def __init__(self, data: Rectangles) -> None:
        self.labels, self._data = data.labels, data

    def choose(self, frames: list[Frame | FailedFrame]) -> list[int]:
        return list(range(len(frames)))

    def resize(self, image: Any) -> Pixels:
        return np.asarray(image)

    def prepare(self, frame: Frame | FailedFrame) -> Frame | FailedFrame:
        return frame

    def detect_frames(self, frames: list[Frame | FailedFrame]) -> list[Detections | FailedFrame]:
        return [frame if isinstance(frame, FailedFrame) else self._look(frame.origin.index) for frame in frames]

    def _look(self, index: int) -> Detections:
        truths = self._data.truths(index)
        return Detections(truths.boxes_xyxy, np.full(len(truths), 0.9, np.float32), truths.class_ids)


class PartlyKnown(Rectangles):
    """Of the first images nobody knows what is true, as of one whose size is not known."""

    def __init__(self, count: int, *, unknown: int) -> None:
        super().__init__(count)
        self._unknown = {self.image_id(index) for index in range(unknown)}

    def annotations(self) -> dict[str, Any]:
        whole = super().annotations()
        return {
            **whole,
            "images": [image for image in whole["images"] if image["id"] not in self._unknown],
            "annotations": [entry for entry in whole["annotations"] if entry["image_id"] not in self._unknown],
        }


def judge(data: Rectangles) -> ValidationResult | None:
    detector = cast("Detector", Knowing(data))
    return judged(detector, data, epoch=0, processes=Processes(), workers=1, stop=StopSignal(), tell=lambda _: None)


@pytest.mark.parametrize("unknown", [0, 3])
def test_images_without_known_truths_are_left_out(unknown: int) -> None:
    judgement = judge(PartlyKnown(8, unknown=unknown))
    assert judgement is not None
    assert judgement.ap == pytest.approx(1)


def test_images_that_cannot_be_read_lower_the_figures_and_are_told() -> None:
    judgement = judge(Rectangles(8, broken={1, 2}))
    assert judgement is not None
    assert judgement.ap < 0.99
    assert judgement.notes == ("2 of the 8 images to judge on cannot be read: what is true of them is missed",)
