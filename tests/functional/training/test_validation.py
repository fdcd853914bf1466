"""Evaluating during a run: the figures are those of the images whose ground truth are known."""

from typing import Any, cast

import numpy as np
import pytest

from detcli.inference.detector import Detector
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame, Pixels
from detcli.structures.stop_signal import StopSignal
from detcli.training.optimization.distributed import Processes
from detcli.training.validation import ValidationResult, validate
from tests.helpers.training_jobs import Rectangles


class Knowing:
    """Finds every rectangle of a dataset, where it is."""

    threshold, batch_size, look_ahead, deterministic, batches_in_flight = 0.0, 4, 4, False, 1
    remarks = ()

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
        ground_truth = self._data.ground_truth(index)
        return Detections(ground_truth.boxes_xyxy, np.full(len(ground_truth), 0.9, np.float32), ground_truth.class_ids)


class PartlyKnown(Rectangles):
    """The first images have no known ground truth, like images of unknown size."""

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


def run_validation(data: Rectangles) -> ValidationResult | None:
    detector = cast("Detector", Knowing(data))
    return validate(detector, data, epoch=0, processes=Processes(), workers=1, stop=StopSignal(), notify=lambda _: None)


@pytest.mark.parametrize("unknown", [0, 3])
def test_images_without_ground_truth_are_left_out(unknown: int) -> None:
    validation_result = run_validation(PartlyKnown(8, unknown=unknown))
    assert validation_result is not None
    assert validation_result.ap == pytest.approx(1)


def test_a_validation_finds_the_threshold_of_the_model() -> None:
    validation_result = run_validation(PartlyKnown(8, unknown=3))
    assert validation_result is not None
    assert validation_result.threshold is not None
    assert 0.89 < validation_result.threshold.value < 0.9  # all scores are 0.9: no lower one was tried
    assert validation_result.threshold.source.startswith("the highest F1, 1.000, on '")


def test_images_that_cannot_be_read_lower_the_metrics() -> None:
    validation_result = run_validation(Rectangles(8, broken={1, 2}))
    assert validation_result is not None
    assert validation_result.ap < 0.99
    assert validation_result.notes == (
        "2 of the 8 validation images cannot be read: their ground truth counts as false negatives",
    )
