"""A machine without torch: exported models run as with it; what needs torch says so in one sentence."""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import onnx
import pytest

from detcli.cli.setup.demo import BUNDLED_IMAGES
from detcli.runtimes.exported.exported_facts import METADATA_KEY
from tests.helpers.exported_models import export_shapes
from tests.helpers.video_writer_samples import make_video

PROJECT = Path(__file__).parents[2]
TRUTH = "images/ground_truth.json"

# Runs the commands of commands.json in one process without some packages; writes what each of them gave to done.json.
_DRIVER = """
import contextlib, io, json, sys
from pathlib import Path

missing = set(sys.argv[1:])

class Missing:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] in missing:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing)
from detcli.cli.main import cli

done = []
for command in json.loads(Path("commands.json").read_text()):
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            cli.main(command)
    except SystemExit as end:
        out.flush(), err.flush()
        texts = [stream.buffer.getvalue().decode() for stream in (out, err)]
        done.append({"code": end.code, "out": texts[0], "err": texts[1], "modules": sorted(sys.modules)})
Path("done.json").write_text(json.dumps(done))
"""

WORKING = (
    "--help",
    "--version",
    "help exit-codes",
    "completion bash",
    "config show detect",
    "models list",
    "models list --json",
    "models verify shapes",
    "models info shapes.onnx",
    "doctor",
    "detect --help",
    "train --help",
    "export --help",
    "detect images -m shapes.onnx -o out.jsonl --save-images drawn --save-crops crops",
    "detect images -m shapes.onnx -o out.coco.json --imgsz 256x256",
    "detect images -m shapes.onnx -o out.csv --dry-run",
    "detect images/1.jpg -m shapes.onnx -f table",
    "detect images/1.jpg -m shapes.onnx --runtime onnx -f jsonl",
    "video clip.mp4 -m shapes.onnx --track -o video.jsonl --save-video drawn.mp4",
    "eval out.jsonl --gt " + TRUTH + " --save-worst worst --save-plots plots -o report.json",
    "eval -m shapes.onnx --data " + TRUTH,
)
NEEDS_TORCH = (
    "detect images -m shapes -o none.jsonl",
    "detect images -o none.jsonl",
    "detect images -m shapes --dry-run",
    "detect images -m shapes --deterministic",
    "video clip.mp4 -m shapes -o none.jsonl",
    "eval -m shapes --data " + TRUTH,
    "segment images -m masks.onnx -o none.jsonl",
    "segment images -o none.jsonl",
    "train -m shapes --data " + TRUTH + " -o run",
    "demo -o demo",
    "export shapes --to onnx -o exported",
    "bench shapes",
    "models info shapes",
    "models convert weights.pth -o converted",
)


@dataclass(frozen=True)
class Done:
    """What a command of the process gave; `modules`: all that were imported until then."""

    code: int
    out: str
    err: str
    modules: list[str]


def run(folder: Path, *commands: str, missing: tuple[str, ...] = ("torch",)) -> list[Done]:
    """Run commands in a process without some packages."""
    (folder / "commands.json").write_text(json.dumps([command.split() for command in commands]))
    environment = os.environ | {"PYTHONPATH": str(PROJECT), "HF_HUB_OFFLINE": "1"}
    subprocess.run([sys.executable, "-c", _DRIVER, *missing], cwd=folder, env=environment, check=True)
    return [Done(**one) for one in json.loads((folder / "done.json").read_text())]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images, a video, the exported file of a detector, and one that says that it has masks."""
    folder = tmp_path_factory.mktemp("inputs")
    shutil.copytree(BUNDLED_IMAGES, folder / "images")
    make_video(folder / "clip.mp4", [0.0, 0.04, 0.08], size_hw=(96, 128))
    model = onnx.load(export_shapes(folder / "shapes.onnx"))
    facts = next(one for one in model.metadata_props if one.key == METADATA_KEY)
    facts.value = json.dumps(json.loads(facts.value) | {"masks": True})
    onnx.save(model, folder / "masks.onnx")
    (folder / "weights.pth").write_bytes(b"PK")
    return folder


@pytest.fixture(scope="module")
def working(folder: Path) -> dict[str, Done]:
    """What the commands that need no torch gave, in one process."""
    return dict(zip(WORKING, run(folder, *WORKING), strict=True))


@pytest.fixture(scope="module")
def refused(folder: Path, working: dict[str, Done]) -> dict[str, Done]:
    """What the commands that need torch gave, in one process."""
    return dict(zip(NEEDS_TORCH, run(folder, *NEEDS_TORCH), strict=True))


@pytest.mark.parametrize("command", WORKING)
def test_commands_that_need_no_torch_run_without_it(command: str, working: dict[str, Done]) -> None:
    assert working[command].code == 0, working[command].err


@pytest.mark.parametrize("command", NEEDS_TORCH)
def test_commands_that_need_torch_say_so_with_the_remedy(command: str, refused: dict[str, Done]) -> None:
    done = refused[command]
    assert done.code == 2
    said = [line for line in done.err.splitlines() if "torch, which is not installed" in line or "torch is not" in line]
    assert len(said) == 1, done.err
    assert said[0].endswith("pip install torch")
    assert "bug" not in done.err
    assert "Traceback" not in done.err


def test_commands_that_need_torch_leave_no_output(folder: Path, refused: dict[str, Done]) -> None:
    assert {"none.jsonl", "run", "demo", "converted", "exported"}.isdisjoint(path.name for path in folder.iterdir())


def test_detection_without_torch_names_exported_models(refused: dict[str, Done]) -> None:
    for command, done in refused.items():
        assert ("without torch, -m FILE" in done.err) is command.startswith(("detect", "video", "eval")), command


def test_results_are_those_of_a_machine_with_torch(folder: Path, working: dict[str, Done]) -> None:
    (done,) = run(folder, "detect images -m shapes.onnx -o with.jsonl", missing=())
    assert done.code == 0
    records = (folder / "with.jsonl").read_bytes()
    assert records == (folder / "out.jsonl").read_bytes()
    assert records.count(b'"score"') > 20


# What takes time to import and is not needed, and OpenVINO's converter, which also sends usage events.
_HEAVY = {
    "torch", "torchvision", "transformers", "safetensors", "huggingface_hub", "cv2", "av", "onnx", "onnxruntime", "scipy",
    "matplotlib", "pandas", "tensorboard", "timm", "httpx", "requests", "openvino_telemetry",
    "numpy.ma", "numpy.random", "openvino.tools.ovc", "rich", "tomllib", "http.client", "ssl", "urllib.request",
}  # fmt: skip


def test_an_exported_model_runs_without_heavy_packages(folder: Path) -> None:
    (done,) = run(folder, "detect images/1.jpg -m shapes.onnx -o light.jsonl", missing=())
    assert done.code == 0
    assert "openvino" in done.modules
    assert sorted(_HEAVY.intersection(done.modules)) == []


@pytest.mark.parametrize(
    "command", ["--help", "models list", "completion bash", "config show", "eval out.jsonl --help"]
)
def test_commands_without_a_model_import_no_runtime(command: str, folder: Path) -> None:
    (done,) = run(folder, command, missing=())
    assert {"torch", "openvino", "onnxruntime", "cv2"}.isdisjoint(done.modules)


@pytest.mark.parametrize(
    ("missing", "code", "state", "words"),
    [
        (("torch",), 0, "warning", r"run with OpenVINO and ONNX Runtime$"),
        (("torch", "openvino"), 0, "warning", r"run with ONNX Runtime$"),
        (("torch", "openvino", "onnxruntime"), 1, "bad", r"no runtime of exported models"),
    ],
)
def test_doctor_says_what_works_without_torch(
    missing: tuple[str, ...], code: int, state: str, words: str, folder: Path
) -> None:
    (done,) = run(folder, "doctor --json", missing=missing)
    assert done.code == code
    findings = json.loads(done.out)["findings"]
    torch = next(one for one in findings if one["name"] == "torch")
    assert torch["state"] == state
    assert re.search(words, torch["value"])
    assert "pip install torch" in torch["advice"]
    assert [one["name"] for one in findings if one["state"] == "bad"] == ["torch"] * (state == "bad")


def test_python_says_what_a_checkpoint_needs(folder: Path) -> None:
    script = """
import sys
sys.modules["torch"] = None
import detcli
try:
    detcli.load_detector("shapes")
except detcli.LibraryError as error:
    assert str(error) == "'shapes' is a checkpoint: it needs torch, which is not installed: pip install torch", error
else:
    raise SystemExit("it was loaded")
assert len(detcli.load_detector("shapes.onnx")("images/1.jpg")) > 3
assert detcli.detect("images/1.jpg", model="shapes.onnx")
"""
    environment = os.environ | {"PYTHONPATH": str(PROJECT)}
    subprocess.run([sys.executable, "-c", script], cwd=folder, env=environment, check=True)
