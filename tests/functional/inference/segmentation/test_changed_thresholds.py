"""A loaded detector with another threshold makes the segments of one that was loaded with it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import detcli
from detcli.inference.segmentation.segmentation_settings import SegmentationSettings
from detcli.structures.detections import Detections
from tests.helpers.cli_runs import image
from tests.helpers.exported_models import random_frames
from tests.helpers.segment_samples import write_panoptic_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_panoptic_model(tmp_path_factory.mktemp("panoptic") / "tiny", 14, distinct_masks=True)


def load(model: Path, task: Any, threshold: Any = None) -> detcli.Detector:
    return detcli.load_detector(model, segmentation=task, threshold=threshold, runtime="torch", batch_size=1)


def segments(detector: detcli.Detector) -> list[tuple[Any, ...]]:
    found = detector.detect_frames(random_frames(3, (64, 80)))
    return [
        (int(class_id), round(float(score), 5), mask.as_json()["counts"])
        for one in found
        if isinstance(one, Detections) and one.masks is not None
        for class_id, score, mask in zip(one.class_ids, one.scores, one.masks, strict=True)
    ]


@pytest.mark.parametrize("task", ["panoptic", "instance", "semantic"])
@pytest.mark.parametrize("threshold", [0.0, 0.2, {"*": 0.9, "person": 0.1, "sky": 0.3}])
def test_a_changed_threshold_gives_the_segments_of_a_loaded_one(model: Path, task: str, threshold: Any) -> None:
    changed = load(model, task).with_settings(threshold=threshold)
    expected = segments(load(model, task, threshold))
    assert segments(changed) == expected
    assert len(expected) >= 2


def test_detectors_that_share_a_network_keep_their_segments(model: Path) -> None:
    high = load(model, "panoptic", 0.5)
    before = segments(high)
    low = high.with_settings(threshold=0.1)
    assert len(segments(low)) > len(before)
    assert segments(high) == before
    again = low.with_settings(threshold=0.5)
    assert segments(again) == before
    assert segments(low) == segments(load(model, "panoptic", 0.1))


def test_a_run_with_a_loaded_detector_has_its_own_threshold(model: Path, tmp_path: Path) -> None:
    from PIL import Image

    Image.fromarray(np.random.default_rng(1).integers(0, 255, (64, 80, 3), np.uint8)).save(tmp_path / "1.png")
    written = []
    for number, given in enumerate((model, load(model, "panoptic"))):
        path = tmp_path / f"{number}.jsonl"
        detcli.segment(tmp_path / "1.png", model=given, threshold=0.2, outputs=[path], runtime="torch", batch_size=1)
        written.append(path.read_text())
    assert written[0] == written[1]
    assert '"label"' in written[0]


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    return image(tmp_path / "1.png")


def written(path: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The arguments of the run, and its records."""
    first, *records = [json.loads(line) for line in path.read_bytes().splitlines()]
    return first["detcli"]["arguments"], records


@pytest.mark.parametrize("name", ["rule", "mask_threshold", "overlap_threshold"])
def test_what_a_loaded_detector_does_otherwise_is_refused(name: str, model: Path, photo: Path) -> None:
    """It was ignored without a word, and the results said what was asked for."""
    detector = load(model, SegmentationSettings("instance", "transformers", mask_threshold=0.3, overlap_threshold=0.7))
    other = {"rule": "original", "mask_threshold": 0.5, "overlap_threshold": 0.8}[name]
    output = photo.with_name("out.jsonl")
    given: dict[str, Any] = {name: other}
    with pytest.raises(detcli.UsageError, match=f"`{name}` must be set when the detector is loaded, .* already, with"):
        detcli.segment(photo, model=detector, task="instance", outputs=output, **given)
    assert not output.exists()


def test_a_loaded_detector_keeps_how_it_makes_segments_and_says_so(model: Path, photo: Path) -> None:
    own: dict[str, Any] = {"rule": "transformers", "mask_threshold": 0.3, "overlap_threshold": 0.7}
    detector = load(model, SegmentationSettings("instance", threshold=0.1, **own))
    runs = []
    for number, (used, given) in enumerate(((detector, {}), (detector, own), (str(model), {**own, "threshold": 0.1}))):
        path = photo.with_name(f"{number}.jsonl")
        detcli.segment(photo, model=used, task="instance", runtime="torch", outputs=path, header=True, **given)
        arguments, records = written(path)
        assert {name: arguments[name] for name in own} == own
        runs.append(records)
    assert runs[0] == runs[1] == runs[2]
    assert runs[0][0]["detections"]


def test_without_settings_segments_are_made_as_before(model: Path, photo: Path) -> None:
    path = photo.with_name("out.jsonl")
    detcli.segment(photo, model=str(model), runtime="torch", outputs=path, header=True)
    arguments, _ = written(path)
    assert (arguments["rule"], arguments["mask_threshold"], arguments["overlap_threshold"]) == ("original", 0.5, 0.8)
