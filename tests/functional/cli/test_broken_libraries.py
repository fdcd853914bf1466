"""Commands with an installed but broken library of an extra: cause and remedy, and everything else still works."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.broken_libraries import FAULTS, break_library

PROJECT = Path(__file__).parents[3]


def detcli_with(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder whose `broken` folder holds libraries that hide the real ones."""
    path = os.pathsep.join([str(folder / "broken"), str(PROJECT)])
    return subprocess.run(
        [sys.executable, "-m", "detcli", *words],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": path, "COLUMNS": "400"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(("module", "fault"), [("scipy", "missing system library"), ("matplotlib", "other numpy")])
def test_training_tells_a_broken_library_before_it_reads_anything(tmp_path: Path, module: str, fault: str) -> None:
    break_library(tmp_path / "broken", module, fault)
    done = detcli_with(tmp_path, "train", "--data", "no/such.json", "-o", "run")
    assert done.returncode == 2
    assert f"training needs {module}, which {FAULTS[fault][1]}" in done.stderr
    assert not (tmp_path / "run").exists()


def test_an_evaluation_with_a_broken_matplotlib_keeps_its_report(tmp_path: Path) -> None:
    break_library(tmp_path / "broken", "matplotlib", "missing system library")
    box = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 9, 9], "area": 81, "iscrowd": 0}
    truth = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 20, "height": 20}],
        "categories": [{"id": 1, "name": "cat"}],
        "annotations": [box],
    }
    (tmp_path / "gt.json").write_text(json.dumps(truth))
    (tmp_path / "res.json").write_text(json.dumps([{**box, "score": 0.9}]))
    options = ("-f", "table", "-o", "report.json", "--save-plots", "plots")
    done = detcli_with(tmp_path, "eval", "res.json", "--gt", "gt.json", *options)
    assert f"no plots: plots need matplotlib, which {FAULTS['missing system library'][1]}" in done.stderr
    assert json.loads((tmp_path / "report.json").read_text())["metrics"]["AP"] == pytest.approx(1.0)
    assert "Traceback" not in done.stderr


def test_doctor_lists_a_broken_library_as_a_warning(tmp_path: Path) -> None:
    break_library(tmp_path / "broken", "scipy", "missing system library")
    break_library(tmp_path / "broken", "pillow_heif", "other numpy")
    done = detcli_with(tmp_path, "doctor", "--json")
    findings = {one["name"]: one for one in json.loads(done.stdout)["findings"]}
    assert done.returncode == 0
    assert findings["scipy"]["value"] == "the system library libbroken.so.3 is missing"
    assert findings["scipy"]["state"] == "warning"
    assert "module compiled against ABI version" in findings["HEIC"]["advice"]
