"""Commands take exported files, with the runtime of --runtime; results say which runtime ran."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import detcli
from detcli.engine.model_files.bundled_images import BUNDLED_IMAGES
from tests.helpers.cli_runs import Run
from tests.helpers.exported_models import export_shapes

DetcliRun = Callable[..., Run]
DEMO = BUNDLED_IMAGES
RUNTIMES = ["openvino", "onnx"]


@pytest.fixture(scope="module")
def onnx_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_shapes(tmp_path_factory.mktemp("exported") / "shapes.onnx", sha256="ab" * 32)


def records(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_detect_finds_what_the_checkpoint_finds(
    detcli: DetcliRun, tmp_path: Path, onnx_file: Path, runtime: str
) -> None:
    out, expected = tmp_path / "out.jsonl", tmp_path / "expected.jsonl"
    run = detcli("-v", "detect", DEMO, "-m", onnx_file, "--runtime", runtime, "-o", out, "--header")
    assert run.code == 0, run.err
    assert f"{runtime} on cpu, fp32, batches of 1" in run.err
    assert detcli("detect", DEMO, "-m", "shapes", "-o", expected, "--header").code == 0
    header, *found = records(out)
    assert header["detcli"]["arguments"]["runtime"] == runtime  # type: ignore[index]
    first, *same = records(expected)
    assert first["detcli"]["arguments"]["runtime"] == "torch"  # type: ignore[index]
    assert len(found) == len(same) == 6
    for ours, theirs in zip(found, same, strict=True):
        labels = [[one["label"] for one in record["detections"]] for record in (ours, theirs)]  # type: ignore[attr-defined]
        assert sorted(labels[0]) == sorted(labels[1])


def test_auto_takes_an_installed_runtime_and_says_it(detcli: DetcliRun, tmp_path: Path, onnx_file: Path) -> None:
    run = detcli("-v", "detect", DEMO / "1.jpg", "-m", onnx_file, "-o", tmp_path / "out.json")
    assert run.code == 0, run.err
    assert "openvino on cpu, fp32" in run.err
    document = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    assert document["info"]["arguments"]["runtime"] == "openvino"


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_eval_takes_an_exported_file(detcli: DetcliRun, tmp_path: Path, onnx_file: Path, runtime: str) -> None:
    report = tmp_path / "report.json"
    run = detcli("eval", "-m", onnx_file, "--data", DEMO / "ground_truth.json", "--runtime", runtime, "-o", report)
    assert run.code == 0, run.err
    document = json.loads(report.read_text(encoding="utf-8"))
    assert document["settings"]["runtime"] == runtime
    assert document["metrics"]["AP50"] > 0.9


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_video_takes_an_exported_file(detcli: DetcliRun, tmp_path: Path, onnx_file: Path, runtime: str) -> None:
    import av

    video, out = tmp_path / "in.mkv", tmp_path / "out.jsonl"
    with av.open(str(video), "w") as container:
        stream = container.add_stream("mpeg4", rate=5)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        pixels = np.array(Image.open(DEMO / "1.jpg").resize((128, 96)))
        for _ in range(4):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, "rgb24").reformat(format="yuv420p")))
        container.mux(stream.encode(None))
    run = detcli("-v", "video", video, "-m", onnx_file, "--runtime", runtime, "-o", out, "-t", "0.1")
    assert run.code == 0, run.err
    assert f"{runtime} on cpu" in run.err
    assert [bool(record["detections"]) for record in records(out)] == [True] * 4


def test_python_takes_an_exported_file_and_a_runtime(tmp_path: Path, onnx_file: Path) -> None:
    stats = detcli.detect(DEMO / "1.jpg", model=onnx_file, runtime="onnx", outputs=tmp_path / "out.jsonl")
    assert stats.images == 1
    with pytest.raises(detcli.UsageError, match="`runtime` must be one of auto, torch, openvino, onnx, not 'tpu'"):
        detcli.detect(DEMO / "1.jpg", model=onnx_file, runtime="tpu", outputs=tmp_path / "no.jsonl")
    detector = detcli.load_detector(onnx_file, runtime="onnx")
    with pytest.raises(detcli.UsageError, match="`runtime` must be set when the detector is loaded"):
        detcli.detect(DEMO / "1.jpg", model=detector, runtime="openvino", outputs=tmp_path / "no.jsonl")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["-m", "shapes", "--runtime", "onnx"],
            "--runtime onnx runs exported files: 'detcli export shapes' writes one",
        ),
        (["-m", "FILE", "--runtime", "torch"], "--runtime torch runs checkpoints; 'shapes.onnx' is an exported file"),
        (
            ["-m", "FILE", "--runtime", "ort"],
            "'ort' is not one of 'auto', 'torch', 'openvino', 'onnx': did you mean 'onnx'?",
        ),
        (["-m", "FILE", "--deterministic"], "--deterministic is for checkpoints that torch runs"),
        (["-m", "FILE", "--device", "cuda"], "--device cuda: exported files run on the CPU"),
    ],
)
def test_a_runtime_that_cannot_run_the_model_is_a_usage_error(
    detcli: DetcliRun, tmp_path: Path, onnx_file: Path, arguments: list[str], message: str
) -> None:
    given = [str(onnx_file) if word == "FILE" else word for word in arguments]
    run = detcli("detect", DEMO / "1.jpg", "-o", tmp_path / "out.json", *given)
    assert (run.code, message in run.err) == (2, True), run.err
    assert not (tmp_path / "out.json").exists()


def test_a_run_is_not_resumed_with_another_file(detcli: DetcliRun, tmp_path: Path, onnx_file: Path) -> None:
    out, journal, other = tmp_path / "out.json", tmp_path / "out.json.journal", tmp_path / "shapes.onnx"
    other.write_bytes(onnx_file.read_bytes())
    interrupted = ["detect", tmp_path / "missing.jpg", *sorted(DEMO.glob("*.jpg")), "-o", out, "-m", other]
    assert detcli(*interrupted, "--strict").code == 3
    assert journal.exists()
    export_shapes(other, outputs="boxes")
    run = detcli(*interrupted, "--resume")
    assert run.code == 2
    assert "sha256 was" in run.err
    other.write_bytes(onnx_file.read_bytes())
    changed = detcli(*interrupted, "--resume", "--runtime", "onnx")
    assert changed.code == 2
    assert 'runtime was "openvino" and is "onnx"' in changed.err
    assert detcli(*interrupted, "--resume").code == 3  # finished, with one failed input


def test_models_info_describes_an_exported_file(detcli: DetcliRun, onnx_file: Path) -> None:
    shown = detcli("models", "info", onnx_file)
    assert shown.code == 0, shown.err
    for line in (
        "exported    from 'shapes' as onnx, by detcli",
        "outputs     raw (logits, boxes)",
        "batch size  any",
        "input size  256 x 256 (height x width)",
        "precision   fp32",
        f"checkpoint  {'ab' * 32}",
        "10 classes: index, category id, name",
    ):
        assert line in shown.out
    facts = json.loads(detcli("models", "info", onnx_file, "--json").out)
    assert facts["exported"]["format"] == "onnx"
    assert facts["classes"][0] == {"label_id": 0, "category_id": 1, "label": "circle"}
    assert facts["bytes"] == onnx_file.stat().st_size
    assert json.loads(detcli("models", "info", "shapes", "--json").out)["exported"] is None


@pytest.mark.parametrize(
    "command",
    [
        ["train", "--data", "shapes:0:4", "-o", "run", "-m"],
        ["train", "--data", "shapes:0:4", "--scratch", "-o", "run", "-m"],
        ["models", "convert", "-o", "converted"],
    ],
)
def test_commands_that_need_a_checkpoint_refuse_exported_files(
    detcli: DetcliRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, onnx_file: Path, command: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    run = detcli(*command, onnx_file)
    assert run.code == 5
    assert f"'{onnx_file}' is an exported file, which can only detect: use the checkpoint" in run.err
    assert not list(tmp_path.iterdir())


def test_doctor_lists_the_runtimes_with_their_versions(detcli: DetcliRun, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys
    from importlib import metadata

    def values() -> dict[str, str]:
        return {one["name"]: one["value"] for one in json.loads(detcli("doctor", "--json").out)["findings"]}

    found = values()
    assert found["OpenVINO"] == metadata.version("openvino")
    assert found["ONNX Runtime"] == metadata.version("onnxruntime")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert values()["ONNX Runtime"] == "not installed; runs exported models: pip install onnx onnxruntime"
