"""The scripts of `benchmarks/` run on few inputs, and print their figures."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.mark.parametrize(
    ("script", "arguments", "lines"),
    [
        (
            "detect.py",
            ["--model", "dfine-n", "--images", "2", "--rounds", "1", "--programs", "detcli-torch", "detcli-openvino"],
            ["detcli-torch ", "detcli-openvino ", "  detcli-openvino / its network"],
        ),
        ("video.py", ["--frames", "6", "--rounds", "1", "--noise", "1"], ["records ", "  video / bare"]),
        (
            "cluster.py",
            ["--images", "12", "--rounds", "1", "--runtime", "torch"],
            ["cluster ", "  time of cluster / process"],
        ),
        ("devices.py", ["--model", "shapes", "--images", "8", "--rounds", "1"], ["cpu ", "cpu:2 ", "ratio "]),
        (
            "train.py",
            ["--loader", "--side", "64", "--batch", "2", "--steps", "2", "--rounds", "1"],
            ["published recipe ", "resize alone ", "+ copy_paste ", "+ jpeg "],
        ),
        ("uncertainty.py", ["--data", "shapes:1:12"], ["rank correlation, all", "factor, even images"]),
    ],
)
def test_a_script_prints_its_figures(script: str, arguments: list[str], lines: list[str]) -> None:
    environment = {**os.environ, "PYTHONPATH": str(BENCHMARKS.parent), "DETCLI_RUNTIME_CACHE": ""}
    run = subprocess.run(
        [sys.executable, str(BENCHMARKS / script), *arguments], env=environment, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    for line in lines:
        assert any(printed.startswith(line) for printed in run.stdout.splitlines()), run.stdout
