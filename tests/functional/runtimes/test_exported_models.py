"""An exported file gives the detections of its checkpoint, with each runtime; what is invalid is refused in words."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

from benchmarks.synthetic.shape_sequences import ShapeSequence
from detcli.errors import DamagedModelError, UnknownModelError, UnsupportedModelError, UsageError
from detcli.inference.load import load_detector
from detcli.runtimes.exported.exported_facts import METADATA_KEY
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame
from tests.helpers.exported_models import assert_same_detections, export_shapes

RUNTIMES = ["openvino", "onnx"]


@pytest.fixture(scope="module")
def frames() -> list[Frame | FailedFrame]:
    sequence = ShapeSequence("hard", 1, frames=6, rate=15)
    return [sequence.frame(index) for index in range(6)]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled model as raw.onnx, boxes.onnx and batch2.onnx."""
    folder = tmp_path_factory.mktemp("exported")
    for name, facts in (("raw", {}), ("boxes", {"outputs": "boxes"}), ("batch2", {"batch": 2})):
        export_shapes(folder / f"{name}.onnx", **facts)
    return folder


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("name", ["raw", "boxes", "batch2"])
def test_detections_are_those_of_torch(
    exported: Path, frames: list[Frame | FailedFrame], runtime: str, name: str
) -> None:
    expected = load_detector("shapes").detect_frames(frames)
    detector = load_detector(exported / f"{name}.onnx", runtime=runtime)
    assert detector.runtime.name == runtime
    assert detector.labels == load_detector("shapes").labels
    assert assert_same_detections(detector.detect_frames(frames), expected, pixels=0.1, score=1e-3) > 20


@pytest.mark.parametrize("batch", [1, 3])
def test_batches_and_single_images_give_the_same(exported: Path, frames: list[Frame | FailedFrame], batch: int) -> None:
    one = load_detector(exported / "raw.onnx", runtime="openvino")
    many = load_detector(exported / "raw.onnx", runtime="openvino", batch_size=batch)
    assert many.batch_size == batch
    assert_same_detections(many.detect_frames(frames), one.detect_frames(frames), pixels=1e-3, score=1e-5)


def test_several_batches_in_flight_give_the_same(exported: Path, frames: list[Frame | FailedFrame]) -> None:
    detector = load_detector(exported / "raw.onnx", runtime="openvino")
    assert detector.batches_in_flight > 1
    pending = [detector.submit([frame]) for frame in frames]
    found = [result for one in reversed(pending) for result in one.result()][::-1]
    assert_same_detections(found, detector.detect_frames(frames), pixels=1e-3, score=1e-5)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_settings_of_detections_work_as_for_checkpoints(
    exported: Path, frames: list[Frame | FailedFrame], runtime: str
) -> None:
    settings = {"threshold": 0.2, "classes": ["circle", "heart"], "max_detections": 2}
    found = load_detector(exported / "raw.onnx", runtime=runtime, **settings).detect_frames(frames)  # type: ignore[arg-type]
    expected = load_detector("shapes", **settings).detect_frames(frames)  # type: ignore[arg-type]
    assert assert_same_detections(found, expected, pixels=0.1, score=1e-3) > 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"device": "cuda"}, "exported files run on the CPU"),
        ({"runtime": "torch"}, "`runtime=torch` runs checkpoints"),
        ({"deterministic": True}, "`deterministic` is for checkpoints"),
        ({"pad": True}, "`pad` is for checkpoints"),
        ({"compile": True}, "`compile` is for checkpoints"),
        ({"queries": 5}, "`queries` is fixed by the export"),
        ({"decoder_layers": 1}, "`decoder_layers` is fixed by the export"),
        ({"optimize": False}, "`optimize` is fixed by the export"),
        ({"image_size": 64}, "export it again for another size"),
        ({"precision": "fp16"}, "openvino has fp32 and bf16"),
        ({"precision": "bf16", "runtime": "onnx"}, "computes as the file says, in fp32"),
        ({"runtime": "tensorflow"}, "`runtime` must be"),
    ],
)
def test_settings_that_an_export_fixes_are_refused(exported: Path, settings: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        load_detector(exported / "raw.onnx", **settings)  # type: ignore[arg-type]


def test_a_batch_larger_than_exported_is_refused(exported: Path) -> None:
    with pytest.raises(UsageError, match="exported for batches of 2"):
        load_detector(exported / "batch2.onnx", batch_size=3)


def test_checkpoints_name_the_export_that_other_runtimes_need() -> None:
    with pytest.raises(UsageError, match="'detcli export shapes' writes one"):
        load_detector("shapes", runtime="onnx")


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_truncated_file_is_damaged(exported: Path, tmp_path: Path, runtime: str) -> None:
    content = (exported / "raw.onnx").read_bytes()
    for size in (0, 100, len(content) // 2):
        (tmp_path / "cut.onnx").write_bytes(content[:size])
        with pytest.raises(DamagedModelError, match=r"cut\.onnx"):
            load_detector(tmp_path / "cut.onnx", runtime=runtime)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_file_of_another_tool_is_refused(exported: Path, tmp_path: Path, runtime: str) -> None:
    model = onnx.load(exported / "raw.onnx")
    del model.metadata_props[:]
    onnx.save(model, tmp_path / "other.onnx")
    with pytest.raises(UnsupportedModelError, match="was not exported by detcli"):
        load_detector(tmp_path / "other.onnx", runtime=runtime)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_other_inputs_than_the_metadata_says_are_damaged(exported: Path, tmp_path: Path, runtime: str) -> None:
    model = onnx.load(exported / "raw.onnx")
    facts = next(one for one in model.metadata_props if one.key == METADATA_KEY)
    facts.value = json.dumps(json.loads(facts.value) | {"outputs": "boxes"})
    onnx.save(model, tmp_path / "other.onnx")
    with pytest.raises(DamagedModelError, match="metadata says"):
        load_detector(tmp_path / "other.onnx", runtime=runtime)


def test_a_missing_file_is_unknown(tmp_path: Path) -> None:
    with pytest.raises(UnknownModelError, match=r"there is no model file or folder .*none\.onnx"):
        load_detector(tmp_path / "none.onnx")


def test_weights_missing_beside_an_openvino_file_are_named(tmp_path: Path) -> None:
    (tmp_path / "model.xml").write_text("<net/>")
    with pytest.raises(DamagedModelError, match=r"'model\.bin', which is missing"):
        load_detector(tmp_path / "model.xml")


@pytest.mark.parametrize(("runtime", "package"), [("openvino", "openvino"), ("onnx", "onnxruntime")])
def test_a_missing_package_is_named_with_its_command(exported: Path, runtime: str, package: str) -> None:
    script = f"""
import sys
sys.modules[{package!r}] = None
from detcli import UnsupportedModelError, load_detector
try:
    load_detector({str(exported / "raw.onnx")!r}, runtime={runtime!r})
except UnsupportedModelError as error:
    assert "pip install" in str(error) and {package!r} in str(error), error
else:
    raise SystemExit("it was loaded")
"""
    subprocess.run([sys.executable, "-c", script], check=True)


def test_exported_files_need_no_torch(exported: Path, tmp_path: Path) -> None:
    script = f"""
import sys
sys.modules["torch"] = None
from detcli import load_detector
import numpy as np
image = np.full((100, 120, 3), 200, np.uint8)
for runtime in ("openvino", "onnx"):
    load_detector({str(exported / "raw.onnx")!r}, runtime=runtime, threshold=0.01)(image)
"""
    subprocess.run([sys.executable, "-c", script], check=True)


def test_the_result_of_an_image_is_that_of_the_checkpoint(exported: Path) -> None:
    image = np.random.default_rng(1).integers(0, 256, (90, 120, 3), dtype=np.uint8)
    found = load_detector(exported / "boxes.onnx", threshold=0.0, runtime="onnx")(image)
    expected = load_detector("shapes", threshold=0.0)(image)
    assert len(found) == len(expected) > 0
    assert isinstance(found, Detections)
