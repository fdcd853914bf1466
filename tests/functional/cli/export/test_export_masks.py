"""`export --masks`, and `segment -m` of the file: the segments of the checkpoint."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from detcli.structures.masks import Rle
from tests.helpers.cli_runs import Run, image
from tests.helpers.exported_models import export_shapes
from tests.helpers.segment_samples import write_panoptic_model

DetcliRun = Callable[..., Run]


@pytest.fixture(scope="module")
def panoptic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_panoptic_model(tmp_path_factory.mktemp("panoptic") / "tiny", 14, distinct_masks=True)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory, panoptic: Path) -> Path:
    """tiny.onnx and tiny.xml, for any number of images."""
    import detcli

    folder = tmp_path_factory.mktemp("exported")
    photos = tmp_path_factory.mktemp("photos")
    for seed in range(4):
        image(photos / f"{seed}.png", seed)
    for suffix in (".onnx", ".xml"):
        path = folder / f"tiny{suffix}"
        assert detcli.export_model(panoptic, path, masks=True, images=photos, batch="dynamic")
    return folder


def segments(run: Run) -> list[list[dict[str, Any]]]:
    assert run.code == 0, run.err
    return [json.loads(line)["detections"] for line in run.out.splitlines()]


def assert_same_segments(found: list[list[dict[str, Any]]], expected: list[list[dict[str, Any]]]) -> int:
    """Compare label, score and mask; returns how many there are."""
    count = 0
    for ours, theirs in zip(found, expected, strict=True):
        assert [one["label"] for one in ours] == [one["label"] for one in theirs]
        for one, other in zip(ours, theirs, strict=True):
            assert one.get("score") == pytest.approx(other.get("score"), abs=1e-3)
            own, others = (Rle.from_json(each["segmentation"]).decode() for each in (one, other))
            assert (own != others).mean() < 2e-3
            count += 1
    return count


@pytest.mark.parametrize(
    ("name", "runtime"), [("tiny.onnx", "onnx"), ("tiny.onnx", "openvino"), ("tiny.xml", "openvino")]
)
@pytest.mark.parametrize("task", ["panoptic", "instance", "semantic"])
def test_segments_are_those_of_the_checkpoint(
    detcli: DetcliRun, images: Path, panoptic: Path, exported: Path, name: str, runtime: str, task: str
) -> None:
    arguments = ["segment", "in", "--task", task, "-t", "0.2", "-b", "1"]
    found = segments(detcli(*arguments, "-m", exported / name, "--runtime", runtime))
    expected = segments(detcli(*arguments, "-m", panoptic, "--runtime", "torch"))
    assert assert_same_segments(found, expected) >= 5


@pytest.mark.parametrize("name", ["tiny.onnx", "tiny.xml"])
@pytest.mark.parametrize("task", ["panoptic", "semantic"])
def test_label_maps_are_those_of_the_checkpoint(
    detcli: DetcliRun, images: Path, panoptic: Path, exported: Path, name: str, task: str
) -> None:
    for model, folder, runtime in ((exported / name, "maps", "auto"), (panoptic, "expected", "torch")):
        options = ("-m", model, "--task", task, "-t", "0.2", "-b", "1", "--runtime", runtime)
        run = detcli("segment", "in", *options, "--save-masks", folder, "-o", f"{folder}.json")
        assert run.code == 0, run.err
    maps = sorted(path.relative_to("maps") for path in Path("maps").rglob("*.png"))
    assert len(maps) == 5
    for path in maps:
        own, other = (np.asarray(Image.open(folder / path)) for folder in (Path("maps"), Path("expected")))
        assert own.shape == other.shape == (48, 64)
        assert (own != other).mean() < 2e-3


def test_a_file_without_masks_is_refused(detcli: DetcliRun, images: Path, tmp_path: Path) -> None:
    path = export_shapes(tmp_path / "boxes.onnx")
    for command in (["segment", "in"], ["segment", "in", "--task", "semantic"]):
        run = detcli(*command, "-m", path)
        assert (run.code, "'boxes.onnx' detects boxes, not masks" in run.err) == (5, True), run.err
