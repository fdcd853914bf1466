"""Exported files are compiled by OpenVINO once: later loads take the result from the cache, or compile again."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import openvino
import pytest
from PIL import Image

from detcli.errors import DamagedModelError
from detcli.exporting.openvino_export import export_openvino
from detcli.inference.detector import Detector
from detcli.inference.load import load_detector
from detcli.runtimes import compiled_cache, openvino_runtime
from detcli.runtimes.compiled_cache import CompiledCache
from detcli.runtimes.exported.exported_facts import read_facts
from detcli.runtimes.exported.quick_metadata import quick_metadata
from detcli.structures.detections import Detections
from tests.helpers.cli_fixtures import _no_user_settings, detcli
from tests.helpers.cli_runs import Run
from tests.helpers.exported_models import export_shapes, random_frames
from tests.helpers.video_writer_samples import make_video

__all__ = ["_no_user_settings", "detcli"]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled model as shapes.onnx, and as shapes.xml with shapes.bin."""
    folder = tmp_path_factory.mktemp("exported")
    path = export_shapes(folder / "shapes.onnx")
    export_openvino(path, read_facts(quick_metadata(path), path), folder / "shapes.xml")
    return folder


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of an empty cache."""
    folder = tmp_path / "compiled"
    monkeypatch.setenv(compiled_cache.VARIABLE, str(folder))
    return folder


@pytest.fixture
def without_compiler(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From the call on, no graph can be read, so that nothing can be compiled."""

    def refuse(path: Path) -> None:
        raise AssertionError(f"'{path}' was compiled again")

    return lambda: monkeypatch.setattr(openvino_runtime, "read_graph", refuse)


def entries(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def values(detector: Detector) -> list[np.ndarray]:
    found = detector.with_settings(threshold=0.0).detect_frames(random_frames(3))
    return [
        array for one in found if isinstance(one, Detections) for array in (one.boxes_xyxy, one.scores, one.class_ids)
    ]


@pytest.mark.parametrize("name", ["shapes.onnx", "shapes.xml"])
def test_a_second_load_compiles_nothing_and_gives_the_same_bits(
    name: str, exported: Path, cache: Path, without_compiler: Callable[[], None]
) -> None:
    first = values(load_detector(exported / name))
    (entry,) = entries(cache)
    assert entry.startswith(f"{name}-")
    without_compiler()
    detector = load_detector(exported / name)
    assert (detector.runtime.name, detector.notes) == ("openvino", ())
    assert len(first) == 9
    for one, other in zip(first, values(detector), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("settings", [{"batch_size": 2}, {"precision": "bf16"}])
def test_other_settings_have_entries_of_their_own(settings: dict[str, object], exported: Path, cache: Path) -> None:
    if "precision" in settings and "BF16" not in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        pytest.skip("this CPU has no bf16")
    load_detector(exported / "shapes.onnx")
    for _ in range(2):
        detector = load_detector(exported / "shapes.onnx", **settings)  # type: ignore[arg-type]
        assert (detector.batch_size, detector.precision) == (
            settings.get("batch_size", 1),
            settings.get("precision", "fp32"),
        )
    assert len(entries(cache)) == 2


def test_settings_of_detections_share_an_entry(
    exported: Path, cache: Path, without_compiler: Callable[[], None]
) -> None:
    load_detector(exported / "shapes.onnx")
    without_compiler()
    detector = load_detector(exported / "shapes.onnx", threshold=0.7, classes=["heart"], max_detections=2)
    assert detector.threshold == 0.7
    assert len(entries(cache)) == 1


def test_other_weights_under_the_same_name_are_compiled(exported: Path, cache: Path, tmp_path: Path) -> None:
    path = tmp_path / "shapes.onnx"
    path.write_bytes((exported / "shapes.onnx").read_bytes())
    first = values(load_detector(path))
    model = onnx.load(path)
    weights = max(model.graph.initializer, key=lambda tensor: len(tensor.raw_data))
    weights.raw_data = (np.frombuffer(weights.raw_data, np.float32) * 1.5).tobytes()
    onnx.save(model, path)
    changed = values(load_detector(path))
    assert len(entries(cache)) == 2
    assert any(one.shape != other.shape or (one != other).any() for one, other in zip(first, changed, strict=True))


def test_a_changed_bin_under_the_same_xml_is_compiled(exported: Path, cache: Path, tmp_path: Path) -> None:
    for suffix in (".xml", ".bin"):
        (tmp_path / f"shapes{suffix}").write_bytes((exported / f"shapes{suffix}").read_bytes())
    load_detector(tmp_path / "shapes.xml")
    weights = bytearray((tmp_path / "shapes.bin").read_bytes())
    weights[len(weights) // 2] ^= 1
    (tmp_path / "shapes.bin").write_bytes(weights)
    load_detector(tmp_path / "shapes.xml")
    assert len(entries(cache)) == 2


def test_a_damaged_file_is_refused_though_a_whole_one_is_known(exported: Path, cache: Path, tmp_path: Path) -> None:
    load_detector(exported / "shapes.onnx")
    path = tmp_path / "shapes.onnx"
    path.write_bytes((exported / "shapes.onnx").read_bytes()[:-1000])
    with pytest.raises(DamagedModelError, match="OpenVINO cannot read it"):
        load_detector(path)
    assert len(entries(cache)) == 1


@pytest.mark.parametrize("content", [b"", b"not a network", None])
def test_a_damaged_entry_is_made_again(content: bytes | None, exported: Path, cache: Path) -> None:
    load_detector(exported / "shapes.onnx")
    (path,) = cache.iterdir()
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2] if content is None else content)
    assert load_detector(exported / "shapes.onnx").notes == ()
    assert CompiledCache(cache).read(path.stem) is not None


def test_blobs_that_openvino_refuses_are_made_again(exported: Path, cache: Path) -> None:
    load_detector(exported / "shapes.onnx")
    (path,) = cache.iterdir()
    store = CompiledCache(cache)
    entry = store.read(path.stem)
    assert entry is not None
    for blobs in ((b"of another version",), ()):
        store.write(path.stem, compiled_cache.CompiledEntry(entry.facts, None, (), (), blobs))
        load_detector(exported / "shapes.onnx")
        again = store.read(path.stem)
        assert again is not None
        assert len(again.blobs[0]) > 1000


def test_a_cache_that_cannot_be_written_is_a_note(
    exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv(compiled_cache.VARIABLE, str(tmp_path / "file" / "folder"))
    detector = load_detector(exported / "shapes.onnx")
    (note,) = detector.notes
    assert note.startswith("the compiled network is not kept for later runs: cannot write '")
    assert compiled_cache.VARIABLE in note
    assert len(values(detector)) == 9


def test_an_empty_variable_turns_the_cache_off(exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(compiled_cache.VARIABLE, "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert load_detector(exported / "shapes.onnx").notes == ()
    assert entries(tmp_path) == []


def test_onnx_runtime_leaves_the_cache_alone(exported: Path, cache: Path) -> None:
    assert load_detector(exported / "shapes.onnx", runtime="onnx").notes == ()
    assert entries(cache) == []


def test_weights_in_other_files_are_never_kept(exported: Path, cache: Path, tmp_path: Path) -> None:
    """The checksum is that of the .onnx file, so changed weights would not be noticed."""
    model = onnx.load(exported / "shapes.onnx")
    onnx.save(model, tmp_path / "split.onnx", save_as_external_data=True, location="weights.data", size_threshold=0)
    detector = load_detector(tmp_path / "split.onnx")
    assert len(values(detector)) == 9
    assert entries(cache) == []


def test_two_processes_may_compile_at_the_same_time(exported: Path, cache: Path) -> None:
    script = f"""
import numpy as np
from detcli import load_detector
detector = load_detector({str(exported / "shapes.onnx")!r}, threshold=0.1)
found = detector(np.random.default_rng(1).integers(0, 256, (90, 120, 3), dtype=np.uint8))
print(detector.notes, found.boxes_xyxy.tolist())
"""
    command = [sys.executable, "-c", script]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ.copy()) for _ in range(2)]
    printed = [process.communicate()[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert printed[0] == printed[1]
    assert printed[0].startswith("() ")
    assert len(entries(cache)) == 1


def test_every_command_takes_the_compiled_network(
    exported: Path, cache: Path, tmp_path: Path, detcli: Callable[..., Run], without_compiler: Callable[[], None]
) -> None:
    model = str(exported / "shapes.onnx")
    Image.fromarray(np.full((90, 120, 3), 120, np.uint8)).save(tmp_path / "1.png")
    make_video(tmp_path / "clip.mp4", [0.0, 0.04], size_hw=(96, 128))
    truth = {
        "images": [{"id": 1, "file_name": "1.png", "width": 120, "height": 90}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 9, 9], "area": 81, "iscrowd": 0}],
        "categories": [{"id": 1, "name": "circle"}],
    }
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    assert detcli("detect", tmp_path / "1.png", "-m", model).code == 0
    assert len(entries(cache)) == 1
    without_compiler()
    for arguments in (
        ("detect", tmp_path / "1.png", "-m", model, "--runtime", "openvino"),
        ("video", tmp_path / "clip.mp4", "-m", model, "-o", tmp_path / "clip.jsonl"),
        ("eval", "-m", model, "--data", tmp_path / "truth.json"),
    ):
        run = detcli(*arguments)
        assert run.code == 0, run.err
    assert len(entries(cache)) == 1
