"""A file of one batch size gets batches of that size only, also where memory runs out."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.synthetic.shape_sequences import ShapeSequence
from detcli.errors import DeviceError
from detcli.inference.detector import Detector
from detcli.inference.load import load_detector
from detcli.runtimes.onnx_runtime import OnnxRuntime
from detcli.runtimes.openvino_runtime import _Chain
from detcli.structures.frame import FailedFrame, Frame
from tests.helpers.exported_models import assert_same_detections, export_shapes

RUNTIMES = ["openvino", "onnx"]
BATCH = 4


@pytest.fixture(scope="module")
def frames() -> list[Frame | FailedFrame]:
    sequence = ShapeSequence("hard", 1, frames=7, rate=15)
    return [sequence.frame(index) for index in range(7)]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The bundled model for four images, and for any number."""
    folder = tmp_path_factory.mktemp("exported")
    return {
        "fixed": export_shapes(folder / "fixed.onnx", batch=BATCH),
        "free": export_shapes(folder / "free.onnx"),
    }


class Memory:
    """Records the number of images in each batch that reaches a runtime, and refuses some batches.

    refuses  whether there is no memory for a batch: of its number of images, and of how many came before
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, refuses: Callable[[int, int], bool]) -> None:
        self.sizes: list[int] = []
        self._refuses = refuses
        run, start = OnnxRuntime._run, _Chain.start

        def run_onnx(runtime: OnnxRuntime, pixels: Any) -> Any:
            if self._is_refused(len(pixels)):
                raise DeviceError("ONNX Runtime failed: Failed to allocate memory", out_of_memory=True)
            return run(runtime, pixels)

        def start_openvino(chain: _Chain, batch: Any) -> None:
            if self._is_refused(len(batch.pixels)):
                raise RuntimeError("Exception from src: std::bad_alloc")
            start(chain, batch)

        monkeypatch.setattr(OnnxRuntime, "_run", run_onnx)
        monkeypatch.setattr(_Chain, "start", start_openvino)

    def _is_refused(self, size: int) -> bool:
        self.sizes.append(size)
        return self._refuses(size, len(self.sizes) - 1)


def load(path: Path, runtime: str) -> Detector:
    return load_detector(path, runtime=runtime, batch_size=BATCH)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_no_memory_for_the_one_size_is_an_error(
    files: dict[str, Path], frames: list[Frame | FailedFrame], monkeypatch: pytest.MonkeyPatch, runtime: str
) -> None:
    detector = load(files["fixed"], runtime)
    memory = Memory(monkeypatch, lambda size, before: True)
    for detect in (lambda: detector.detect_frames(frames), lambda: detector.submit(frames[:BATCH]).result()):
        with pytest.raises(DeviceError) as caught:
            detect()
        assert caught.value.out_of_memory
    assert set(memory.sizes) == {BATCH}
    assert detector.batch_size == BATCH


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_memory_that_is_there_again_gives_every_detection(
    files: dict[str, Path], frames: list[Frame | FailedFrame], monkeypatch: pytest.MonkeyPatch, runtime: str
) -> None:
    expected = load_detector("shapes").detect_frames(frames)
    detector = load(files["fixed"], runtime)
    memory = Memory(monkeypatch, lambda size, before: before == 0)
    found = [*detector.submit(frames[:BATCH]).result(), *detector.detect_frames(frames[BATCH:])]
    assert assert_same_detections(found, expected, pixels=0.1, score=1e-3) > 20
    assert memory.sizes == [BATCH] * 3  # once more, and the rest filled up


@pytest.mark.parametrize("room", [1, 2, 3])
def test_a_file_of_any_batch_size_is_halved(
    files: dict[str, Path], frames: list[Frame | FailedFrame], monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    expected = load_detector("shapes").detect_frames(frames)
    detector = load(files["free"], "onnx")
    memory = Memory(monkeypatch, lambda size, before: size > room)
    assert assert_same_detections(detector.detect_frames(frames), expected, pixels=0.1, score=1e-3) > 20
    assert detector.batch_size <= room
    assert set(memory.sizes) <= {4, 2, 1}


def test_a_network_compiled_for_one_batch_size_is_not_halved(
    files: dict[str, Path], frames: list[Frame | FailedFrame], monkeypatch: pytest.MonkeyPatch
) -> None:
    detector = load(files["free"], "openvino")
    assert detector.runtime.fixed_batch == BATCH
    memory = Memory(monkeypatch, lambda size, before: True)
    with pytest.raises(DeviceError, match=r"OpenVINO failed: .*bad_alloc"):
        detector.detect_frames(frames)
    assert memory.sizes == [BATCH]


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_other_settings_keep_the_one_batch_size(
    files: dict[str, Path], frames: list[Frame | FailedFrame], monkeypatch: pytest.MonkeyPatch, runtime: str
) -> None:
    memory = Memory(monkeypatch, lambda size, before: False)
    detector = load(files["fixed"], runtime).with_settings(batch_size=1, threshold=0.2)
    assert len(detector.detect_frames(frames)) == 7
    assert memory.sizes == [BATCH] * 2
