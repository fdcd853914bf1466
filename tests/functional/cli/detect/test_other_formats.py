"""`-f label-studio` and `-f mot` as a user runs them: images, video, outputs that exist, resumed runs."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import detcli
from detcli.cli.setup.demo import BUNDLED_IMAGES
from tests.helpers.cli_runs import Run
from tests.helpers.video_samples import write_video

Detcli = Callable[..., Run]
IMAGES = sorted(str(path) for path in BUNDLED_IMAGES.glob("*.jpg"))
MODEL = ("-m", "shapes", "--device", "cpu")


@pytest.fixture(autouse=True)
def in_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


class StopAfter(detcli.Observer):
    """Asks the run to stop after some results."""

    def __init__(self, count: int, stop: detcli.StopSignal) -> None:
        self.left, self.stop = count, stop

    def on_result(self, frame: Any, detections: Any) -> None:
        self.left -= 1
        if not self.left:
            self.stop.set("SIGTERM")


@pytest.mark.parametrize("name", ["label-studio", "mot"])
def test_a_resumed_run_has_the_same_bytes(name: str) -> None:
    model = detcli.load_detector("shapes", deterministic=True, batch_size=1)
    detcli.detect(IMAGES, model=model, outputs="whole.out", format=name)
    stop = detcli.StopSignal()
    detcli.detect(IMAGES, model=model, outputs="out.out", format=name, observer=StopAfter(2, stop), stop=stop)
    assert Path("out.out").read_bytes() != Path("whole.out").read_bytes()
    detcli.detect(IMAGES, model=model, outputs="out.out", format=name, resume=True)
    assert Path("out.out").read_bytes() == Path("whole.out").read_bytes()


def test_tracks_of_a_video_are_mot_lines(detcli: Detcli) -> None:
    write_video(Path("in.mp4"), 6)
    common = ("video", "in.mp4", *MODEL, "-t", "0.05", "--track")
    assert detcli(*common, "-o", "a.jsonl").code == 0
    assert detcli(*common, "-f", "mot", "-o", "a.txt").code == 0
    records = [json.loads(line) for line in Path("a.jsonl").read_text().splitlines()]
    rows = [line.split(",") for line in Path("a.txt").read_text().splitlines()]
    wanted = [(record["frame"] + 1, box["track_id"]) for record in records for box in record["detections"]]
    assert [(int(row[0]), int(row[1])) for row in rows] == wanted
    again = detcli(*common, "-f", "mot", "-o", "a.txt")
    assert "'a.txt' exists" in again.err


def test_frames_of_a_video_are_counted_for_label_studio(detcli: Detcli) -> None:
    write_video(Path("in.mp4"), 3)
    run = detcli("video", "in.mp4", *MODEL, "-f", "label-studio", "-o", "tasks.json")
    assert run.code == 0
    assert "3 tasks of Label Studio are of frames of videos" in run.err
    assert [task["data"]["frame"] for task in json.loads(Path("tasks.json").read_text())] == [0, 1, 2]


def test_tasks_hold_the_boxes_of_json_lines(detcli: Detcli) -> None:
    Path("broken.jpg").write_bytes(b"")
    run = detcli("detect", "broken.jpg", *IMAGES, *MODEL, "-f", "label-studio", "-o", "tasks.json")
    assert run.code == 3
    assert detcli("detect", *IMAGES, *MODEL, "-o", "a.jsonl").code == 0
    records = [json.loads(line) for line in Path("a.jsonl").read_text().splitlines()]
    tasks = json.loads(Path("tasks.json").read_text())
    assert [task["data"]["file"] for task in tasks] == [record["file"] for record in records]
    scores = [[entry["score"] for entry in task["predictions"][0]["result"]] for task in tasks]
    assert scores == [[box["score"] for box in record["detections"]] for record in records]


@pytest.mark.parametrize("name", ["label-studio", "mot"])
def test_masks_are_refused_with_the_formats_that_hold_them(detcli: Detcli, name: str) -> None:
    run = detcli("segment", *IMAGES, "-m", "no-such-model", "-f", name, "-o", "out.x")
    assert run.code == 2
    assert not Path("out.x").exists()


def test_eval_refuses_tasks_without_predictions(detcli: Detcli) -> None:
    Path("tasks.json").write_text(json.dumps([{"id": 1, "data": {"image": "1.jpg"}, "annotations": []}]))
    run = detcli("eval", "tasks.json", "--gt", BUNDLED_IMAGES / "ground_truth.json")
    assert run.code not in (0, 1)
    assert "task 1: it has no predictions" in run.err


@pytest.mark.parametrize("options", [(), ("--no-scores",)])
def test_voc_files_are_replaced_on_request_and_read_by_eval(detcli: Detcli, options: tuple[str, ...]) -> None:
    common = ("detect", *IMAGES, *MODEL, "-f", "voc", "-o", "out", *options)
    assert detcli(*common).code == 0
    names = sorted(path.name for path in Path("out").glob("*.xml"))
    assert names == sorted(f"{Path(image).stem}.xml" for image in IMAGES)
    refused = detcli(*common)
    assert refused.code != 0
    assert "'out' is not empty" in refused.err
    before = {path.name: path.read_bytes() for path in Path("out").glob("*.xml")}
    Path("out/1.xml").write_text("torn")
    assert detcli(*common, "--if-exists", "skip").code == 0
    assert Path("out/1.xml").read_text() == "torn"
    Path("out/1.xml").unlink()
    assert detcli(*common, "-y").code == 0
    assert {path.name: path.read_bytes() for path in Path("out").glob("*.xml")} == before
    run = detcli("eval", "out", "--gt", BUNDLED_IMAGES / "ground_truth.json")
    if options:
        assert "object 1: it has no score" in run.err
    else:
        assert run.code == 0, run.err
        assert detcli("detect", *IMAGES, *MODEL, "-o", "a.jsonl").code == 0
        assert run.out == detcli("eval", "a.jsonl", "--gt", BUNDLED_IMAGES / "ground_truth.json").out
