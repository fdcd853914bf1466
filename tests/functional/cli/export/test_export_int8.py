"""`detcli export --precision int8`: calibrated, checked with a tolerance of its own, its AP stored; every command takes it."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from PIL import Image

pytest.importorskip("nncf")

import detcli
from detcli.cli.export.export_view import ExportView
from detcli.datasets.shapes.shapes_dataset import draw
from detcli.engine.model_files.bundled_images import BUNDLED_IMAGES
from detcli.errors import InputError, UsageError
from detcli.exporting import quantize
from detcli.inference.load import load_detector
from detcli.runtimes.exported.openvino_files import openvino_module
from tests.helpers.cli_runs import Run, broken
from tests.helpers.processes import environment

DetcliRun = Callable[..., Run]
FORMATS = ["onnx", "openvino"]
SUFFIXES = {"onnx": ".onnx", "openvino": ".xml"}
TRUTH = BUNDLED_IMAGES / "ground_truth.json"


def write_shapes(folder: Path, count: int, seed: int = 7) -> Path:
    """Images of shapes, like those that the bundled model was trained on."""
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(count):
        Image.fromarray(draw(seed, index)[0]).save(folder / f"{index:03}.png")
    return folder


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """12 images, one of which cannot be read."""
    folder = write_shapes(tmp_path_factory.mktemp("calibration") / "photos", 12)
    broken(folder / "005.png")
    return folder


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory, photos: Path) -> dict[str, Any]:
    """What the export of the bundled model returned, by format."""
    folder = tmp_path_factory.mktemp("exported")
    return {
        name: detcli.export_model(
            "shapes",
            folder / f"shapes{SUFFIXES[name]}",
            precision="int8",
            batch="dynamic",
            calibrate=photos,
            calibration_images=12,
            images=BUNDLED_IMAGES,
            data=TRUTH,
        )
        for name in FORMATS
    }


def quantized_nodes(path: Path) -> list[str]:
    """Names of the nodes that take a quantized value."""
    if path.suffix == ".onnx":
        graph = onnx.load(path).graph
        made = {output for node in graph.node if node.op_type == "DequantizeLinear" for output in node.output}
        return [node.name for node in graph.node if made.intersection(node.input)]
    operations = openvino_module().Core().read_model(os.fspath(path)).get_ordered_ops()
    fake = [node for node in operations if node.get_type_name() == "FakeQuantize"]
    return [port.get_node().get_friendly_name() for node in fake for port in node.output(0).get_target_inputs()]


@pytest.mark.parametrize("format_name", FORMATS)
def test_backbone_and_encoder_are_int8_and_decoding_is_not(exported: dict[str, Any], format_name: str) -> None:
    names = quantized_nodes(exported[format_name].path)
    assert sum("/backbone/" in name for name in names) > 10
    assert sum("/encoder/" in name for name in names) > 3
    assert not [name for name in names if "/decoder/" in name or "head" in name]


@pytest.mark.parametrize("format_name", FORMATS)
def test_the_file_is_smaller_than_a_float_one(exported: dict[str, Any], tmp_path: Path, format_name: str) -> None:
    plain = detcli.export_model("shapes", tmp_path, format=format_name, precision="fp32")
    assert plain is not None
    sizes = [sum(path.stat().st_size for path in one.paths) for one in (exported[format_name], plain)]
    assert sizes[0] < sizes[1]


@pytest.mark.parametrize("format_name", FORMATS)
def test_the_metadata_say_int8_images_and_ap(detcli: DetcliRun, exported: dict[str, Any], format_name: str) -> None:
    result = exported[format_name]
    shown = json.loads(detcli("models", "info", result.path, "--json").out)["exported"]
    assert shown["precision"] == "int8"
    assert shown["calibration_images"] == result.facts.calibration_images
    assert shown["calibration_images"] == 11
    accuracy = shown["accuracy"]
    assert (accuracy["data"], accuracy["images"]) == ("ground_truth.json", 6)
    assert accuracy["checkpoint"] == result.facts.accuracy.checkpoint > 0.7
    assert accuracy["exported"] == result.facts.accuracy.exported > 0.7
    assert accuracy["exported"] != accuracy["checkpoint"]
    text = detcli("models", "info", result.path).out
    assert f"int8, calibrated with {shown['calibration_images']} images" in text
    assert f"{accuracy['exported']:.3f}; {accuracy['checkpoint']:.3f} of the checkpoint" in text


@pytest.mark.parametrize("format_name", FORMATS)
def test_the_stored_ap_is_that_of_eval(
    detcli: DetcliRun, exported: dict[str, Any], tmp_path: Path, format_name: str
) -> None:
    result = exported[format_name]
    found = []
    for model, runtime in ((result.path, "auto"), ("shapes", "torch")):
        report = tmp_path / f"{runtime}.json"
        run = detcli("eval", "-m", model, "--runtime", runtime, "--data", TRUTH, "-o", report)
        assert run.code == 0, run.err
        document = json.loads(report.read_text(encoding="utf-8"))
        found.append((document["settings"]["precision"], document["metrics"]["AP"]))
    assert found == [("int8", result.facts.accuracy.exported), ("fp32", result.facts.accuracy.checkpoint)]


@pytest.mark.parametrize(("format_name", "runtime"), [("onnx", "onnx"), ("openvino", "openvino")])
@pytest.mark.parametrize("how", [(), ("--runtime",)])
def test_detect_takes_the_file_and_finds_nearly_the_same(
    detcli: DetcliRun, exported: dict[str, Any], tmp_path: Path, format_name: str, runtime: str, how: tuple[str, ...]
) -> None:
    out, path = tmp_path / "out.jsonl", exported[format_name].path
    named = [*how, runtime] if how else []
    run = detcli("-v", "detect", BUNDLED_IMAGES, "-m", path, *named, "-o", out, "--header")
    assert run.code == 0, run.err
    assert f"{runtime} on cpu, int8" in run.err
    header, *found = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert header["detcli"]["arguments"]["precision"] == "int8"
    assert 34 <= sum(len(record["detections"]) for record in found) <= 40  # 36 of the checkpoint


def test_openvino_refuses_int8_of_onnx(detcli: DetcliRun, exported: dict[str, Any]) -> None:
    path = exported["onnx"].path
    run = detcli("detect", BUNDLED_IMAGES, "-m", path, "--runtime", "openvino")
    assert run.code == 2
    assert f"--runtime openvino: '{path.name}' is an .onnx file in int8, which ONNX Runtime runs" in run.err
    with pytest.raises(UsageError, match="export it to openvino"):
        load_detector(path, runtime="openvino")


def test_bench_takes_the_file(detcli: DetcliRun, exported: dict[str, Any], tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    run = detcli(
        "bench", exported["openvino"].path, "--limit", "2", "--repeat", "1", "-o", report, "--runtime", "openvino"
    )
    assert run.code == 0, run.err
    (case,) = json.loads(report.read_text())["cases"]
    assert (case["error"], case["precision"]) == (None, "int8")


def test_the_command_says_ap_prints_no_bars_and_reports_no_use(photos: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    command = [
        sys.executable, "-m", "detcli", "--log-format", "json", "export", "shapes", "-o", "x", "--to", "openvino",
        "--precision", "int8", "--calibrate", str(photos), "--calibration-images", "10", "--data", "shapes:1:8",
    ]  # fmt: skip
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=300, env=environment() | {"HOME": str(home)}
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    summary = [json.loads(line) for line in done.stderr.splitlines()][-1]
    assert summary["precision"] == "int8"
    assert summary["calibration_images"] == summary["images"] == 10  # the check takes those of --calibrate
    assert (summary["accuracy"]["data"], summary["accuracy"]["images"]) == ("shapes:1:8", 8)
    assert summary["differing"] <= 0.2 * summary["boxes"]
    assert "; AP 0." in summary["message"]
    assert "on 8 images of shapes:1:8" in summary["message"]
    assert "Statistics" not in done.stderr
    assert "nncf" not in done.stderr.lower()
    assert sorted(path.name for path in home.iterdir()) == []  # the package for reports writes an id there


@pytest.fixture
def quantized_before(monkeypatch: pytest.MonkeyPatch, exported: dict[str, Any]) -> None:
    """Quantization gives the networks of `exported` again, without its seconds of work."""

    def known(graph: Any, *_: Any, **__: Any) -> Any:
        return openvino_module().Core().read_model(os.fspath(exported["openvino"].path))

    monkeypatch.setattr(quantize, "quantize", known)
    monkeypatch.setattr(quantize, "quantize_onnx", lambda *_, **__: onnx.load(exported["onnx"].path))


@pytest.mark.usefixtures("quantized_before")
@pytest.mark.parametrize("format_name", FORMATS)
def test_a_file_with_other_weights_is_refused(
    detcli: DetcliRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, photos: Path, format_name: str
) -> None:
    def change(self: ExportView, path: Path) -> None:
        if path.suffix == ".onnx":
            model = onnx.load(path)
            for tensor in model.graph.initializer:
                values = numpy_helper.to_array(tensor)
                if values.dtype == np.float32 and values.shape == (10,):  # the bias of every class
                    tensor.CopyFrom(numpy_helper.from_array(values - np.float32(2), tensor.name))
            onnx.save(model, path)
        else:
            weights = np.fromfile(path.with_suffix(".bin"), np.uint8)
            middle = len(weights) // 4
            weights[middle : middle + len(weights) // 10] = 1
            weights.tofile(path.with_suffix(".bin"))

    monkeypatch.setattr(ExportView, "on_written", change)
    run = detcli(
        "export", "shapes", "-o", tmp_path / "x", "--to", format_name, "--precision", "int8",
        "--calibrate", photos, "--calibration-images", "10",
    )  # fmt: skip
    assert run.code == 10, run.err
    assert "and was removed: " in run.err
    if format_name == "onnx":
        assert "the exported file does not detect what the checkpoint detects" in run.err
        assert "(allowed: 4 px or 10% of the longer side of the box and 0.2; " in run.err
        assert "differ by more, at most 10% may)" in run.err
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "--precision int8 needs --calibrate: a folder of images like those that the model will see"),
        (["--calibrate", "empty"], 4, "'empty' has no readable images: calibration (--calibrate) needs at least 10"),
        (["--calibrate", "missing"], 4, "'missing' has no readable images"),
        (["--calibrate", "few"], 4, "'few' has 9 readable images"),
        (["--calibrate", "few/000.png"], 4, "'few/000.png' has 1 readable image:"),
        (["--calibrate", "few/*.gif"], 4, "'few/*.gif' has no readable images"),
        (["--calibrate", "torn"], 4, "'torn' has 8 readable images"),
        (["--calibrate", "enough", "--calibration-images", "9"], 2, "'9' is not an integer from 10 to 10,000"),
        (["--calibrate", "enough", "--data", "none.json"], 4, "none.json"),
    ],
)
def test_what_cannot_be_calibrated_is_said_and_leaves_nothing(
    detcli: DetcliRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    write_shapes(tmp_path / "few", 9)
    write_shapes(tmp_path / "enough", 10)
    write_shapes(tmp_path / "torn", 11)
    for name in ("000", "004", "010"):
        broken(tmp_path / "torn" / f"{name}.png")
    run = detcli("export", "shapes", "-o", "x", "--precision", "int8", *arguments)
    assert (run.code, message in run.err) == (code, True), run.err
    assert not (tmp_path / "x").exists()


def test_calibration_images_are_for_int8_only(detcli: DetcliRun, tmp_path: Path, photos: Path) -> None:
    run = detcli("export", "shapes", "-o", tmp_path / "x", "--calibrate", photos)
    assert run.code == 2
    assert "--calibrate is for --precision int8, not for fp32" in run.err


def test_a_dry_run_lists_calibration_and_data(detcli: DetcliRun, tmp_path: Path, photos: Path) -> None:
    run = detcli(
        "export", "shapes", "-o", tmp_path / "x", "--to", "openvino", "--precision", "int8", "--dry-run",
        "--calibrate", photos, "--calibration-images", "12", "--data", "shapes:1:8",
    )  # fmt: skip
    assert run.code == 0, run.err
    for words in (f"calibration: 12 images of '{photos}'", "check: 12 images with openvino", "shapes:1:8"):
        assert words in run.err
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(("format_name", "package", "command"), [
    ("openvino", "nncf", "pip install nncf onnx openvino"),
    ("onnx", "nncf", "pip install nncf onnx openvino"),
    ("onnx", "onnxruntime", "pip install onnx onnxruntime"),
])  # fmt: skip
def test_a_missing_package_is_named_with_its_command(
    detcli: DetcliRun,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    photos: Path,
    format_name: str,
    package: str,
    command: str,
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    run = detcli(
        "export", "shapes", "-o", tmp_path / "x", "--to", format_name, "--precision", "int8", "--calibrate", photos
    )
    assert run.code == 2
    assert f"an export to {format_name} in int8 needs {package}, not installed here: {command}" in run.err
    assert not (tmp_path / "x").exists()


def test_int8_of_other_programs_is_answered(detcli: DetcliRun, tmp_path: Path) -> None:
    run = detcli("export", "shapes", "--int8", "-o", tmp_path / "x")
    assert (run.code, "use --precision int8 --calibrate DIR" in run.err) == (2, True), run.err
    run = detcli("detect", "a.jpg", "--int8")
    assert (run.code, "'detcli export --precision int8' writes one" in run.err) == (2, True), run.err


def test_python_raises_what_the_command_says(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="`precision=int8` needs `calibrate`"):
        detcli.export_model("shapes", tmp_path / "x", precision="int8")
    with pytest.raises(InputError, match="no readable images: calibration"):
        detcli.export_model("shapes", tmp_path / "x", precision="int8", calibrate=tmp_path / "none")
    with pytest.raises(UsageError, match="`calibration_images` must be at least 10, not 3"):
        detcli.export_model("shapes", tmp_path / "x", precision="int8", calibrate=tmp_path, calibration_images=3)
    with pytest.raises(UsageError, match="`calibrate` is for `precision=int8`"):
        detcli.export_model("shapes", tmp_path / "x", calibrate=tmp_path)


def test_any_precision_may_be_evaluated(detcli: DetcliRun, tmp_path: Path) -> None:
    run = detcli("export", "shapes", "-o", tmp_path, "--data", TRUTH, "--outputs", "boxes")
    assert run.code == 0, run.err
    accuracy = json.loads(detcli("models", "info", tmp_path / "shapes.onnx", "--json").out)["exported"]["accuracy"]
    assert accuracy["exported"] == pytest.approx(accuracy["checkpoint"], abs=1e-3)
