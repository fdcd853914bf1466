"""The bundled model as it is in the package."""

import contextlib
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from detcli.checkpoints.catalog import CATALOG
from detcli.checkpoints.checkpoint_files import read_checkpoint
from detcli.checkpoints.hub.locate_model import check_bundled_model, locate
from detcli.datasets.dataset import open_dataset
from detcli.datasets.shapes import CLASSES
from detcli.evaluation.coco_metrics import evaluate_coco
from detcli.models.family import family_of
from detcli.training.recipes.published_recipes import recipe_for
from tests.helpers.cli_runs import Run

Detcli = Callable[..., Run]

# The first of the images on which the README's AP was measured.
SAMPLE = "shapes:1:100"


def test_its_files_are_complete_and_small() -> None:
    assert [check.state for check in check_bundled_model("shapes")] == ["ok"] * 3
    weights = locate("shapes").folder / "model.safetensors"
    assert weights.stat().st_size <= 4_000_000


def test_the_catalog_describes_it() -> None:
    entry = CATALOG["shapes"]
    checkpoint = read_checkpoint(locate("shapes"))
    family = family_of(checkpoint.config)
    config = family.read_config(checkpoint.config)
    network = family.build(config)
    network.load_state_dict(family.read_weights(checkpoint.tensors, config))
    count = sum(parameter.numel() for parameter in network.parameters())
    assert config.labels == CLASSES
    assert entry.label_count == len(CLASSES)
    assert entry.parameters_millions == pytest.approx(count / 1e6, abs=0.05)
    assert entry.average_precision is not None
    assert entry.average_precision >= 85


@pytest.mark.parametrize("name", ["1-learn.toml", "2-finish.toml", "3-refine.toml"])
def test_its_training_recipes_are_valid(name: str) -> None:
    recipe = recipe_for("dfine-s", scratch=True).merged_with_file(locate("shapes").folder / name)
    assert recipe.batch == recipe.base_batch == 16


def test_pycocotools_gives_the_same_metrics(detcli: Detcli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    ground_truth = open_dataset(SAMPLE, part="val").annotations()
    Path("ground_truth.json").write_text(json.dumps(ground_truth))
    write_images(Path("images"))
    detected = detcli(
        "detect", "images", "-m", "shapes", "-f", "coco-results", "--gt", "ground_truth.json", "-o", "results.json"
    )
    assert detected.code == 0, detected.err
    assert detcli("eval", "-m", "shapes", "--data", SAMPLE, "-o", "report.json").code == 0
    figures = json.loads(Path("report.json").read_text())["metrics"]
    with contextlib.redirect_stdout(io.StringIO()):
        reference = COCO("ground_truth.json")
        evaluation = COCOeval(reference, reference.loadRes("results.json"), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    assert list(figures.values()) == pytest.approx(evaluation.stats.tolist(), abs=1e-6)
    assert figures["AP"] > 0.85


def test_the_demo_detects_the_drawn_shapes(detcli: Detcli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert detcli("demo").code == 0
    ground_truth = json.loads(Path("detcli-demo/images/ground_truth.json").read_text())
    detections = json.loads(Path("detcli-demo/detections.json").read_text())["annotations"]
    assert evaluate_coco(ground_truth, detections).ap > 0.6, "with the boxes above the threshold alone"


def write_images(folder: Path) -> None:
    """The sample as files, under the names that its annotations have."""
    from PIL import Image

    from detcli.structures.frame import Frame

    sample = open_dataset(SAMPLE, part="val")
    folder.mkdir()
    for index in range(len(sample)):
        frame = sample.read(index)
        assert isinstance(frame, Frame)
        assert frame.pixels is not None
        Image.fromarray(frame.pixels).save(folder / frame.origin.relative)
