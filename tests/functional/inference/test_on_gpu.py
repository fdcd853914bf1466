"""What only a GPU shows: the same input to the last bit, and the same detections with two batches in its queue."""

import numpy as np
import pytest
import torch

from benchmarks.synthetic.shape_sequences import ShapeSequence
from detcli.inference.load import load_detector
from detcli.inference.preprocessing.preprocessing import Preprocessing
from detcli.inference.preprocessing.resize_rules import FixedSize, ShortestEdge
from detcli.inference.preprocessing.tensor_preprocessor import Preprocessor
from detcli.structures.frame import Frame, Origin
from tests.helpers.exported_models import assert_same_detections

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")]
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@pytest.mark.parametrize(
    "preprocessing",
    [
        Preprocessing(FixedSize((160, 192))),
        Preprocessing(FixedSize((160, 192)), mean=MEAN, std=STD),
        Preprocessing(ShortestEdge(160, 192), mean=MEAN, std=STD),
    ],
)
def test_the_input_has_the_bits_of_the_cpu(preprocessing: Preprocessing) -> None:
    random = np.random.default_rng(5)
    pixels = random.integers(0, 256, (4, 211, 333, 3), dtype=np.uint8)
    frames = [Frame(Origin(i, f"{i}", f"{i}", str(i)), (211, 333), image) for i, image in enumerate(pixels)]
    expected = Preprocessor(preprocessing, torch.device("cpu")).batch(frames)
    gpu = Preprocessor(preprocessing, torch.device("cuda", 0))
    found = gpu.batch([gpu.prepare(frame) for frame in frames])
    assert torch.equal(found.pixels.cpu(), expected.pixels)


def test_the_default_batch_fits_into_the_free_memory() -> None:
    detector = load_detector("shapes", device="cuda")
    assert 1 <= detector.batch_size <= 64
    sequence = ShapeSequence("easy", 1, frames=1, rate=15)
    detector.detect_frames([sequence.frame(0)] * detector.batch_size)
    assert detector.batch_size == load_detector("shapes", device="cuda").batch_size


@pytest.mark.parametrize(("precision", "pixels", "score"), [("fp32", 0.1, 1e-3), ("fp16", 5.0, 0.2)])
def test_two_batches_in_flight_give_the_detections_of_the_cpu(precision: str, pixels: float, score: float) -> None:
    sequence = ShapeSequence("easy", 1, frames=12, rate=15)
    frames = [sequence.frame(index) for index in range(12)]
    gpu = load_detector("shapes", device="cuda", precision=precision, batch_size=4)
    assert gpu.batches_in_flight == 2
    pending = [gpu.submit(frames[start : start + 4]) for start in (0, 4, 8)]
    found = [result for one in pending for result in one.result()]
    expected = load_detector("shapes", device="cpu").detect_frames(frames)
    assert assert_same_detections(found, expected, pixels=pixels, score=score) > 20
