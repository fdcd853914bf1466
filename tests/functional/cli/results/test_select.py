"""`--select` of `detect` and `filter`: the same images, on the command line and in Python, also of a resumed run."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import detcli as package
from detcli.io.results import read_results
from detcli.sinks.selected_images import image_uncertainty
from detcli.structures.detections import Detections
from detcli.structures.run_info import RunInfo
from tests.helpers.cli_runs import Run, broken
from tests.helpers.sink_fixtures import info, seeded_results
from tests.helpers.stored_results import content, store

__all__ = ["info"]

Detcli = Callable[..., Run]


def indices(path: str) -> list[int]:
    return [json.loads(line)["index"] for line in Path(path).read_bytes().splitlines() if b'"index"' in line]


@pytest.fixture
def lines(tmp_path: Path, info: RunInfo, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Results of 40 images in `a.jsonl`, where the test stands."""
    monkeypatch.chdir(tmp_path)
    return store(Path("a.jsonl"), seeded_results(40), info, "jsonl", header=True)


def test_filter_keeps_the_most_uncertain_images_in_their_order(lines: Path, detcli: Detcli) -> None:
    done = detcli("filter", lines, "--select", "uncertain:5", "-o", "b.jsonl")
    assert done.code == 0, done.err
    assert "5 images" in done.err
    listed = [(frame.origin.index, found) for frame, found in seeded_results(40) if isinstance(found, Detections)]
    best = sorted(listed, key=lambda entry: -image_uncertainty(entry[1]))[:5]
    assert indices("b.jsonl") == sorted(index for index, _ in best)
    header = json.loads(Path("b.jsonl").read_bytes().splitlines()[0])
    assert header["detcli"]["arguments"]["filtered"] == [{"select": "uncertain:5"}]
    package.filter_results(lines, "c.jsonl", select="uncertain:5")
    assert content(Path("b.jsonl")) == content(Path("c.jsonl"))


def test_other_filters_come_first(lines: Path, detcli: Detcli) -> None:
    both = ("filter", lines, "--classes", "dog", "--only", "with", "--select", "top:4")
    assert detcli(*both, "-f", "label-studio", "-o", "b.json").code == 0
    images = list(read_results(Path("b.json")))
    assert len(images) == 4
    assert {box.label for image in images for box in image.boxes or ()} == {"dog"}
    dogs = [
        float(found.scores[found.class_ids == 1].max())
        for _, found in seeded_results(40)
        if isinstance(found, Detections) and (found.class_ids == 1).any()
    ]
    assert sorted(max(box.score for box in image.boxes or ()) for image in images) == pytest.approx(sorted(dogs)[-4:])


def test_selected_parts_are_merged_and_the_gaps_said(lines: Path, info: RunInfo, detcli: Detcli) -> None:
    for part in range(2):
        store(Path(f"p{part}.jsonl"), list(seeded_results(40))[part::2], info, "jsonl", header=True)
        assert detcli("filter", f"p{part}.jsonl", "--select", "random:3", "-o", f"s{part}.jsonl").code == 0
    done = detcli("merge", "s0.jsonl", "s1.jsonl", "-o", "merged.jsonl")
    assert done.code == 0, done.err
    assert "whether a part is missing is not checked" in done.err
    assert indices("merged.jsonl") == sorted(indices("s0.jsonl") + indices("s1.jsonl"))


@pytest.mark.parametrize("text", ["uncertain", "best:3", "top:0"])
def test_other_selections_are_refused(text: str, lines: Path, detcli: Detcli) -> None:
    for arguments in (("filter", lines, "-o", "b.jsonl"), ("detect", "in", "-m", "no-such-model")):
        done = detcli(*arguments, "--select", text)
        assert done.code == 2
        assert "--select must be such as uncertain:100, top:100, random:100 or random:100:7 (with a seed)" in done.err
    assert not Path("b.jsonl").exists()


def test_detect_selects_as_filter_does(images: Path, detect: Detcli, detcli: Detcli) -> None:
    broken(images / "x.png")
    assert detect("in/", "--deterministic", "-o", "all.jsonl", "-o", "all.json").code == 3
    done = detect("in/", "--deterministic", "--select", "uncertain:2", "-o", "two.jsonl", "-f", "jsonl")
    assert done.code == 3, done.err
    assert "2 of 5 images selected by uncertain:2" in done.err
    assert detcli("filter", "all.jsonl", "--select", "uncertain:2", "-o", "again.jsonl").code == 0
    assert content(Path("two.jsonl")) == content(Path("again.jsonl"))
    done = detect("in/", "--select", "uncertain:2", "-o", "labels/", "-o", "tasks.json", "-f", "yolo")
    assert done.code == 2  # one format for two outputs
    assert (
        detect("in/", "--deterministic", "--select", "uncertain:2", "-o", "tasks.json", "-f", "label-studio").code == 3
    )
    assert [task["data"]["index"] for task in json.loads(Path("tasks.json").read_text())] == indices("two.jsonl")
    assert [
        json.loads(line)["index"]
        for line in detect("in/", "--deterministic", "--select", "uncertain:2").out.splitlines()
    ] == indices("two.jsonl")


def test_folders_of_files_have_only_the_selected_images(images: Path, detect: Detcli) -> None:
    for name in ("yolo", "voc"):
        assert (
            detect("in/", "--select", "random:3", "-f", name, "-o", f"{name}/", "--save-images", f"{name}-drawn").code
            == 0
        )
        files = [path for path in Path(name).rglob("*.*") if path.name != "classes.txt" and path.name[0] != "."]
        assert len(files) == 3
        assert len(list(Path(f"{name}-drawn").rglob("*.png"))) == 5  # --save-images draws all


def test_a_resumed_run_selects_among_all_images(images: Path, model: Path) -> None:
    class StopAfter(package.Observer):
        def __init__(self, stop: package.StopSignal) -> None:
            self.stop = stop

        def on_result(self, frame: Any, detections: Any) -> None:
            self.stop.set("SIGTERM")

    given: dict[str, Any] = {"threshold": 0.01, "deterministic": True, "batch_size": 1}
    detector = package.load_detector(str(model), **given)
    package.detect("in", model=detector, outputs="whole.json", select="uncertain:2")
    stop = package.StopSignal()
    package.detect("in", model=detector, outputs="b.json", select="uncertain:2", observer=StopAfter(stop), stop=stop)
    assert json.loads(Path("b.json").read_text())["info"]["complete"] is False
    with pytest.raises(package.DetcliError, match="select"):
        package.detect("in", model=detector, outputs="b.json", select="uncertain:3", resume=True)
    package.detect("in", model=detector, outputs="b.json", select="uncertain:2", resume=True)
    whole, resumed = (json.loads(Path(name).read_text()) for name in ("whole.json", "b.json"))
    assert (resumed["images"], resumed["annotations"]) == (whole["images"], whole["annotations"])
    assert len(whole["images"]) == 2


def test_a_selection_needs_results(images: Path, model: Path) -> None:
    with pytest.raises(package.UsageError, match="`select` is for results"):
        package.detect("in", model=str(model), save_images="drawn", select="top:1")
    with pytest.raises(TypeError, match="`select`"):
        package.detect("in", model=str(model), outputs="a.csv", select=3)  # type: ignore[arg-type]
