"""The action for CI services runs `detcli eval` with a limit."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

PROJECT = Path(__file__).parents[4]
ACTION = yaml.safe_load((PROJECT / ".github/actions/evaluate/action.yml").read_text(encoding="utf-8"))

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the action needs bash")


@pytest.mark.parametrize(("limit", "status"), [("0.5", 0), ("0.999", 10)])
def test_the_action_passes_or_fails_by_the_limit(tmp_path: Path, limit: str, status: int) -> None:
    demo = [sys.executable, "-m", "detcli", "demo", "-o", str(tmp_path / "demo")]
    subprocess.run(demo, check=True, capture_output=True, timeout=120)
    program = tmp_path / "bin" / "detcli"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m detcli "$@"\n')
    program.chmod(0o755)
    inputs = {name: str(facts.get("default", "")) for name, facts in ACTION["inputs"].items()} | {
        "ground-truth": str(tmp_path / "demo/images/ground_truth.json"),
        "results": str(tmp_path / "demo/detections.json"),
        "min-map": limit,
        "report": str(tmp_path / "report"),
    }
    (step,) = ACTION["runs"]["steps"]
    values = {name: inputs[text.split("inputs.")[1].removesuffix(" }}")] for name, text in step["env"].items()}
    environment = os.environ | values | {"PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}"}
    environment["PYTHONPATH"] = str(PROJECT)
    ended = subprocess.run(
        ["bash", "-e", "-c", step["run"]], env=environment, capture_output=True, text=True, timeout=120
    )
    assert ended.returncode == status, ended.stderr
    assert json.loads((tmp_path / "report/report.json").read_text())
    assert (tmp_path / "report/plots/confusion.png").exists()
