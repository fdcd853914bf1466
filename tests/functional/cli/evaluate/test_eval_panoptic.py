"""`detcli eval --iou-type panoptic`: panoptic quality of results and of a model."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import detcli as python
from tests.helpers.cli_runs import Run, image
from tests.helpers.segment_samples import write_panoptic_model

Detcli = Callable[..., Run]


@pytest.fixture
def scene(detcli: Detcli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Images, what a model makes of them, and annotations: the same, but for one segment that lost half of itself."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DETCLI_EVAL_DEVICE", "cpu")
    write_panoptic_model(Path("model"))
    for number in range(3):
        image(Path("in", f"{number}.png"), number)
    # One image per batch: rounding differs between batch sizes, and the segments of random weights are full of ties.
    run = detcli(
        *("segment", "in", "-m", "model", "-t", "0", "-d", "cpu", "-b", "1", "-f", "coco-panoptic", "-o", "found.json")
    )
    assert run.code == 0, run.err
    ground_truth = json.loads(Path("found.json").read_text())
    Path("in/gt").mkdir()
    for annotation in ground_truth["annotations"]:
        pixels = np.array(Image.open(Path("found", annotation["file_name"])))
        if annotation is ground_truth["annotations"][0]:
            largest = max(annotation["segments_info"], key=lambda one: one["area"])
            columns = np.nonzero(pixels[..., 0] == largest["id"])[1]
            cut = pixels[:, : int(np.quantile(columns, 0.3))]
            cut[cut[..., 0] == largest["id"]] = 0
        Image.fromarray(pixels).save(Path("in/gt", annotation["file_name"]))
        for segment in annotation["segments_info"]:
            segment.pop("score")
    Path("in/gt.json").write_text(
        json.dumps({key: ground_truth[key] for key in ("images", "annotations", "categories")})
    )
    return tmp_path


def test_what_is_true_itself_is_perfect(detcli: Detcli, scene: Path) -> None:
    run = detcli("eval", "in/gt.json", "--gt", "in/gt.json", "--iou-type", "panoptic", "-f", "json")
    assert run.code == 0, run.err
    assert json.loads(run.out)["metrics"]["PQ"] == 1.0
    assert "PQ 1.000" in run.err


def test_a_model_has_the_metrics_of_its_results(detcli: Detcli, scene: Path) -> None:
    asked = ("--iou-type", "panoptic", "-f", "json")
    of_results = detcli("eval", "found.json", "--gt", "in/gt.json", *asked)
    of_model = detcli("eval", "-m", "model", "--data", "in/gt.json", "-t", "0", "-b", "1", *asked)
    assert of_results.code == of_model.code == 0, of_results.err + of_model.err
    ours, theirs = json.loads(of_results.out), json.loads(of_model.out)
    assert ours["metrics"] == pytest.approx(theirs["metrics"])
    assert ours["classes"] == theirs["classes"]
    assert ours["metrics"]["PQ"] is not None


def test_the_folders_of_the_segments_are_named(detcli: Detcli, scene: Path) -> None:
    run = detcli("eval", "found.json", "--gt", "in/gt.json", "--iou-type", "panoptic")
    assert "'found.json': PNGs of segments in 'found'" in run.err
    assert "'in/gt.json': PNGs of segments in 'in/gt'" in run.err
    run = detcli("eval", "-m", "model", "--data", "in/gt.json", "-t", "0", "--iou-type", "panoptic")
    assert "data: annotations 'in/gt.json', images in 'in', PNGs of segments in 'in/gt'" in run.err
    from detcli.datasets.dataset import open_dataset

    assert open_dataset("in/gt.json").report.segment_folder == "", "boxes do not need them"


def test_panoptic_files_are_read_by_the_rules_of_coco(detcli: Detcli, scene: Path) -> None:
    asked = ("--gt", "in/gt.json", "--iou-type", "panoptic", "-f", "json")
    expected = json.loads(detcli("eval", "found.json", *asked).out)["metrics"]
    for name in ("found.json", "in/gt.json"):
        document = json.loads(Path(name).read_text())
        for entry in (*document["images"], *document["categories"]):
            entry["id"] = float(entry["id"])
        for number, entry in enumerate(document["categories"]):
            entry["name"] = number  # as tools write digits
        Path(name).write_text(json.dumps(document))
    run = detcli("eval", "found.json", *asked)
    assert run.code == 0, run.err
    assert json.loads(run.out)["metrics"] == expected


@pytest.mark.parametrize(
    ("section", "value", "said"),
    [
        ("images", [{"id": "1", "file_name": "0.png"}], "image 0: id is the text '1'"),
        ("images", [{"id": 1}], "image 0: file_name is missing"),
        ("categories", ["cat"], "category 0: 'cat' is not a JSON object"),
        ("categories", [{"id": 1, "name": None}], "category 0: name is missing"),
        ("categories", [{"id": 2**70, "name": "cat"}], "needs more than 64 bits"),
        ("categories", 3, "its 'categories' is not a list"),
    ],
)
def test_invalid_entries_of_panoptic_files_are_named(
    section: str, value: object, said: str, detcli: Detcli, scene: Path
) -> None:
    for name in ("found.json", "in/gt.json"):
        whole = Path(name).read_text()
        Path(name).write_text(json.dumps(json.loads(whole) | {section: value}))
        run = detcli("eval", "found.json", "--gt", "in/gt.json", "--iou-type", "panoptic")
        assert (run.code, said in run.err, name in run.err) == (4, True, True), run.err
        Path(name).write_text(whole)


def test_the_table_is_human_readable(detcli: Detcli, scene: Path) -> None:
    run = detcli(
        "eval", "found.json", "--gt", "in/gt.json", "--iou-type", "panoptic", "-f", "table", "-o", "report.json"
    )
    assert run.code == 0, run.err
    lines = run.out.splitlines()
    assert lines[0].split() == ["0", "to", "1", "PQ", "SQ", "RQ", "classes"]
    assert [line.split()[0] for line in lines[1:4]] == ["all", "things", "stuff"]
    assert json.loads(Path("report.json").read_text())["metrics"].keys() >= {"PQ", "SQ_things", "RQ_stuff"}


@pytest.mark.parametrize("option", ["--save-plots", "--save-worst", "--min-map"])
def test_what_is_of_ap_is_refused(detcli: Detcli, scene: Path, option: str) -> None:
    run = detcli("eval", "found.json", "--gt", "in/gt.json", "--iou-type", "panoptic", option, "0.5")
    assert run.code == 2
    assert f"{option} is for AP" in run.err


def test_files_that_do_not_belong_together_are_named(detcli: Detcli, scene: Path) -> None:
    run = detcli("detect", "in", "-m", "model", "-t", "0", "-d", "cpu", "-o", "boxes.json", "-f", "coco")
    assert run.code == 0, run.err
    run = detcli("eval", "boxes.json", "--gt", "in/gt.json", "--iou-type", "panoptic")
    assert run.code == 4
    assert "not a file of COCO panoptic results" in run.err
    found = json.loads(Path("found.json").read_text())
    found["annotations"][1]["segments_info"].append({"id": 9999, "category_id": found["categories"][0]["id"]})
    Path("found.json").write_text(json.dumps(found))
    run = detcli("eval", "found.json", "--gt", "in/gt.json", "--iou-type", "panoptic")
    assert run.code == 4
    assert "no pixel of its PNG has the id 9999" in run.err
    found["annotations"][1]["segments_info"] = []
    Path("found.json").write_text(json.dumps(found))
    run = detcli("eval", "found.json", "--gt", "in/gt.json", "--iou-type", "panoptic")
    assert run.code == 4
    assert "which is not in 'segments_info'" in run.err


def test_images_without_results_are_false_negatives(detcli: Detcli, scene: Path) -> None:
    found = json.loads(Path("found.json").read_text())
    found["annotations"] = found["annotations"][:1]
    Path("found.json").write_text(json.dumps(found))
    run = detcli("eval", "found.json", "--gt", "in/gt.json", "--iou-type", "panoptic", "-f", "json")
    assert run.code == 0, run.err
    assert "2 of 3 images have no results" in run.err
    assert sum(one["false_negatives"] for one in json.loads(run.out)["classes"]) > 0


def test_classes_that_only_the_results_have_are_left_out_and_named(detcli: Detcli, scene: Path) -> None:
    found = json.loads(Path("found.json").read_text())
    used = {one["category_id"] for entry in found["annotations"] for one in entry["segments_info"]}
    stranger = next(one for one in found["categories"] if one["id"] in used)
    stranger["name"] = "stranger"
    found["categories"].append({"id": 9999, "name": "never found", "isthing": 1})
    Path("found.json").write_text(json.dumps(found))
    run = detcli("eval", "found.json", "--gt", "in/gt.json", "--iou-type", "panoptic", "-f", "json")
    assert run.code == 0, run.err
    assert json.loads(run.out)["notes"] == ["1 class of the results not in the ground truth, and left out: 'stranger'"]


def python_metrics(model: Any, **settings: Any) -> dict[str, float | None]:
    result = python.evaluate(
        model=model, data="in/gt.json", iou_type="panoptic", batch_size=1, runtime="torch", **settings
    )
    assert result is not None
    metrics: dict[str, float | None] = result.metrics
    return metrics


def test_the_threshold_is_that_of_the_model_unless_one_is_given(detcli: Detcli, scene: Path) -> None:
    asked = ("eval", "-m", "model", "--data", "in/gt.json", "-b", "1", "--iou-type", "panoptic", "-f", "json")
    loaded = python.load_detector("model", segmentation="panoptic", runtime="torch")
    least, usual = (json.loads(detcli(*asked, *how).out)["metrics"] for how in (("-t", "0"), ()))
    assert least["PQ"] > 0.5
    assert (usual["PQ"], usual) == (0.0, json.loads(detcli(*asked, "-t", "0.85").out)["metrics"])
    assert python_metrics("model") == python_metrics(loaded) == usual
    assert python_metrics("model", threshold=0) == python_metrics(loaded, threshold=0) == least


def test_a_loaded_detector_keeps_its_thresholds(scene: Path) -> None:
    for own in (0.3, {"*": 0.3, "grass": 0.9}):
        loaded = python.load_detector("model", segmentation="panoptic", runtime="torch", threshold=own)
        expected = python_metrics("model", threshold=own)
        assert python_metrics(loaded) == expected != python_metrics("model", threshold=0)


@pytest.mark.parametrize(
    ("task", "iou_type"), [("instance", "panoptic"), ("panoptic", "segm"), ("semantic", "panoptic")]
)
def test_a_detector_of_another_task_is_refused(scene: Path, task: str, iou_type: Any) -> None:
    loaded = python.load_detector("model", segmentation=task, runtime="torch")
    with pytest.raises(python.UsageError, match=f"loaded with `segmentation={task}`: this run needs"):
        python.evaluate(model=loaded, data="in/gt.json", iou_type=iou_type)
    with pytest.raises(python.UsageError, match="this run needs"):
        python.segment("in", model=loaded, task="instance" if task == "panoptic" else "panoptic")
    with pytest.raises(python.UsageError, match="was not loaded for boxes"):
        python.evaluate(model=loaded, data="in/gt.json")
