"""The threshold that `eval` finds goes into a model folder, and every command that loads the model uses it."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import detcli as package
from detcli.checkpoints.score_threshold import StoredThreshold, write_score_threshold
from tests.functional.cli.evaluate.test_eval import _on_the_cpu, data, scene
from tests.helpers.cli_runs import Run

Detcli = Callable[..., Run]

__all__ = ["_on_the_cpu", "data", "scene"]


@pytest.fixture
def own(model: Path, data: Path) -> Path:
    """A copy of the model that may be changed, in the folder of the scene."""
    folder = Path("runs/mine")
    shutil.copytree(model if model.is_dir() else model.parent, folder)
    return folder


def stored(folder: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((folder / "config.json").read_text())
    found: dict[str, Any] = document.get("score_threshold", {})
    return found


def detected(detcli: Detcli, folder: Path, *options: str) -> tuple[float, str]:
    """The threshold of a run, from its results, and its messages."""
    done = detcli("detect", "in", "-m", folder, "-d", "cpu", "-o", "d.json", "-y", *options)
    assert done.code == 0, done.err
    return json.loads(Path("d.json").read_text())["info"]["arguments"]["threshold"], done.err


def test_detect_uses_the_threshold_and_says_where_it_is_from(own: Path, data: Path, detcli: Detcli) -> None:
    assert detected(detcli, own)[0] == 0.4
    before = json.loads((own / "config.json").read_text())
    done = detcli("eval", "out.jsonl", "--gt", data, "--set-threshold", own, "-o", "report.json")
    assert done.code == 0, done.err
    best = json.loads(Path("report.json").read_text())["thresholds"]["best"]
    found = stored(own)
    assert found["value"] == best["threshold"] != 0.4
    assert f"detcli: '{own}' now keeps scores above {best['threshold']:g}" in done.err
    assert found["source"] == f"the highest F1, {best['F1']:.3f}, on 'gt.json'"
    after = json.loads((own / "config.json").read_text())
    assert {name: value for name, value in after.items() if name != "score_threshold"} == before
    threshold, messages = detected(detcli, own)
    assert threshold == best["threshold"]
    assert f"scores above {threshold:g}, the threshold of the model: {found['source']}" in messages
    threshold, messages = detected(detcli, own, "-t", "0.7")
    assert threshold == 0.7
    assert "threshold of the model" not in messages


def test_a_model_is_evaluated_and_keeps_its_own_threshold(own: Path, data: Path, detcli: Detcli) -> None:
    done = detcli("eval", "-m", own, "--data", data, "--set-threshold", own, "--json")
    assert done.code == 0, done.err
    best = json.loads(done.out)["thresholds"]["best"]["threshold"]
    assert package.load_detector(own, device="cpu").threshold == best
    again = detcli("eval", "-m", own, "--data", data, "--json")
    confusion = json.loads(again.out)["confusion"]
    assert (confusion["score"], confusion["score_source"]) == (best, "the threshold of the model")
    assert json.loads(detcli("models", "info", own, "--json").out)["threshold"] == best
    shown = json.loads(detcli("config", "show", "detect", "--json", "--config", settings(own)).out)
    assert [one["value"] for one in find(shown, "threshold")] == [best]


def settings(folder: Path) -> Path:
    path = Path("settings.toml")
    path.write_text(f'[detect]\nmodel = "{folder.as_posix()}"\n')
    return path


def find(document: Any, key: str) -> list[Any]:
    """The values of a key, anywhere in a document."""
    if isinstance(document, dict):
        return [
            *([document[key]] if key in document else []),
            *(one for value in document.values() for one in find(value, key)),
        ]
    return [one for value in document for one in find(value, key)] if isinstance(document, list) else []


def test_python_writes_and_reads_it_too(own: Path, data: Path) -> None:
    result = package.evaluate("out.json", ground_truth=data, set_threshold=own, bootstrap=0)
    assert result is not None
    best = result.to_dict()["thresholds"]["best"]["threshold"]
    assert package.load_detector(own, device="cpu").threshold == best
    assert package.load_detector(own, device="cpu", threshold=0.6).threshold == 0.6


def test_classes_have_their_own_thresholds_unless_one_is_given(own: Path, data: Path, detcli: Detcli) -> None:
    write_score_threshold(own, StoredThreshold(0.7, "by hand", {"dog": 0.85, "person": 0.62, "unknown": 0.1}))

    def thresholds(**given: Any) -> tuple[float, dict[str, float]]:
        detector = package.load_detector(own, device="cpu", **given)
        return detector.threshold, detector.class_thresholds

    assert thresholds() == (0.7, {"person": 0.62, "dog": 0.85})
    assert thresholds(runtime="torch") == thresholds()
    assert thresholds(threshold=0.4) == (0.4, {})
    assert thresholds(threshold={"dog": 0.9}) == (0.7, {"person": 0.62, "dog": 0.9})
    assert thresholds(threshold={"*": 0.5, "dog": 0.9}) == (0.5, {"dog": 0.9})
    done = detcli("detect", "in", "-m", own, "-d", "cpu", "-f", "jsonl")
    assert "scores above 0.7, the threshold of the model: by hand; 2 classes have their own" in done.err
    limits = {"person": 0.62, "dog": 0.85}
    found = [one for line in done.out.splitlines() for one in json.loads(line)["detections"]]
    assert all(one["score"] > limits.get(one["label"], 0.7) for one in found)
    assert any(one["label"] == "person" and one["score"] < 0.7 for one in found)


def test_an_exported_file_has_the_thresholds_of_its_model(own: Path, detcli: Detcli) -> None:
    pytest.importorskip("onnx")
    pytest.importorskip("openvino")
    write_score_threshold(own, StoredThreshold(0.3, "by hand", {"dog": 0.6}))
    done = detcli("export", own, "--to", "onnx", "-o", "exported")
    assert done.code == 0, done.err
    file = next(Path("exported").glob("*.onnx"))
    detector = package.load_detector(file)
    assert (detector.threshold, detector.class_thresholds) == (0.3, {"dog": 0.6})
    assert package.load_detector(file, threshold=0.5).class_thresholds == {}


@pytest.mark.parametrize(
    ("name", "code", "message"),
    [
        (
            "dfine-s",
            2,
            "is a model of the Hub, whose downloaded files are verified and stay as they are; copy its files",
        ),
        ("owner/model", 2, "is a model of the Hub"),
        ("shapes", 2, "is bundled with detcli and stays as it is; copy its files into a folder of your own"),
        ("x.onnx", 2, "is an exported file, whose threshold is fixed; set that of its checkpoint, and export it again"),
        ("x.pth", 2, "has no config.json; 'detcli models convert x.pth -o FOLDER' makes a model folder"),
        ("missing/", 5, "there is no model"),
    ],
)
def test_models_that_cannot_be_set_say_what_to_do(
    name: str, code: int, message: str, data: Path, detcli: Detcli
) -> None:
    for file in ("x.onnx", "x.pth"):
        Path(file).write_bytes(b"x")
    done = detcli("eval", "out.jsonl", "--gt", data, "--set-threshold", name, "-o", "report.json")
    assert (done.code, done.out) == (code, ""), done.err
    assert message in done.err
    assert not Path("report.json").exists(), "before the evaluation"


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root writes everywhere")
def test_a_folder_that_is_read_only_says_what_to_do(own: Path, data: Path, detcli: Detcli) -> None:
    own.chmod(0o500)
    done = detcli("eval", "out.jsonl", "--gt", data, "--set-threshold", own)
    own.chmod(0o700)
    assert done.code == 7
    assert f"the threshold of '{own}' cannot be set; copy its files into a folder of your own" in done.err


def test_a_config_that_is_a_link_stays_what_it_is(own: Path, data: Path, detcli: Detcli) -> None:
    (own / "config.json").rename("elsewhere.json")
    (own / "config.json").symlink_to(Path("elsewhere.json").absolute())
    done = detcli("eval", "out.jsonl", "--gt", data, "--set-threshold", own)
    assert done.code == 2
    assert "is a link into another folder, such as the Hub's cache" in done.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["out.jsonl", "out.json"], "`set_threshold`|--set-threshold is for one evaluation"),
        (["out.jsonl", "--iou-type", "segm"], "--set-threshold is for boxes"),
    ],
)
def test_it_is_for_one_evaluation_of_boxes(
    options: list[str], message: str, own: Path, data: Path, detcli: Detcli
) -> None:
    done = detcli("eval", *options, "--gt", data, "--set-threshold", own)
    assert done.code == 2
    assert any(part in done.err for part in message.split("|"))
    assert not stored(own)


def test_no_threshold_is_set_where_nothing_matches(own: Path, data: Path, detcli: Detcli) -> None:
    document = json.loads(data.read_text())
    for entry in document["annotations"]:
        entry["bbox"] = [1.0, 1.0, 3.0, 3.0]
    Path("in/far.json").write_text(json.dumps(document))
    done = detcli("eval", "out.jsonl", "--gt", "in/far.json", "--set-threshold", own, "-o", "report.json")
    assert done.code != 0
    assert f"the threshold of '{own}' is not set: no detection matches the ground truth" in done.err
    assert Path("report.json").exists()
    assert not stored(own)
