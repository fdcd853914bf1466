"""The scripts of `benchmarks/` run on few inputs, and print their figures."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from detcli.datasets.shapes import ShapesDataset, draw
from detcli.io.coco.coco_writer import coco_categories, coco_image, ground_truth_annotations

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
        (
            "training_programs/teacher.py",
            ["--seeds", "1", "--epochs", "1", "--images", "16", "--val-images", "4"],
            ["alone   seed 1  AP 0.", "taught  seed 1  AP 0.", "gain "],
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


def write_parts(folder: Path) -> None:
    """COCO annotations of three parts of four drawn images each."""
    labels = ShapesDataset().labels
    (folder / "images").mkdir(parents=True)
    for part, name in enumerate(("train", "val", "test")):
        document: dict[str, Any] = {"images": [], "annotations": [], "categories": coco_categories(labels)}
        for number in range(4 * part + 1, 4 * part + 5):
            pixels, truth = draw(0, number, size_hw=(96, 128))
            Image.fromarray(pixels).save(folder / "images" / f"{number}.png")
            document["images"].append(coco_image(number, f"{number}.png", size_hw=(96, 128)))
            first_id = len(document["annotations"]) + 1
            document["annotations"] += ground_truth_annotations(truth, labels, image_id=number, first_id=first_id)
        (folder / f"{name}.json").write_text(json.dumps(document))


def test_training_on_a_folder_fits_a_budget_and_is_evaluated(tmp_path: Path) -> None:
    write_parts(tmp_path / "data")
    arguments = [
        *(str(tmp_path / "data"), "--program", "detcli", "--size", "64", "--threads", "1", "--minutes", "0.01", "0.5"),
        *("--results", str(tmp_path / "results.jsonl"), "--work", str(tmp_path / "work"), "--table"),
    ]
    command = [sys.executable, str(BENCHMARKS / "real_data.py"), *arguments]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines()[1].split()[:4] == ["detcli", "0.01", "of", "0.5"]
    early, end = map(json.loads, (tmp_path / "results.jsonl").read_text().splitlines())
    assert (early["ap"], early["epochs"]) == (None, None), "no model after half a second"
    assert end["planned_epochs"] >= 1
    assert (tmp_path / "work" / "detcli-0.5-seed0" / "run" / "best").is_dir() == bool(end["curve"])
