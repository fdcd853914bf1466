"""The inputs of calibration: batches of the size of the network, of images of one size, again in each pass."""

import numpy as np
import pytest

from detcli.exporting.calibration import CalibrationInputs
from detcli.inference.preprocessing.preprocessing import Preprocessing
from detcli.inference.preprocessing.resize_rules import FixedSize, ShortestEdge
from detcli.runtimes.exported.exported_facts import ExportedFacts
from detcli.structures.class_labels import ClassLabels
from detcli.structures.frame import FailedFrame, Frame, Origin

ONE_SIZE = Preprocessing(FixedSize((32, 48)), has_mask=False)
MANY_SIZES = Preprocessing(ShortestEdge(32, 64), mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))


def facts(preprocessing: Preprocessing, batch: int | None) -> ExportedFacts:
    return ExportedFacts(
        model="m",
        labels=ClassLabels.from_names(["cat"]),
        preprocessor=preprocessing.as_json(),
        size_divisor=1,
        scores="sigmoid",
        threshold=0.4,
        size_hw=preprocessing.size_hw,
        batch=batch,
    )


def frame(index: int, height: int, width: int) -> Frame:
    pixels = np.full((height, width, 3), 10 * index, np.uint8)
    return Frame(Origin(index, f"{index}", f"{index}", f"{index}"), (height, width), pixels)


FAILED = FailedFrame(Origin(9, "9", "9", "9"), "truncated", "it ends early")


@pytest.mark.parametrize(("batch", "shapes"), [(None, [1] * 5), (1, [1] * 5), (2, [2] * 3), (8, [8])])
def test_batches_have_the_size_of_the_network(batch: int | None, shapes: list[int]) -> None:
    inputs = CalibrationInputs(facts(ONE_SIZE, batch), [FAILED, *(frame(i, 40, 40) for i in range(5))])
    assert (inputs.images, len(inputs)) == (5, len(shapes))
    assert [pixels.shape for pixels in inputs] == [(size, 3, 32, 48) for size in shapes]
    values = np.concatenate([pixels[:, 0, 0, 0] for pixels in inputs])
    np.testing.assert_allclose(values[:5], np.arange(5) * 10 / 255, atol=1e-6)
    np.testing.assert_allclose(values[5:], 40 / 255, atol=1e-6)  # the last image again


def test_images_of_one_size_share_a_batch() -> None:
    inputs = CalibrationInputs(facts(MANY_SIZES, 2), [frame(0, 32, 64), frame(1, 64, 32), frame(2, 32, 64)])
    assert sorted(pixels.shape for pixels in inputs) == [(2, 3, 32, 64), (2, 3, 64, 32)]


def test_every_pass_has_the_same_normalized_pixels() -> None:
    inputs = CalibrationInputs(facts(MANY_SIZES, None), [frame(index, 32, 64) for index in range(3)])
    first, second = list(inputs), list(inputs)
    np.testing.assert_array_equal(first, second)
    np.testing.assert_allclose(first[2][0, :, 0, 0], (20 / 255 - 0.5) / 0.25, atol=1e-5)
    assert first[0].dtype == np.float32


def test_only_resized_images_stay_in_memory() -> None:
    inputs = CalibrationInputs(facts(ONE_SIZE, None), [frame(0, 400, 400)])
    assert [kept.pixels for kept in inputs._frames] == [None]
