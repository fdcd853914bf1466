"""Pre- and postprocessing with numpy give what those with torch give."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from detcli.errors import UnsupportedModelError
from detcli.inference.postprocessing.array_postprocess import array_results
from detcli.inference.postprocessing.selection import NotFiniteError, Selection
from detcli.inference.postprocessing.tensor_postprocess import start_tensor_results
from detcli.inference.preprocessing.array_preprocessor import ArrayPreprocessor
from detcli.inference.preprocessing.exported_padding import check_padding
from detcli.inference.preprocessing.preprocessing import Preprocessing
from detcli.inference.preprocessing.resize_rules import FixedSize, ShortestEdge
from detcli.inference.preprocessing.tensor_preprocessor import Preprocessor
from detcli.runtimes.exported.array_io import ArrayBatch, ArrayOutputs
from detcli.runtimes.exported.exported_outputs import PixelScale
from detcli.structures.detections import Detections
from detcli.structures.frame import Frame, Origin
from detcli.structures.network_io import Batch, Outputs

NORMALIZED = Preprocessing(ShortestEdge(48, 80), mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
PLAIN = Preprocessing(FixedSize((32, 64)))
UNSCALED = Preprocessing(FixedSize((32, 64)), rescale=None)
ODD = Preprocessing(FixedSize((32, 64)), rescale=0.01, mean=(0.1, 0.2, 0.3), std=(2.0, 0.5, 3.0))


def frames(count: int, size_hw: tuple[int, int] = (40, 70)) -> list[Frame]:
    random = np.random.default_rng(7)
    pixels = random.integers(0, 256, (count, *size_hw, 3), dtype=np.uint8)
    return [Frame(Origin(i, f"{i}.png", f"{i}.png", str(i)), size_hw, image) for i, image in enumerate(pixels)]


@pytest.mark.parametrize("preprocessing", [NORMALIZED, PLAIN, UNSCALED, ODD])
def test_the_input_has_the_same_bits(preprocessing: Preprocessing) -> None:
    expected = Preprocessor(preprocessing, torch.device("cpu")).batch(frames(3))
    batch = ArrayPreprocessor(preprocessing).batch(frames(3))
    pixels = PixelScale(preprocessing.as_json())(batch.pixels)
    assert pixels.tobytes() == expected.pixels.contiguous().numpy().tobytes()
    assert batch.sizes_hw.tolist() == expected.sizes_hw.tolist()
    assert batch.resized_hw.tolist() == expected.resized_hw.tolist()


@pytest.mark.parametrize("preprocessing", [NORMALIZED, PLAIN, UNSCALED, ODD, replace(PLAIN, pad_size_hw=(64, 64))])
def test_preprocessing_is_written_and_read_back(preprocessing: Preprocessing) -> None:
    divisor = 1 if isinstance(preprocessing.sizing, ShortestEdge) else 32
    read = Preprocessing.from_json(preprocessing.as_json(), size_divisor=divisor)
    assert replace(read, has_mask=True) == replace(preprocessing, has_mask=True)


def test_padding_to_a_fixed_size_is_black() -> None:
    batch = ArrayPreprocessor(replace(PLAIN, pad_size_hw=(64, 96))).batch(frames(2))
    assert batch.pixels.shape == (2, 64, 96, 3)
    assert not batch.pixels[:, 32:].any()
    assert not batch.pixels[:, :, 64:].any()


def test_images_of_different_sizes_are_padded_to_a_fixed_size() -> None:
    preprocessing = Preprocessing(ShortestEdge(48, 80), pad_size_hw=(80, 96), has_mask=False)
    mixed = [*frames(1), *frames(1, (90, 30))]
    expected = Preprocessor(preprocessing, torch.device("cpu")).batch(mixed)
    batch = ArrayPreprocessor(preprocessing).batch(mixed)
    assert PixelScale(preprocessing.as_json())(batch.pixels).tobytes() == expected.pixels.contiguous().numpy().tobytes()
    assert batch.resized_hw.tolist() == expected.resized_hw.tolist()
    assert len(set(map(tuple, batch.resized_hw.tolist()))) == 2


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"has_mask": True}, "marks the padding"),
        ({"mean": (0.4, 0.4, 0.4), "std": (0.2, 0.2, 0.2), "has_mask": False}, "zeros after normalization"),
    ],
)
def test_padding_that_is_not_black_is_refused(changes: dict[str, Any], reason: str) -> None:
    padded = replace(PLAIN, pad_size_hw=(64, 96), **changes)
    with pytest.raises(UnsupportedModelError, match=rf"pads every image to 64 x 96 .*{reason}"):
        check_padding(padded)


@pytest.mark.parametrize(
    "preprocessing",
    [NORMALIZED, replace(PLAIN, pad_size_hw=(64, 96), has_mask=False), replace(NORMALIZED, sizing=FixedSize((64, 96)))],
)
def test_padding_with_black_and_none_are_allowed(preprocessing: Preprocessing) -> None:
    check_padding(preprocessing)
    check_padding(replace(preprocessing, sizing=FixedSize((64, 96)), pad_size_hw=(64, 96)))


def test_images_of_different_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="different sizes"):
        ArrayPreprocessor(NORMALIZED).batch([*frames(1), *frames(1, (90, 30))])


@pytest.mark.parametrize("class_ids", [None, (1,), (0, 4)])
@pytest.mark.parametrize("scores", ["sigmoid", "softmax"])
@pytest.mark.parametrize("padded", [False, True])
def test_detections_are_those_of_torch(scores: str, class_ids: tuple[int, ...] | None, padded: bool) -> None:
    random = np.random.default_rng(3)
    logits = random.normal(size=(4, 50, 6)).astype(np.float32) * 3
    boxes = random.uniform(0.05, 0.95, (4, 50, 4)).astype(np.float32)
    sizes = random.integers(20, 900, (4, 2))
    resized = np.array([[32, 64]] * 4) // (2 if padded else 1)
    preprocessing = replace(PLAIN, pad_size_hw=(32, 64) if padded else None)
    selection = Selection(0.3, 20, class_ids, scores)  # type: ignore[arg-type]
    found = array_results(
        ArrayOutputs(logits, boxes),
        ArrayBatch(np.zeros((4, 32, 64, 3), np.uint8), sizes, resized),
        preprocessing,
        selection,
        None,
    )
    expected = start_tensor_results(
        Outputs(torch.from_numpy(logits), torch.from_numpy(boxes)),
        Batch(torch.zeros(4, 3, 32, 64), None, torch.from_numpy(sizes), torch.from_numpy(resized)),
        preprocessing,
        selection,
        None,
    )()
    for ours, theirs in zip(found, expected, strict=True):
        assert isinstance(ours, Detections)
        assert isinstance(theirs, Detections)
        assert len(ours.scores) > 0
        assert ours.class_ids.tolist() == theirs.class_ids.tolist()
        np.testing.assert_allclose(ours.scores, theirs.scores, atol=1e-7)
        np.testing.assert_allclose(ours.boxes_xyxy, theirs.boxes_xyxy, atol=1e-4)


@pytest.mark.parametrize("scores", ["sigmoid", "softmax"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_outputs_that_are_not_finite_are_an_error_of_their_image(scores: str, value: float) -> None:
    logits = np.zeros((2, 5, 3), np.float32)
    logits[1, 2, 0] = value
    outputs = ArrayOutputs(logits, np.full((2, 5, 4), 0.5, np.float32))
    batch = ArrayBatch(np.zeros((2, 32, 64, 3), np.uint8), np.full((2, 2), 50), np.full((2, 2), 32))
    first, second = array_results(outputs, batch, PLAIN, Selection(0.1, 3, scores=scores), None)  # type: ignore[arg-type]
    assert isinstance(first, Detections)
    assert isinstance(second, NotFiniteError)
