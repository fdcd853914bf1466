"""`-o out.parquet` from every command: rows, resume, outputs that exist, video, masks, and refusals before the run."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import detcli
from detcli.cli.setup.demo import BUNDLED_IMAGES
from tests.helpers.cli_runs import Run
from tests.helpers.video_samples import write_video

pq = pytest.importorskip("pyarrow.parquet")

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


def test_rows_of_images_and_boxes_hold_what_json_lines_do(detcli: Detcli) -> None:
    Path("broken.jpg").write_bytes(b"")
    run = detcli("detect", "broken.jpg", *IMAGES, *MODEL, "-o", "a.jsonl", "-o", "a.parquet")
    assert run.code == 3, run.err
    assert detcli("detect", *IMAGES, *MODEL, "-o", "b.parquet", "--rows", "boxes").code == 0
    records = [json.loads(line) for line in Path("a.jsonl").read_text().splitlines()]
    images = pq.read_table("a.parquet").to_pylist()
    boxes = pq.read_table("b.parquet").to_pylist()
    assert [row["file"] for row in images] == [record["file"] for record in records]
    assert images[0]["error"]["code"] == "empty"
    labels = [box["label"] for record in records for box in record["detections"] or ()]
    assert [box["label"] for row in images for box in row["detections"] or ()] == labels
    assert [row["label"] for row in boxes] == labels
    footer = json.loads(pq.read_metadata("b.parquet").metadata[b"detcli"])
    assert (footer["model"], footer["complete"]) == ("shapes", True)


@pytest.mark.parametrize("rows", ["images", "boxes"])
def test_a_resumed_run_has_the_same_bytes(rows: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    model = detcli.load_detector("shapes", deterministic=True, batch_size=1)
    detcli.detect(IMAGES, model=model, outputs="whole.parquet", rows=rows)
    stop = detcli.StopSignal()
    detcli.detect(IMAGES, model=model, outputs="out.parquet", rows=rows, observer=StopAfter(2, stop), stop=stop)
    assert json.loads(pq.read_metadata("out.parquet").metadata[b"detcli"])["complete"] is False
    detcli.detect(IMAGES, model=model, outputs="out.parquet", rows=rows, resume=True)
    assert Path("out.parquet").read_bytes() == Path("whole.parquet").read_bytes()


def test_an_existing_file_is_replaced_only_on_request(detcli: Detcli) -> None:
    Path("out.parquet").write_bytes(b"mine")
    refused = detcli("detect", *IMAGES[:1], *MODEL, "-o", "out.parquet")
    assert refused.code != 0
    assert "'out.parquet' exists" in refused.err
    assert detcli("detect", *IMAGES[:1], *MODEL, "-o", "out.parquet", "--if-exists", "skip").code == 0
    assert Path("out.parquet").read_bytes() == b"mine"
    assert detcli("detect", *IMAGES[:1], *MODEL, "-o", "out.parquet", "-y").code == 0
    assert pq.read_table("out.parquet").num_rows == 1


def test_frames_and_tracks_of_a_video_are_in_both_kinds_of_rows(detcli: Detcli) -> None:
    write_video(Path("in.mp4"), 6)
    common = ("video", "in.mp4", *MODEL, "-t", "0.05", "--track")
    assert detcli(*common, "-o", "a.jsonl", "-o", "a.parquet").code == 0
    assert detcli(*common, "-o", "b.parquet", "--rows", "boxes").code == 0
    records = [json.loads(line) for line in Path("a.jsonl").read_text().splitlines()]
    images = pq.read_table("a.parquet").to_pylist()
    assert [(row["frame"], row["time_s"]) for row in images] == [(row["frame"], row["time_s"]) for row in records]
    tracks = [(record["frame"], box["track_id"]) for record in records for box in record["detections"]]
    assert [(row["frame"], box["track_id"]) for row in images for box in row["detections"]] == tracks
    assert [(row["frame"], row["track_id"]) for row in pq.read_table("b.parquet").to_pylist()] == tracks


def test_rows_need_parquet(detcli: Detcli) -> None:
    for output in (("-o", "out.csv"), ()):
        run = detcli("detect", *IMAGES, *MODEL, "--rows", "boxes", *output)
        assert run.code == 2
        assert "--rows=boxes is for the format parquet" in run.err.replace("--rows boxes", "--rows=boxes")
    assert detcli("detect", *IMAGES, *MODEL, "--rows", "cells", "-o", "a.parquet").code == 2


@pytest.mark.parametrize("command", ["detect", "video", "segment"])
def test_a_missing_package_is_named_before_the_run(
    detcli: Detcli, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("detcli.engine.outputs.format_needs.is_installed", lambda name: name != "pyarrow")
    run = detcli(command, "no-such-input", "-m", "no-such-model", "-o", "out.parquet")
    assert run.code == 2
    assert "Parquet needs pyarrow, which is not installed: pip install pyarrow" in run.err
    assert not Path("out.parquet").exists()


def test_eval_refuses_parquet_of_something_else(detcli: Detcli) -> None:
    import pyarrow as pa

    truth = BUNDLED_IMAGES / "ground_truth.json"
    pq.write_table(pa.table({"price": [1.5]}), "prices.parquet")
    Path("text.parquet").write_text("hello")
    for name, message in (("prices.parquet", "Parquet of something else"), ("text.parquet", "is not Parquet")):
        run = detcli("eval", name, "--gt", truth)
        assert run.code not in (0, 1)
        assert f"'{name}' {message}" in run.err.replace("is Parquet of", "Parquet of")
