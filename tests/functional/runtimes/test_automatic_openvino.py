"""`runtime=auto` runs checkpoints with OpenVINO: prepared once, compared with torch, then loaded from a cache."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import openvino
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from benchmarks.synthetic.shape_sequences import ShapeSequence
from detcli.errors import DetcliError, UnsupportedModelError, UsageError
from detcli.exporting.automatic import agreement, prepare_openvino
from detcli.exporting.automatic.agreement import Agreement
from detcli.inference.load import load_detector
from detcli.models.family import FAMILIES
from detcli.runtimes import compiled_cache
from detcli.structures.frame import FailedFrame, Frame
from tests.helpers import detr_samples
from tests.helpers.exported_families import fixed, rtdetr, write_case
from tests.helpers.exported_models import assert_same_detections

PROJECT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with the bundled model."""
    folder = tmp_path_factory.mktemp("compiled")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(compiled_cache.VARIABLE, str(folder))
        assert load_detector("shapes").runtime.name == "openvino"
    return folder


@pytest.fixture
def cache(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, in use."""
    folder = tmp_path / "compiled"
    folder.mkdir()
    for path in prepared.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    monkeypatch.setenv(compiled_cache.VARIABLE, str(folder))
    return folder


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "empty"
    monkeypatch.setenv(compiled_cache.VARIABLE, str(folder))
    return folder


def entries(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def frames(count: int = 6) -> list[Frame | FailedFrame]:
    sequence = ShapeSequence("hard", 1, frames=count, rate=15)
    return [sequence.frame(index) for index in range(count)]


def test_detections_are_those_of_torch(cache: Path) -> None:
    detector, expected = load_detector("shapes"), load_detector("shapes", runtime="torch")
    assert (detector.runtime.name, expected.runtime.name) == ("openvino", "torch")
    found = detector.detect_frames(frames())
    assert assert_same_detections(found, expected.detect_frames(frames()), pixels=0.1, score=1e-3) > 20
    assert (detector.files, detector.labels, detector.threshold) == (
        expected.files,
        expected.labels,
        expected.threshold,
    )
    assert (detector.notes, detector.assumed, detector.precision) == (expected.notes, expected.assumed, "fp32")


def test_a_prepared_model_needs_no_torch(cache: Path) -> None:
    script = """
import sys
sys.modules["torch"] = None
import numpy as np
from detcli import load_detector
detector = load_detector("shapes", threshold=0.01)
assert detector.runtime.name == "openvino"
assert len(detector(np.full((100, 120, 3), 200, np.uint8)).labels) >= 0
"""
    subprocess.run([sys.executable, "-c", script], check=True)


def test_selections_share_a_compiled_network(cache: Path) -> None:
    before = entries(cache)
    one = load_detector("shapes", threshold=0.2, classes=["circle", "heart"], max_detections=2)
    assert one.runtime.name == "openvino"
    assert entries(cache) == before
    expected = load_detector("shapes", threshold=0.2, classes=["circle", "heart"], max_detections=2, runtime="torch")
    assert_same_detections(one.detect_frames(frames()), expected.detect_frames(frames()), pixels=0.1, score=1e-3)


@pytest.mark.parametrize("settings", [{"batch_size": 2}, {"image_size": 192}, {"queries": 10, "decoder_layers": 1}])
def test_other_networks_are_compiled_for_themselves(cache: Path, settings: dict[str, int]) -> None:
    detector = load_detector("shapes", **settings)  # type: ignore[arg-type]
    assert detector.runtime.name == "openvino"
    assert len(entries(cache)) == 2
    expected = load_detector("shapes", runtime="torch", **settings)  # type: ignore[arg-type]
    found = detector.detect_frames(frames(3))
    assert_same_detections(found, expected.detect_frames(frames(3)), pixels=0.1, score=1e-3)
    assert (detector.model.queries, detector.model.decoder_layers) == (
        expected.model.queries,
        expected.model.decoder_layers,
    )


TORCH_ONLY = [
    {"deterministic": True},
    {"optimize": False},
    {"device": "cpu", "compile": True},
]


@pytest.mark.parametrize("settings", TORCH_ONLY)
def test_what_only_torch_does_is_done_by_torch(cache: Path, settings: dict[str, object]) -> None:
    assert load_detector("shapes", **settings).runtime.name == "torch"  # type: ignore[arg-type]


@pytest.mark.parametrize("settings", [*TORCH_ONLY, {"precision": "fp16"}, {"device": "cuda"}, {"pad": True}])
def test_openvino_refuses_what_only_torch_does(cache: Path, settings: dict[str, object]) -> None:
    with pytest.raises(UsageError, match=r"`runtime=openvino` runs checkpoints without `\w+="):
        load_detector("shapes", runtime="openvino", **settings)  # type: ignore[arg-type]


def test_unknown_classes_are_refused_as_by_torch(cache: Path) -> None:
    messages = []
    for runtime in ("auto", "torch"):
        with pytest.raises(UsageError) as caught:
            load_detector("shapes", runtime=runtime, classes=["circel"])
        messages.append(str(caught.value))
    assert messages[0] == messages[1]


def damage(content: bytes, how: str) -> bytes:
    middle = len(content) // 2
    return {
        "empty": b"",
        "header": content[:60],
        "half": content[:middle],
        "bit": content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :],
        "other": b"not a network",
    }[how]


@pytest.mark.parametrize("how", ["empty", "header", "half", "bit", "other"])
def test_a_damaged_entry_is_made_again(cache: Path, how: str) -> None:
    (path,) = cache.iterdir()
    complete = path.read_bytes()
    path.write_bytes(damage(complete, how))
    detector = load_detector("shapes")
    assert (detector.runtime.name, detector.notes) == ("openvino", ())
    assert entries(cache) == [path.name]
    assert compiled_cache.CompiledCache(cache).read(path.stem) is not None


def test_blobs_that_openvino_refuses_are_made_again(cache: Path) -> None:
    (path,) = cache.iterdir()
    store = compiled_cache.CompiledCache(cache)
    entry = store.read(path.stem)
    assert entry is not None
    store.write(path.stem, compiled_cache.CompiledEntry(entry.facts, None, (), (), (b"of another version",)))
    assert load_detector("shapes").runtime.name == "openvino"
    again = store.read(path.stem)
    assert again is not None
    assert len(again.blobs[0]) > 1000


def test_without_a_writable_cache_torch_runs_and_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv(compiled_cache.VARIABLE, str(tmp_path / "file" / "folder"))
    detector = load_detector("shapes")
    assert detector.runtime.name == "torch"
    (note,) = detector.notes
    assert note.startswith("torch runs 'shapes', not OpenVINO: ")
    assert "file" in note
    required = load_detector("shapes", runtime="openvino")
    assert required.runtime.name == "openvino"
    assert "not kept for later runs" in required.notes[0]


def test_an_empty_variable_turns_the_cache_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(compiled_cache.VARIABLE, "")
    detector = load_detector("shapes")
    assert (detector.runtime.name, detector.notes) == ("torch", ())


def test_other_detections_than_torch_leave_the_model_to_torch(empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(agreement.AGREEMENTS, "fp32", Agreement(pixels=0.0, score=0.0))
    detector = load_detector("shapes")
    assert detector.runtime.name == "torch"
    assert "OpenVINO gives other detections on this machine: class " in detector.notes[-1]
    monkeypatch.setattr(prepare_openvino, "prepare", None)  # is not asked again
    assert load_detector("shapes").notes == detector.notes
    monkeypatch.undo()
    assert len(entries(empty)) == 1


def test_required_openvino_with_other_detections_is_an_error(empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(agreement.AGREEMENTS, "fp32", Agreement(pixels=0.0, score=0.0))
    with pytest.raises(UnsupportedModelError, match="OpenVINO gives other detections"):
        load_detector("shapes", runtime="openvino")


def test_a_cpu_without_bf16_leaves_the_model_to_torch(empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(precision: str) -> None:
        raise UsageError(f"`precision={precision}`: this CPU has no bf16; use fp32")

    monkeypatch.setattr(prepare_openvino, "check_cpu", refuse)
    said: list[str] = []
    detector = load_detector("shapes", precision="bf16", on_preparation=said.append)
    assert (detector.runtime.name, detector.precision, said) == ("torch", "bf16", [])
    assert "this CPU has no bf16" in detector.notes[-1]
    with pytest.raises(UsageError, match="this CPU has no bf16"):
        load_detector("shapes", precision="bf16", runtime="openvino")


@pytest.mark.parametrize(("package", "runtime"), [("openvino", "torch"), ("onnx", "torch")])
def test_without_a_package_torch_runs(empty: Path, package: str, runtime: str) -> None:
    script = f"""
import json, sys
sys.modules[{package!r}] = None
from detcli import DetcliError, load_detector
said = []
detector = load_detector("shapes", on_preparation=said.append)
assert said == []
try:
    load_detector("shapes", runtime="openvino")
    refused = ""
except DetcliError as error:
    refused = str(error)
print(json.dumps([detector.runtime.name, detector.notes, refused]))
"""
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    name, notes, refused = json.loads(done.stdout)
    assert name == runtime
    assert "pip install" in refused
    assert package in refused
    assert [package in note for note in notes] == ([True] if package == "onnx" else [])


def test_images_of_many_sizes_are_left_to_torch(empty: Path, tmp_path: Path) -> None:
    model = detr_model(tmp_path / "detr")
    detector = load_detector(model)
    assert (detector.runtime.name, detector.notes) == ("torch", load_detector(model, runtime="torch").notes)
    assert not empty.exists()


def detr_model(folder: Path) -> Path:
    folder.mkdir()
    config = detr_samples.tiny_json()
    network = detr_samples.random_network(detr_samples.tiny()).float()
    weights = FAMILIES["detr"].write_weights(network.state_dict(), detr_samples.tiny())
    save_file(
        {name: torch.as_tensor(tensor).contiguous().clone() for name, tensor in weights.items()},
        folder / "model.safetensors",
    )
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "preprocessor_config.json").write_text(json.dumps(dict(FAMILIES["detr"].preprocessor)))
    return folder


def test_two_processes_may_prepare_at_the_same_time(empty: Path) -> None:
    script = """
import numpy as np
from detcli import load_detector
detector = load_detector("shapes")
found = detector(np.random.default_rng(1).integers(0, 256, (90, 120, 3), dtype=np.uint8))
print(detector.runtime.name, detector.notes, len(found))
"""
    command = [sys.executable, "-c", script]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ.copy()) for _ in range(2)]
    printed = [process.communicate()[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert printed[0] == printed[1]
    assert printed[0].startswith("openvino () ")
    (name,) = entries(empty)
    assert name.startswith("shapes-")


def test_the_command_says_which_runtime_runs(cache: Path, tmp_path: Path) -> None:
    Image.fromarray(np.full((90, 120, 3), 120, np.uint8)).save(tmp_path / "1.png")
    for runtime, said in (("auto", "openvino on cpu"), ("openvino", "openvino on cpu"), ("torch", "torch on cpu")):
        command = [sys.executable, "-m", "detcli", "detect", str(tmp_path / "1.png"), "-m", "shapes", "-v"]
        done = subprocess.run([*command, "--runtime", runtime], check=True, capture_output=True, text=True)
        assert said in done.stderr


@pytest.mark.parametrize("command", [("detect", "1.png"), ("demo",), ("eval", "--data", "shapes:1:1")])
def test_the_wait_is_announced_before_it_and_only_once(empty: Path, tmp_path: Path, command: tuple[str, ...]) -> None:
    Image.fromarray(np.full((90, 120, 3), 120, np.uint8)).save(tmp_path / "1.png")
    arguments = command if command == ("demo",) else (*command, "-m", "shapes")
    said = []
    for place in ("first", "second"):
        output = ("-o", str(tmp_path / place)) if command == ("demo",) else ()
        done = subprocess.run(
            [sys.executable, "-m", "detcli", *arguments, *output],
            check=True, capture_output=True, text=True, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(PROJECT)},
        )  # fmt: skip
        said.append([line for line in done.stderr.splitlines() if "preparing" in line])
    (line,) = said[0]
    assert line.startswith("detcli: preparing shapes for OpenVINO, once: ")
    assert str(empty) in line
    assert said[1] == []


def test_quiet_says_nothing_of_the_wait(empty: Path, tmp_path: Path) -> None:
    Image.fromarray(np.full((90, 120, 3), 120, np.uint8)).save(tmp_path / "1.png")
    command = [sys.executable, "-m", "detcli", "detect", str(tmp_path / "1.png"), "-m", "shapes", "-q"]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stderr == ""
    assert len(entries(empty)) == 1


def test_python_is_told_of_the_wait_before_it(empty: Path) -> None:
    said: list[tuple[str, list[str]]] = []

    def remember(sentence: str) -> None:
        said.append((sentence, entries(empty)))

    for _ in range(2):
        load_detector("shapes", on_preparation=remember)
    ((sentence, before),) = said
    assert sentence.startswith("preparing shapes for OpenVINO, once: ")
    assert before == []
    load_detector("shapes", runtime="torch", on_preparation=remember)
    assert len(said) == 1
    with pytest.raises(TypeError, match="`on_preparation` must be a function or None, not str"):
        load_detector("shapes", on_preparation="yes")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("setting", "complaint"),
    [
        ({"queries": 99}, "must be at most 12"),
        ({"decoder_layers": 9}, "must be at most 2"),
        ({"uncertainty": True}, "without distributions of their edges"),
    ],
    ids=["queries", "decoder_layers", "uncertainty"],
)
def test_no_wait_is_announced_for_what_the_network_refuses(
    setting: dict[str, Any], complaint: str, empty: Path, tmp_path: Path
) -> None:
    folder = write_case(rtdetr(1, fixed(64, 64)), tmp_path / "model")
    said: list[str] = []
    for runtime in ("auto", "openvino"):
        with pytest.raises(DetcliError, match=complaint):
            load_detector(folder, runtime=runtime, on_preparation=said.append, **setting)
    assert (said, entries(empty)) == ([], [])


def test_without_a_cache_the_wait_is_not_said_to_be_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(compiled_cache.VARIABLE, "")
    said: list[str] = []
    load_detector("shapes", runtime="openvino", on_preparation=said.append)
    assert said[0].startswith("preparing shapes for OpenVINO: ")
    assert "later runs" not in said[0]


def test_bf16_is_kept_when_it_is_loaded_again(empty: Path) -> None:
    if "BF16" not in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        pytest.skip("this CPU has no bf16")
    scores = []
    for _ in range(2):
        detector = load_detector("shapes", precision="bf16")
        assert (detector.runtime.name, detector.precision) == ("openvino", "bf16")
        scores.append([one.scores for one in detector.detect_frames(frames(3)) if not isinstance(one, FailedFrame)])
    for first, second in zip(*scores, strict=True):
        np.testing.assert_array_equal(first, second)
    plain = load_detector("shapes", runtime="torch").detect_frames(frames(3))
    assert not np.array_equal(plain[0].scores, scores[0][0])  # type: ignore[union-attr]
