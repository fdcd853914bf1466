"""`detcli export` writes a file that detects what the model detects, or no file at all."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

import detcli
from detcli.cli.export.export_view import ExportView
from detcli.engine.model_files.bundled_images import BUNDLED_IMAGES
from detcli.errors import GateError, InputError, UsageError
from detcli.runtimes.exported.openvino_files import openvino_module
from tests.helpers.cli_runs import Run, broken, image

DetcliRun = Callable[..., Run]
FILES = {"onnx": ["shapes.onnx"], "openvino": ["shapes.bin", "shapes.xml"]}


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def changed_onnx(path: Path) -> None:
    """Add to the bias of every class, as a damaged weight would."""
    model = onnx.load(path)
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype == np.float32 and values.shape == (10,):
            tensor.CopyFrom(numpy_helper.from_array(values + np.float32(0.2), tensor.name))
    onnx.save(model, path)


def changed_bin(path: Path) -> None:
    """Double some numbers in the middle of the weights."""
    weights = np.fromfile(path.with_suffix(".bin"), np.float32)
    middle = len(weights) // 2
    weights[middle : middle + len(weights) // 10] *= 2
    weights.tofile(path.with_suffix(".bin"))


CHANGES = {"onnx": changed_onnx, "openvino": changed_bin}


@pytest.mark.parametrize("format_name", ["onnx", "openvino"])
@pytest.mark.parametrize("outputs", ["raw", "boxes"])
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_the_file_detects_what_the_model_detects(
    detcli: DetcliRun, tmp_path: Path, format_name: str, outputs: str, precision: str
) -> None:
    run = detcli(
        "--log-format", "json", "export", "shapes", "-o", tmp_path / "x", "--to", format_name,
        "--outputs", outputs, "--precision", precision, "--batch", "dynamic" if outputs == "boxes" else "2",
    )  # fmt: skip
    assert run.code == 0, run.err
    assert names(tmp_path / "x") == FILES[format_name]
    summary = json.loads(run.err.splitlines()[-1])
    assert summary["boxes"] > 100
    assert summary["images"] == 6
    assert summary["runtimes"] == (["openvino", "onnx"] if format_name == "onnx" else ["openvino"])
    assert summary["box_error_px"] <= (0.5 if precision == "fp16" else 0.05)
    info = json.loads(detcli("models", "info", tmp_path / "x" / FILES[format_name][-1], "--json").out)["exported"]
    assert (info["outputs"], info["precision"], info["format"]) == (outputs, precision, format_name)
    assert info["batch"] == (None if outputs == "boxes" else 2)
    assert len(info["sha256_of_checkpoint"]) == 64
    labels = []
    for model in (tmp_path / "x" / FILES[format_name][-1], "shapes"):
        found = tmp_path / f"{len(labels)}.json"
        done = detcli("detect", BUNDLED_IMAGES, "-m", model, "-o", found)
        assert done.code == 0, done.err
        entries = json.loads(found.read_text(encoding="utf-8"))["annotations"]
        labels.append(sorted((entry["image_id"], entry["category_id"]) for entry in entries))
    assert labels[0] == labels[1] != []


@pytest.mark.parametrize("format_name", ["onnx", "openvino"])
@pytest.mark.parametrize("outputs", ["raw", "boxes"])
def test_a_file_with_other_weights_is_refused(
    detcli: DetcliRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, format_name: str, outputs: str
) -> None:
    monkeypatch.setattr(ExportView, "on_written", lambda self, path: CHANGES[format_name](path))
    run = detcli("export", "shapes", "-o", tmp_path / "x", "--to", format_name, "--outputs", outputs)
    assert run.code == 10
    assert "the exported file does not detect what the checkpoint detects, and was removed" in run.err
    assert ".jpg': " in run.err  # the image
    assert " at (" in run.err  # the box
    assert "(allowed: 0.5 px and 0.01)" in run.err
    assert names(tmp_path / "x") == []


def test_a_file_that_no_runtime_reads_is_refused(
    detcli: DetcliRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ExportView, "on_written", lambda self, path: path.write_bytes(path.read_bytes()[:5000]))
    run = detcli("export", "shapes", "-o", tmp_path / "x")
    assert run.code == 10
    assert "cannot be used with the runtime openvino, and was removed: " in run.err
    assert ".part" not in run.err  # the temporary name is of no use
    assert names(tmp_path / "x") == []


def test_a_refused_file_leaves_the_old_one(detcli: DetcliRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = tmp_path / "shapes.onnx"
    old.write_bytes(b"old")
    monkeypatch.setattr(ExportView, "on_written", lambda self, path: changed_onnx(path))
    assert detcli("export", "shapes", "-o", tmp_path, "-y").code == 10
    assert old.read_bytes() == b"old"
    assert names(tmp_path) == ["shapes.onnx"]


@pytest.mark.parametrize("format_name", ["onnx", "openvino"])
def test_an_existing_file_is_kept_unless_it_may_be_replaced(
    detcli: DetcliRun, tmp_path: Path, format_name: str
) -> None:
    existing = tmp_path / FILES[format_name][0]
    existing.write_bytes(b"old")
    run = detcli("export", "shapes", "-o", tmp_path, "--to", format_name)
    assert run.code == 8
    assert f"'{existing}' exists: --if-exists overwrite (or -y) replaces it" in run.err
    skipped = detcli("export", "shapes", "-o", tmp_path, "--to", format_name, "--if-exists", "skip")
    assert (skipped.code, f"'{existing}' exists; skipped" in skipped.err) == (0, True)
    assert existing.read_bytes() == b"old"
    assert detcli("export", "shapes", "-o", tmp_path, "--to", format_name, "-y").code == 0
    assert len(existing.read_bytes()) > 100_000
    assert names(tmp_path) == FILES[format_name]


def test_an_export_that_fails_in_the_middle_leaves_nothing(
    detcli: DetcliRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(self: ExportView, path: Path) -> None:
        assert path.exists()
        assert names(tmp_path / "x") != ["shapes.onnx"]
        raise KeyboardInterrupt

    monkeypatch.setattr(ExportView, "on_written", interrupt)
    assert detcli("export", "shapes", "-o", tmp_path / "x").code == 130
    assert names(tmp_path / "x") == []


def test_a_dry_run_writes_nothing_and_says_what_would_be_written(detcli: DetcliRun, tmp_path: Path) -> None:
    run = detcli("export", "shapes", "-o", tmp_path / "x", "--to", "openvino", "--dry-run")
    assert run.code == 0
    for line in ("x/shapes.bin", "x/shapes.xml", "batches of 1, fp32, outputs raw", "6 images with openvino"):
        assert line in run.err
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--batch", "0"], 2, "'0' is not a batch size: use a number from 1 to 4096, or dynamic"),
        (["--to", "tensorrt"], 2, "'tensorrt' is not one of 'onnx', 'openvino'"),
        (["--outputs", "boxes", "--masks"], 2, "--masks needs --outputs raw"),
        (["--masks"], 5, "'shapes' detects boxes, not masks"),
        (["--imgsz", "250"], 2, "multiple"),
        (["--images", "missing/"], 4, "no image for the check of the exported file can be read"),
        (["--images", "."], 4, "there are no images in '.'"),
        (["--model", "shapes"], 2, "shapes"),
        (["--half"], 2, "use --precision fp16"),
        (["--dynamic"], 2, "use --batch dynamic"),
        (["--format", "openvino"], 2, "use --to openvino"),
    ],
)
def test_what_cannot_be_exported_is_said(
    detcli: DetcliRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    run = detcli("export", "shapes", "-o", "x", *arguments)
    assert (run.code, message in run.err) == (code, True), run.err
    assert names(tmp_path / "x") == []


def test_the_suffix_of_the_output_is_the_format(detcli: DetcliRun, tmp_path: Path) -> None:
    assert detcli("export", "shapes", "-o", tmp_path / "mine.xml", "--if-exists", "error", "--dry-run").code == 0
    run = detcli("export", "shapes", "-o", tmp_path / "mine.xml", "--to", "onnx")
    assert run.code == 2
    assert "has the suffix of openvino, but --to onnx is given" in run.err


def test_an_exported_file_is_no_checkpoint_to_export(detcli: DetcliRun, tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_bytes(b"x")
    run = detcli("export", tmp_path / "a.onnx", "-o", tmp_path / "x")
    assert run.code == 5
    assert "is an exported file, which can only detect" in run.err


def test_python_exports_a_model_and_says_how_near_it_is(tmp_path: Path) -> None:
    steps: list[str] = []

    class Steps(detcli.ExportObserver):
        def on_step(self, step: str) -> None:
            steps.append(step)

    photos = tmp_path / "photos"
    image(photos / "a.png", 1)
    broken(photos / "b.png")
    result = detcli.export_model(
        "shapes", tmp_path / "mine.onnx", batch="dynamic", image_size=128, images=photos, observer=Steps()
    )
    assert result is not None
    assert result.path == tmp_path / "mine.onnx"
    assert result.facts.size_hw == (128, 128)
    assert {one.runtime for one in result.parity} == {"openvino", "onnx"}
    assert all(one.images == 1 and one.boxes >= 5 for one in result.parity)
    assert steps[0] == "exporting shapes"
    assert detcli.export_model("shapes", tmp_path / "mine.onnx", if_exists="skip") is None


def test_python_raises_gate_errors_and_usage_errors(tmp_path: Path) -> None:
    class Tampering(detcli.ExportObserver):
        def on_written(self, path: Path) -> None:
            changed_onnx(path)

    with pytest.raises(GateError, match="with the runtime openvino"):
        detcli.export_model("shapes", tmp_path / "x", observer=Tampering())
    assert names(tmp_path / "x") == []
    for wrong, kind in (
        ({"format": "tflite"}, UsageError),
        ({"batch": 0}, UsageError),
        ({"batch": "many"}, TypeError),
        ({"precision": "bf16"}, UsageError),
        ({"images": tmp_path / "none"}, InputError),
    ):
        given: dict[str, Any] = wrong
        with pytest.raises(kind):
            detcli.export_model("shapes", tmp_path / "x", **given)


@pytest.mark.parametrize(("options", "is_said"), [(("--max-det", "7"), True), ((), False)])
def test_a_number_of_boxes_is_said_to_change_no_raw_file(
    options: tuple[str, ...], is_said: bool, detcli: DetcliRun, tmp_path: Path
) -> None:
    done = detcli("export", "shapes", "-o", tmp_path, *options)
    assert done.code == 0, done.err
    assert ("--max-det is for --outputs boxes: a file with --outputs raw has all queries" in done.err) == is_said


def test_other_tools_find_names_sizes_and_shapes_in_the_file(detcli: DetcliRun, tmp_path: Path) -> None:
    assert detcli("export", "shapes", "-o", tmp_path, "--outputs", "boxes", "--max-det", "7").code == 0
    model = onnx.load(tmp_path / "shapes.onnx")
    onnx.checker.check_model(model)
    assert model.opset_import[0].version == 17
    entries = {one.key: one.value for one in model.metadata_props}
    assert entries["names"].startswith("{0: 'circle', 1: 'square'")
    assert (entries["imgsz"], entries["batch"]) == ("[256, 256]", "1")
    shapes = {
        one.name: [axis.dim_value for axis in one.type.tensor_type.shape.dim]
        for one in (*model.graph.input, *model.graph.output)
    }
    assert shapes == {"pixels": [1, 3, 256, 256], "boxes": [1, 7, 4], "scores": [1, 7], "classes": [1, 7]}
    assert detcli("export", "shapes", "-o", tmp_path, "--to", "openvino", "--outputs", "boxes").code == 0
    graph = openvino_module().Core().read_model(os.fspath(tmp_path / "shapes.xml"))
    assert json.loads(graph.get_rt_info(["detcli"]).value)["model"] == "shapes"
    assert graph.get_rt_info(["names"]).value == entries["names"]
