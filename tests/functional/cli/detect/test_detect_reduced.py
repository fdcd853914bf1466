"""`--queries` and `--decoder-layers` of every command that detects: results, provenance, resume and refusals."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import detcli
from detcli.cli.setup.demo import BUNDLED_IMAGES, GROUND_TRUTH
from tests.helpers.cli_runs import Run
from tests.helpers.video_samples import write_video

Detcli = Callable[..., Run]
IMAGE = str(BUNDLED_IMAGES / "1.jpg")
REDUCED = ("--queries", "10", "--decoder-layers", "1")


@pytest.fixture(autouse=True)
def in_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def arguments_in(path: str) -> dict[str, Any]:
    arguments: dict[str, Any] = json.loads(Path(path).read_text().splitlines()[0])["detcli"]["arguments"]
    return arguments


def test_fewer_queries_give_fewer_detections(detcli: Detcli) -> None:
    counts = []
    for queries in (40, 10, 1):
        run = detcli("detect", IMAGE, "-m", "shapes", "-t", "0", "--max-det", "30", "--queries", str(queries))
        assert run.code == 0, run.err
        queries_found = {tuple(found["bbox"]) for found in json.loads(run.out)["detections"]}
        counts.append(len(queries_found))
    assert counts[0] > counts[1] > counts[2] == 1


def test_command_and_python_give_the_same(detcli: Detcli) -> None:
    run = detcli("detect", IMAGE, "-m", "shapes", *REDUCED)
    [record] = [json.loads(line) for line in run.out.splitlines()]
    from detcli.inference.load import load_detector

    found = load_detector("shapes", queries=10, decoder_layers=1)(IMAGE)
    assert [one["score"] for one in record["detections"]] == pytest.approx(found.scores.tolist(), abs=1e-4)
    assert len(found) > 0


def test_results_say_which_numbers_made_them(detcli: Detcli) -> None:
    detcli("detect", IMAGE, "-m", "shapes", *REDUCED, "--header", "-o", "few.jsonl")
    detcli("detect", IMAGE, "-m", "shapes", "--header", "-o", "all.jsonl")
    few, whole = arguments_in("few.jsonl"), arguments_in("all.jsonl")
    assert (few["queries"], few["decoder_layers"]) == (10, 1)
    assert not {"queries", "decoder_layers"} & set(whole)


def test_a_loaded_detector_keeps_its_numbers_in_the_results() -> None:
    model = detcli.load_detector("shapes", queries=10, decoder_layers=1)
    detcli.detect(IMAGE, model=model, outputs="out.jsonl", header=True)
    arguments = arguments_in("out.jsonl")
    assert (arguments["queries"], arguments["decoder_layers"]) == (10, 1)
    assert detcli.detect(IMAGE, model=model, queries=10, decoder_layers=1).images == 1
    for name in ("queries", "decoder_layers"):
        with pytest.raises(detcli.UsageError, match=f"`{name}` must be set when the detector is loaded"):
            detcli.detect(IMAGE, model=model, **{name: 2})


def test_eval_measures_what_the_numbers_cost(detcli: Detcli) -> None:
    data = ("--data", str(BUNDLED_IMAGES / GROUND_TRUTH), "-m", "shapes", "-o")
    assert detcli("eval", *data, "all.json").code == 0
    run = detcli("eval", *data, "few.json", "--queries", "3")
    assert run.code == 0, run.err
    whole, few = (json.loads(Path(name).read_text()) for name in ("all.json", "few.json"))
    assert few["settings"]["queries"] == 3
    assert few["metrics"]["AP"] < whole["metrics"]["AP"]


@pytest.mark.parametrize("command", ["detect", "video", "eval"])
def test_more_than_the_model_has_is_a_usage_error(detcli: Detcli, command: str) -> None:
    write_video(Path("in.mp4"), 2)
    inputs = {"detect": (IMAGE,), "video": ("in.mp4",), "eval": ("--data", str(BUNDLED_IMAGES / GROUND_TRUTH))}
    for option, name in (("--queries", "queries"), ("--decoder-layers", "decoder layers")):
        run = detcli(command, *inputs[command], "-m", "shapes", option, "41")
        assert run.code == 2
        assert f"{option} must be at most" in run.err
        assert name in run.err
