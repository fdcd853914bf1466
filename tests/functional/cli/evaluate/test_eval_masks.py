"""`detcli eval --iou-type segm`: masks of results, and of a model, evaluated as COCO evaluates them."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.helpers.cli_runs import Run, image
from tests.helpers.segment_samples import write_panoptic_model

Detcli = Callable[..., Run]


@pytest.fixture
def scene(detcli: Detcli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Images, the instances that a model finds in them, and these as annotations."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DETCLI_EVAL_DEVICE", "cpu")
    write_panoptic_model(Path("model"))
    for number in range(3):
        image(Path("in", f"{number}.png"), number)
    run = detcli(
        "segment", "in", "-m", "model", "--task", "instance", "-t", "0", "-d", "cpu", "-f", "coco", "-o", "found.json"
    )
    assert run.code == 0, run.err
    found = json.loads(Path("found.json").read_text())
    assert found["annotations"]
    best = max(one["score"] for one in found["annotations"])
    best_ones = [
        {**one, "id": place + 1, "iscrowd": 0}
        for place, one in enumerate(found["annotations"])
        if one["score"] > 0.5 * best
    ]
    Path("best.json").write_text(json.dumps({**found, "annotations": best_ones}))
    ground_truth = [{key: value for key, value in one.items() if key != "score"} for one in best_ones]
    Path("in/gt.json").write_text(json.dumps({**found, "annotations": ground_truth}))
    return tmp_path


def test_masks_equal_to_the_ground_truth_are_perfect(detcli: Detcli, scene: Path) -> None:
    run = detcli("eval", "best.json", "--gt", "in/gt.json", "--iou-type", "segm", "-f", "json")
    assert run.code == 0, run.err
    report = json.loads(run.out)
    assert report["metrics"]["AP"] == pytest.approx(1.0)
    assert report["iou_type"] == "segm"


def test_a_model_has_the_metrics_of_its_results(detcli: Detcli, scene: Path) -> None:
    of_results = detcli("eval", "found.json", "--gt", "in/gt.json", "--iou-type", "segm", "-f", "json")
    of_model = detcli("eval", "-m", "model", "--data", "in/gt.json", "--iou-type", "segm", "-f", "json")
    assert of_results.code == of_model.code == 0, of_model.err
    assert json.loads(of_results.out)["metrics"] == pytest.approx(json.loads(of_model.out)["metrics"])
    assert json.loads(of_results.out)["metrics"]["AP"] > 0


def test_cut_off_results_name_the_settings_that_keep_every_score(detcli: Detcli, scene: Path) -> None:
    results = [
        {name: one[name] for name in ("image_id", "category_id", "segmentation")} | {"score": 0.9}
        for one in json.loads(Path("in/gt.json").read_text())["annotations"]
    ]
    Path("few.json").write_text(json.dumps(results))
    run = detcli("eval", "few.json", "--gt", "in/gt.json", "--iou-type", "segm")
    assert run.code == 0, run.err
    assert "task=instance with --format coco-results keeps every score" in run.err


def test_results_of_boxes_are_no_masks(detcli: Detcli, scene: Path) -> None:
    run = detcli("detect", "in", "-m", "model", "-t", "0", "-d", "cpu", "-o", "boxes.json", "-f", "coco")
    assert run.code == 0, run.err
    run = detcli("eval", "boxes.json", "--gt", "in/gt.json", "--iou-type", "segm")
    assert run.code == 4
    assert "a box has no RLE mask" in run.err


def test_a_model_without_masks_is_an_error(detcli: Detcli, scene: Path, tiny_checkpoint: Path) -> None:
    run = detcli("eval", "-m", tiny_checkpoint, "--data", "in/gt.json", "--iou-type", "segm")
    assert run.code != 0
    assert "mask" in run.err
