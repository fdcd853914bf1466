"""Checkpoints of DETR and Deformable DETR become detectors that look at images of many sizes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from detcli.checkpoints.checkpoint_files import write_checkpoint
from detcli.errors import UnsupportedModelError, UsageError
from detcli.inference.config_labels import read_labels
from detcli.inference.detector import Detector
from detcli.inference.load import load_detector
from detcli.inference.segmentation.segmentation_settings import SegmentationSettings
from detcli.models.family import family_of
from detcli.structures.dataset_labels import PUBLISHED_LABELS
from detcli.structures.detections import Detections
from detcli.structures.frame import Frame, Origin
from tests.helpers import deformable_detr_samples as deformable_samples
from tests.helpers import detr_samples

SMALL = {"size": {"shortest_edge": 80, "longest_edge": 133}}
SIZES = [(48, 64), (64, 48), (48, 64), (50, 50), (96, 128), (30, 200), (64, 48), (48, 64), (200, 31), (7, 9), (48, 64)]
Make = Callable[..., str]


@pytest.fixture
def checkpoint(tmp_path: Path) -> Make:
    """Write a tiny model of a family and give its folder."""

    def make(name: str, preprocessor: dict[str, Any] | None = None, **changes: Any) -> str:
        if name == "deformable_detr":
            config = deformable_samples.tiny_json("with-box-refine-two-stage")
            state = deformable_samples.random_network(deformable_samples.tiny("with-box-refine-two-stage")).state_dict()
        else:
            masks = detr_samples.SEGMENTING if name == "panoptic" else {}
            config = detr_samples.tiny_json(**masks)
            state = detr_samples.random_network(detr_samples.tiny(**masks)).state_dict()
        family = family_of(config)
        record = family.read_config(config)
        folder = tmp_path / name
        written = family.write_config(record) | changes
        write_checkpoint(
            folder, written, SMALL if preprocessor is None else preprocessor, family.write_weights(state, record)
        )
        return str(folder)

    return make


@pytest.fixture(scope="module")
def frames() -> list[Frame]:
    """Images of many sizes: a coarse pattern under fine noise, so that they differ for a network too."""
    random = np.random.default_rng(0)
    found = []
    for index, (height, width) in enumerate(SIZES):
        coarse = Image.fromarray(random.integers(0, 256, (3, 4, 3), np.uint8)).resize((width, height))
        pixels = np.asarray(coarse) // 2 + random.integers(0, 128, (height, width, 3), np.uint8)
        found.append(Frame(Origin(index, f"{index}.png", f"{index}.png", str(index)), (height, width), pixels))
    return found


def found(detector: Detector, frames: list[Frame]) -> list[Detections]:
    answers = detector.detect_frames(frames)
    assert all(isinstance(answer, Detections) for answer in answers)
    return answers  # type: ignore[return-value]


def assert_close(one: list[Detections], other: list[Detections], *, score: float, pixels: float) -> None:
    for a, b in zip(one, other, strict=True):
        assert len(a) == len(b) > 0
        assert np.allclose(a.scores, b.scores, atol=score, rtol=0)
        order_a, order_b = (np.lexsort((d.boxes_xyxy[:, 0].round(1), d.class_ids)) for d in (a, b))
        assert np.allclose(a.boxes_xyxy[order_a], b.boxes_xyxy[order_b], atol=pixels, rtol=0)


@pytest.mark.parametrize("name", ["detr", "deformable_detr", "panoptic"])
def test_a_mixed_folder_gives_what_its_images_give_alone(name: str, checkpoint: Make, frames: list[Frame]) -> None:
    detector = load_detector(checkpoint(name), threshold=0.0, batch_size=4)
    together = found(detector, frames)
    apart = [found(detector, [frame])[0] for frame in frames]
    assert_close(together, apart, score=1e-5, pixels=1e-2)


@pytest.mark.parametrize("name", ["detr", "deformable_detr"])
def test_padding_changes_little_and_no_order(name: str, checkpoint: Make, frames: list[Frame]) -> None:
    folder = checkpoint(name)
    plain = found(load_detector(folder, threshold=0.0, batch_size=4), frames)
    padded = found(load_detector(folder, threshold=0.0, batch_size=4, pad=True), frames)
    changed = 0
    for a, b, frame in zip(plain, padded, frames, strict=True):
        assert b.boxes_xyxy.max() <= max(frame.size_hw)
        assert abs(a.scores[0] - b.scores[0]) < 0.2
        changed += not np.array_equal(a.scores, b.scores)
    assert changed, "no image was padded"


@pytest.mark.parametrize("name", ["detr", "deformable_detr"])
def test_a_deterministic_detector_gives_the_same_bytes_whatever_the_batch(
    name: str, checkpoint: Make, frames: list[Frame]
) -> None:
    folder = checkpoint(name)
    one, other = (
        found(load_detector(folder, threshold=0.0, batch_size=size, deterministic=True), order)
        for size, order in ((8, frames), (3, frames[::-1]))
    )
    for a, b in zip(one, reversed(other), strict=True):
        assert a.boxes_xyxy.tobytes() == b.boxes_xyxy.tobytes()
        assert a.scores.tobytes() == b.scores.tobytes()


def test_each_family_has_its_kind_of_scores(checkpoint: Make) -> None:
    assert load_detector(checkpoint("detr")).selection.scores == "softmax"
    assert load_detector(checkpoint("deformable_detr")).selection.scores == "sigmoid"


def test_never_more_than_there_are_queries(checkpoint: Make, frames: list[Frame]) -> None:
    for name, queries in (("detr", 12), ("deformable_detr", 11)):
        for answer in found(load_detector(checkpoint(name), threshold=0.0), frames):
            assert 0 < len(answer) <= queries


def test_an_image_is_resized_by_the_model_or_the_arguments(checkpoint: Make) -> None:
    folder = checkpoint("detr")
    assert load_detector(folder).preprocessor.preprocessing.resized_hw((48, 64)) == (80, 106)
    assert load_detector(folder, image_size=(32, 40)).preprocessor.preprocessing.resized_hw((48, 64)) == (30, 40)
    with pytest.raises(UsageError, match="`image_size` 40 64"):
        load_detector(folder, image_size=(64, 40))


def test_a_model_without_a_preprocessor_takes_images_as_its_family(checkpoint: Make) -> None:
    folder = Path(checkpoint("detr"))
    (folder / "preprocessor_config.json").unlink()
    detector = load_detector(str(folder))
    assert detector.preprocessor.preprocessing.resized_hw((480, 640)) == (800, 1066)
    assert detector.preprocessor.preprocessing.mean == (0.485, 0.456, 0.406)
    assert detector.batch_size == 1
    assert any("preprocessor_config.json" in note for note in detector.notes)


def test_pad_cannot_be_combined_with_deterministic(checkpoint: Make) -> None:
    with pytest.raises(UsageError, match="`pad` cannot be combined with `deterministic`"):
        load_detector(checkpoint("detr"), pad=True, deterministic=True)


def test_a_model_that_cannot_be_padded_is_a_usage_error(checkpoint: Make) -> None:
    folder = checkpoint("detr", {**SMALL, "do_pad": False})
    assert not load_detector(folder).pad
    with pytest.raises(UsageError, match="do_pad is off"):
        load_detector(folder, pad=True)


def test_compiling_for_many_sizes_gives_a_note(checkpoint: Make) -> None:
    assert any("`compile`" in note for note in load_detector(checkpoint("detr"), compile=True).notes)
    assert not any("`compile`" in note for note in load_detector(checkpoint("detr")).notes)


def test_masks_are_computed_only_for_segmentation(checkpoint: Make, frames: list[Frame]) -> None:
    folder = checkpoint("panoptic", stuff=[3, 4])
    for answer in found(load_detector(folder, threshold=0.0), frames[:2]):
        assert answer.masks is None
    asked = SegmentationSettings("panoptic", "transformers", threshold=0.0)
    detector = load_detector(folder, segmentation=asked, classes=["class 1", "class 3"])
    assert detector.segmentation is not None
    assert (detector.segmentation.class_ids, detector.segmentation.stuff) == ((1, 3), {3, 4})
    assert detector.threshold == 0.0
    for answer, frame in zip(found(detector, frames[:3]), frames, strict=False):
        assert answer.masks is not None
        assert all(mask.size_hw == frame.size_hw for mask in answer.masks)


def test_segments_of_a_mixed_folder_are_those_of_its_images_alone(checkpoint: Make, frames: list[Frame]) -> None:
    asked = SegmentationSettings("instance", threshold=0.0)
    detector = load_detector(checkpoint("panoptic"), segmentation=asked, batch_size=4)
    for together, frame in zip(found(detector, frames), frames, strict=True):
        [alone] = found(detector, [frame])
        assert together.masks is not None
        assert alone.masks is not None
        assert len(together) == len(alone) > 0
        same = [np.mean(a.decode() == b.decode()) for a, b in zip(together.masks, alone.masks, strict=True)]
        assert min(same) > 0.99


def test_a_model_without_masks_names_those_that_have(checkpoint: Make, tiny_checkpoint: Path) -> None:
    for model in (checkpoint("detr"), str(tiny_checkpoint), "dfine-s", "facebook/detr-resnet-50"):
        with pytest.raises(
            UnsupportedModelError, match="detects boxes, not masks; models that segment: detr-r50-panoptic"
        ):
            load_detector(model, segmentation=SegmentationSettings("panoptic"), offline=True)


@pytest.mark.parametrize("stuff", [[5], [-1], [True], ["sky"], {"0": 1}, 3, [1.0]])
def test_stuff_that_is_not_a_class_is_refused(checkpoint: Make, stuff: Any) -> None:
    with pytest.raises(UnsupportedModelError, match="'stuff' must be class indices, from 0 to 4"):
        load_detector(checkpoint("panoptic", stuff=stuff))


def test_stuff_and_category_ids_are_in_the_labels(checkpoint: Make) -> None:
    labels = load_detector(checkpoint("panoptic", stuff=[4], category_ids=[9, 8, 7, 6, 5])).labels
    assert (labels.stuff, labels.category_ids) == ({4}, (9, 8, 7, 6, 5))
    assert read_labels({}, PUBLISHED_LABELS[250]).stuff == set(range(91, 250))
    own = [f"class {i}" for i in range(250)]
    assert not read_labels({}, own).stuff
    assert read_labels({}, own, "coco-panoptic").stuff == set(range(91, 250))


@pytest.mark.gpu
@pytest.mark.skipif("not __import__('torch').cuda.is_available()", reason="needs a CUDA device")
@pytest.mark.parametrize("name", ["detr", "deformable_detr"])
def test_the_gpu_gives_the_detections_of_the_cpu(name: str, checkpoint: Make, frames: list[Frame]) -> None:
    folder = checkpoint(name)
    on_cpu = found(load_detector(folder, threshold=0.1, device="cpu"), frames)
    on_gpu = found(load_detector(folder, threshold=0.1, device="cuda"), frames)
    assert torch.cuda.is_initialized()
    assert_close(on_cpu, on_gpu, score=1e-3, pixels=0.1)
