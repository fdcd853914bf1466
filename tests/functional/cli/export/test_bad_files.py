"""Exported files that are damaged, foreign or of a later version: one sentence with the name of the file, and no result."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

import detcli as package
from detcli.engine.model_files.bundled_images import BUNDLED_IMAGES
from detcli.errors import ModelError
from detcli.runtimes.exported.exported_facts import METADATA_KEY
from tests.helpers.cli_runs import Run

DetcliRun = Callable[..., Run]
IMAGE = BUNDLED_IMAGES / "1.jpg"
TRUTH = BUNDLED_IMAGES / "ground_truth.json"


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with shapes.onnx, shapes.xml and shapes.bin."""
    folder = tmp_path_factory.mktemp("good")
    for name in ("shapes.onnx", "shapes.xml"):
        assert package.export_model("shapes", folder / name, images=IMAGE)
    return folder


def onnx_with(good: Path, path: Path, change: Callable[[onnx.ModelProto], None]) -> None:
    model = onnx.load(good / "shapes.onnx")
    change(model)
    onnx.save(model, path)


def xml_with(good: Path, path: Path, change: Callable[[str], str]) -> None:
    text = (good / "shapes.xml").read_text(encoding="utf-8")
    changed = change(text)
    assert changed != text
    path.write_text(changed, encoding="utf-8")
    path.with_suffix(".bin").write_bytes((good / "shapes.bin").read_bytes())


def later(text: str) -> str:
    return re.sub(r"(&quot;format&quot;: )1\b", r"\g<1>99", text)


def of_a_later_version(model: onnx.ModelProto) -> None:
    facts = next(one for one in model.metadata_props if one.key == METADATA_KEY)
    facts.value = json.dumps(json.loads(facts.value) | {"format": 99, "version": "9.9"})


def with_another_input_name(model: onnx.ModelProto) -> None:
    for node in model.graph.node:
        node.input[:] = ["images" if name == "pixels" else name for name in node.input]
    model.graph.input[0].name = "images"


def with_a_second_input(model: onnx.ModelProto) -> None:
    model.graph.input.append(helper.make_tensor_value_info("sizes", TensorProto.INT64, [1, 2]))
    model.graph.node.append(helper.make_node("Identity", ["sizes"], ["unused"]))


def without_boxes(model: onnx.ModelProto) -> None:
    del model.graph.output[1]


def of_another_tool(good: Path, path: Path) -> None:
    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, 4, 4]) for name in ("images", "output0")]
    graph = helper.make_graph([helper.make_node("Identity", ["images"], ["output0"])], "g", value[:1], value[1:])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def half(good: Path, path: Path) -> None:
    content = (good / f"shapes{path.suffix}").read_bytes()
    path.write_bytes(content[: len(content) // 2])
    if path.suffix == ".xml":
        path.with_suffix(".bin").write_bytes((good / "shapes.bin").read_bytes())


def with_half_of_the_weights(good: Path, path: Path) -> None:
    path.write_bytes((good / "shapes.xml").read_bytes())
    weights = (good / "shapes.bin").read_bytes()
    path.with_suffix(".bin").write_bytes(weights[: len(weights) // 2])


# File name -> how it is made, and what is said about it.
BAD: dict[str, tuple[Callable[[Path, Path], object], str]] = {
    "empty.onnx": (lambda good, path: path.write_bytes(b""), "cannot read it"),
    "text.onnx": (lambda good, path: path.write_text("hello " * 100), "cannot read it"),
    "half.onnx": (half, "cannot read it"),
    "foreign.onnx": (of_another_tool, "was not exported by detcli"),
    "later.onnx": (lambda good, path: onnx_with(good, path, of_a_later_version), "install a later detcli"),
    "input.onnx": (lambda good, path: onnx_with(good, path, with_another_input_name), "metadata says"),
    "inputs.onnx": (lambda good, path: onnx_with(good, path, with_a_second_input), "metadata says"),
    "outputs.onnx": (lambda good, path: onnx_with(good, path, without_boxes), "metadata says"),
    "alone.xml": (
        lambda good, path: path.write_bytes((good / "shapes.xml").read_bytes()),
        "'alone.bin', which is missing",
    ),
    "html.xml": (lambda good, path: xml_with(good, path, lambda text: "<html><p>Not found</html>"), "cannot read it"),
    "half.xml": (half, "cannot read it"),
    "weights.xml": (with_half_of_the_weights, "weights.xml"),
    "foreign.xml": (
        lambda good, path: xml_with(good, path, lambda text: re.sub(r'<detcli value="[^"]*" ?/>', "", text)),
        "was not exported by detcli",
    ),
    "later.xml": (lambda good, path: xml_with(good, path, later), "install a later detcli"),
    "input.xml": (
        lambda good, path: xml_with(good, path, lambda text: text.replace('"pixels"', '"images"')),
        "metadata says",
    ),
    "output.xml": (
        lambda good, path: xml_with(good, path, lambda text: text.replace('"boxes"', '"rectangles"')),
        "metadata says",
    ),
}


@pytest.fixture(params=BAD)
def bad(request: pytest.FixtureRequest, good: Path, tmp_path: Path) -> tuple[Path, str]:
    """The path of a bad file, and the words about it."""
    make, words = BAD[request.param]
    make(good, tmp_path / request.param)
    return tmp_path / request.param, words


def assert_told(run: Run, path: Path, words: str) -> None:
    assert run.code == 5, run.err
    assert path.name in run.err
    assert words in run.err
    assert "bug" not in run.err
    assert "Traceback" not in run.err


def test_commands_refuse_it_in_words_and_write_nothing(
    detcli: DetcliRun, bad: tuple[Path, str], tmp_path: Path
) -> None:
    path, words = bad
    before = sorted(tmp_path.iterdir())
    assert_told(detcli("detect", IMAGE, "-m", path, "-o", tmp_path / "out.json"), path, words)
    assert_told(detcli("eval", "-m", path, "--data", TRUTH, "-o", tmp_path / "report.json"), path, words)
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("runtime", ["openvino", "onnx"])
def test_python_raises_a_model_error(bad: tuple[Path, str], runtime: str) -> None:
    path, words = bad
    if runtime == "onnx" and path.suffix == ".xml":
        with pytest.raises(package.UsageError, match="is a file of OpenVINO"):
            package.load_detector(path, runtime=runtime)
        return
    with pytest.raises(ModelError) as caught:
        package.load_detector(path, runtime=runtime)
    assert path.name in str(caught.value)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["half.onnx", "foreign.onnx", "later.onnx", "alone.xml", "foreign.xml", "later.xml"])
def test_models_info_says_it_too(detcli: DetcliRun, good: Path, tmp_path: Path, name: str) -> None:
    make, words = BAD[name]
    make(good, tmp_path / name)
    assert_told(detcli("models", "info", tmp_path / name), tmp_path / name, words)


def test_a_cpu_without_bf16_is_told_for_exported_files(
    detcli: DetcliRun, good: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from detcli.runtimes import openvino_runtime

    real = openvino_runtime.openvino_module()

    class OldCore:
        """OpenVINO on a CPU that computes in fp32 only."""

        def __init__(self) -> None:
            self._core = real.Core()

        def get_property(self, device: str, name: str) -> object:
            return ["FP32"] if name == "OPTIMIZATION_CAPABILITIES" else self._core.get_property(device, name)

        def __getattr__(self, name: str) -> object:
            return getattr(self._core, name)

    class OldOpenVino:
        Core = OldCore

        def __getattr__(self, name: str) -> object:
            return getattr(real, name)

    monkeypatch.setattr(openvino_runtime, "openvino_module", OldOpenVino)
    for name in ("shapes.onnx", "shapes.xml"):
        out = tmp_path / "out.json"
        run = detcli("detect", IMAGE, "-m", good / name, "--precision", "bf16", "-o", out)
        assert (run.code, "--precision bf16: this CPU has no bf16; use fp32" in run.err) == (2, True), run.err
        assert not out.exists()
        assert detcli("detect", IMAGE, "-m", good / name, "-o", out, "-y").code == 0
        out.unlink()
