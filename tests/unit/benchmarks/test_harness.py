"""The benchmarks: programs run in turn in processes of their own, ratios are paired by round, rivals detect the same."""

import argparse
import json
import statistics
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import detect, harness
from benchmarks.detect_programs import _Arrays
from detcli.cli.setup.demo import BUNDLED_IMAGES
from detcli.engine.benchmark.benchmark_request import BenchmarkCase
from detcli.engine.benchmark.export_case import export_case

SCRIPT = f"""
import argparse, os, sys
sys.path.insert(0, {str(Path(harness.__file__).parents[1])!r})
from benchmarks import harness

def one(arguments):
    with (arguments.work / "log").open("a") as log:
        log.write(f"{{arguments.child}} {{arguments.count}}\\n")
    return {{"process": os.getpid(), "since_s": harness.since_start()}}

programs = {{"a": one, "b": one}}
parser = argparse.ArgumentParser()
parser.add_argument("--count", type=int)
parser.add_argument("--other")
harness.add_child_options(parser, programs)
assert harness.ran_as_child(programs, parser.parse_args())
"""


def test_programs_take_turns_in_processes_of_their_own(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    arguments = argparse.Namespace(work=tmp_path, rounds=2, count=3, other=None)
    reports = harness.run_in_turn(str(script), ["a", "b"], arguments, ("count", "other"))
    assert (tmp_path / "log").read_text().split("\n")[:-1] == ["a 3", "b 3", "a 3", "b 3"]
    every = [report for rounds in reports.values() for report in rounds]
    assert len({report["process"] for report in every}) == 4
    assert all(0 < report["since_s"] < 60 for report in every)
    if sys.platform == "linux":
        assert all(report["peak_mib"] > 1 for report in every)


def test_ratios_are_of_the_same_round() -> None:
    ours = [{"rate": rate} for rate in (10.0, 5.0, 8.0)]
    theirs = [{"rate": rate} for rate in (5.0, 2.5, 8.0)]
    assert harness.ratios(ours, theirs, "rate") == [1.0, 2.0, 2.0]
    assert harness.shown_ratio(ours, theirs, "rate") == "2.00 (1.00 to 2.00)"


def test_a_median_of_a_missing_value_is_none() -> None:
    assert harness.median([{"rate": 1.0}, {"rate": 4.0}, {"rate": 2.0}], "rate") == 2.0
    assert harness.median([{"rate": 1.0}], "network_rate") is None


def test_programs_without_the_precision_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = argparse.Namespace(programs=["detcli-torch", "loop", "openvino-async"], precision="bf16")
    pytest.importorskip("transformers")  # without it, the reason is another one
    assert detect.available(arguments) == ["detcli-torch", "openvino-async"]
    assert "loop: left out, it has no bf16" in capsys.readouterr().err


def test_every_program_is_described_and_fp32_runs_all() -> None:
    assert detect.__doc__ is not None
    for name in detect.PROGRAMS:
        assert name in detect.__doc__
    assert set(detect.PACKAGES) == set(detect.PROGRAMS) - {"detcli-torch"}


def test_the_loops_detect_what_detcli_detects(tmp_path: Path) -> None:
    """A rival that did less work would look faster than it is."""
    import onnxruntime

    from detcli.inference.load import load_detector

    (tmp_path / "model").mkdir()
    export_case(BenchmarkCase(model="shapes"), tmp_path / "model.onnx")
    config = Path(detect.__file__).parents[1] / "detcli" / "checkpoints" / "shapes" / "preprocessor_config.json"
    (tmp_path / "model" / "preprocessor_config.json").write_text(config.read_text())
    arrays = _Arrays(argparse.Namespace(work=tmp_path, model="dfine-n"))
    session = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"))
    pixels, size = arrays.read(BUNDLED_IMAGES / "1.jpg")
    found = arrays.detections(*session.run(["logits", "boxes"], {"pixels": pixels}), size)
    expected = load_detector("shapes", threshold=0.3)(BUNDLED_IMAGES / "1.jpg")
    assert len(expected) == len(found["scores"]) > 3
    np.testing.assert_allclose(found["scores"], expected.scores, atol=1e-3)
    np.testing.assert_allclose(found["boxes"], expected.boxes_xyxy, atol=0.5)
    assert json.dumps(found)
    assert statistics.fmean(found["scores"]) > 0.3
