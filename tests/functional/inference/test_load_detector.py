"""A checkpoint on disk becomes a detector: its settings, the arguments, and results that do not depend on the batch."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from detcli.errors import UnsupportedModelError, UsageError
from detcli.inference.detector import Detector
from detcli.inference.load import load_detector
from detcli.sources.source import SourceSettings, make_source
from detcli.structures.detections import Detections
from detcli.structures.frame import Frame, Origin


@pytest.fixture(scope="module")
def frames() -> list[Frame]:
    random = np.random.default_rng(0)
    sizes = [tuple(random.integers(20, 300, 2).tolist()) for _ in range(11)]
    return [
        Frame(Origin(i, f"{i}.png", f"{i}.png", str(i)), size, random.integers(0, 256, (*size, 3), np.uint8))
        for i, size in enumerate(sizes)
    ]


def found(detector: Detector, frames: list[Frame]) -> list[Detections]:
    answers = detector.detect_frames(frames)
    assert all(isinstance(answer, Detections) for answer in answers)
    return answers  # type: ignore[return-value]


def assert_close(one: list[Detections], other: list[Detections], *, score: float, pixels: float) -> None:
    for a, b in zip(one, other, strict=True):
        assert len(a) == len(b) > 0
        assert np.allclose(np.sort(a.scores), np.sort(b.scores), atol=score, rtol=0)
        order_a, order_b = (np.lexsort((d.boxes_xyxy[:, 0].round(1), d.class_ids)) for d in (a, b))
        assert np.allclose(a.boxes_xyxy[order_a], b.boxes_xyxy[order_b], atol=pixels, rtol=0)


def test_a_batch_gives_what_its_images_give_one_by_one(tiny_checkpoint: Path, frames: list[Frame]) -> None:
    detector = load_detector(str(tiny_checkpoint), threshold=0.1, batch_size=5)
    together = found(detector, frames)
    apart = [found(detector, [frame])[0] for frame in frames]
    assert_close(together, apart, score=1e-5, pixels=1e-5 * 300 * 4)


def test_the_folded_network_gives_the_detections_of_the_plain_one(tiny_checkpoint: Path, frames: list[Frame]) -> None:
    folded = load_detector(str(tiny_checkpoint), threshold=0.1)
    plain = load_detector(str(tiny_checkpoint), threshold=0.1, optimize=False)
    assert_close(found(folded, frames), found(plain, frames), score=1e-3, pixels=0.1)


def test_a_deterministic_detector_gives_the_same_bytes_in_any_batch(tiny_checkpoint: Path, frames: list[Frame]) -> None:
    detector = load_detector(str(tiny_checkpoint), threshold=0.1, batch_size=4, deterministic=True)
    straight = found(detector, frames)
    shuffled = found(detector, [frames[i] for i in (7, 3, 0, 10, 5, 1, 9, 2, 8, 4, 6)])
    for place, index in enumerate((7, 3, 0, 10, 5, 1, 9, 2, 8, 4, 6)):
        assert shuffled[place].boxes_xyxy.tobytes() == straight[index].boxes_xyxy.tobytes()
        assert shuffled[place].scores.tobytes() == straight[index].scores.tobytes()


def test_an_image_resized_as_it_is_read_is_the_image_prepared_later(tiny_checkpoint: Path, tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    for name, size in (("a.jpg", (70, 90, 3)), ("b.png", (64, 96, 3)), ("c.png", (33, 44))):
        Image.fromarray(random.integers(0, 256, size, np.uint8)).save(tmp_path / name)
    detector = load_detector(str(tiny_checkpoint))
    for image in make_source([str(tmp_path)], SourceSettings()):
        whole, resized = image(), image(detector.resize)
        assert isinstance(whole, Frame)
        assert isinstance(resized, Frame)
        assert resized.pixels is None
        assert resized.size_hw == whole.size_hw
        later = detector.prepare(whole)
        assert isinstance(later, Frame)
        assert np.array_equal(resized.prepared, later.prepared)  # type: ignore[arg-type]


def test_size_and_labels_are_those_of_the_checkpoint(tiny_checkpoint: Path, frames: list[Frame]) -> None:
    detector = load_detector(str(tiny_checkpoint))
    assert detector.preprocessor.preprocessing.size_hw == (64, 96)
    assert detector.labels.names == ("cat", "dog", "cow")
    assert detector.labels.category_ids == (1, 2, 3)
    assert detector.threshold == 0.4
    assert detector.precision == "fp32"


def test_arguments_set_size_threshold_classes_and_number(tiny_checkpoint: Path, frames: list[Frame]) -> None:
    detector = load_detector(
        str(tiny_checkpoint), threshold=0.2, classes=["dog", "2"], max_detections=3, image_size=(96, 64)
    )
    for answer in found(detector, frames):
        assert len(answer) <= 3
        assert set(answer.class_ids.tolist()) <= {1, 2}
        assert (answer.scores > 0.2).all()
    with pytest.raises(UsageError, match="no class 'horse'"):
        load_detector(str(tiny_checkpoint), classes=["horse"])
    with pytest.raises(UsageError, match="`image_size` 65"):
        load_detector(str(tiny_checkpoint), image_size=(65, 64))


def test_bf16_gives_nearly_the_same_scores(tiny_checkpoint: Path, frames: list[Frame]) -> None:
    exact = found(load_detector(str(tiny_checkpoint), threshold=0.0), frames)
    rough = found(load_detector(str(tiny_checkpoint), threshold=0.0, precision="bf16"), frames)
    for a, b in zip(exact, rough, strict=True):
        assert np.abs(a.scores[:5] - b.scores[:5]).max() < 0.1


def test_an_unknown_family_is_refused_by_its_name(tiny_checkpoint: Path, tmp_path: Path) -> None:
    folder = tmp_path / "yolo"
    shutil.copytree(tiny_checkpoint, folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"model_type": "yolos"}))
    with pytest.raises(UnsupportedModelError, match="yolos"):
        load_detector(str(folder))


@pytest.mark.gpu
@pytest.mark.skipif("not __import__('torch').cuda.is_available()", reason="needs a CUDA device")
def test_the_gpu_gives_the_detections_of_the_cpu(tiny_checkpoint: Path, frames: list[Frame]) -> None:
    on_cpu = found(load_detector(str(tiny_checkpoint), threshold=0.1, device="cpu"), frames)
    on_gpu = found(load_detector(str(tiny_checkpoint), threshold=0.1, device="cuda"), frames)
    assert_close(on_cpu, on_gpu, score=1e-3, pixels=0.1)
