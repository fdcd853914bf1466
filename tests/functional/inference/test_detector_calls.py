"""A detector is called with images as Python users have them, by several threads, and never in a forked process."""

import copy
import http.server
import json
import multiprocessing
import os
import pickle
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from PIL import Image

from detcli.datasets.shapes.shapes_dataset import draw
from detcli.errors import DeviceError, ImageError, UsageError
from detcli.inference.detection_result import DetectionResult
from detcli.inference.detector import Detector
from detcli.inference.load import load_detector
from detcli.runtimes.runtime import SynchronousRuntime
from detcli.sources.source import SourceSettings, make_source
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame
from detcli.structures.network_io import Batch, Outputs
from tests.helpers.cli_fixtures import Run, _no_user_settings, detcli

__all__ = ["_no_user_settings", "detcli"]


@pytest.fixture(scope="module")
def model() -> Detector:
    return load_detector("shapes", device="cpu")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three drawn images, as PNG, so that every kind has the same pixels."""
    folder = tmp_path_factory.mktemp("images")
    for index in range(3):
        Image.fromarray(draw(1, index)[0]).save(folder / f"{index}.png")
    return sorted(folder.iterdir())


@pytest.fixture
def url(files: list[Path]) -> Iterator[str]:
    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments, directory=str(files[0].parent))

        def log_message(self, *_: Any) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/{files[0].name}"
        server.shutdown()
        thread.join()


def array(path: Path) -> np.ndarray[Any, Any]:
    return np.asarray(Image.open(path).convert("RGB"))


def tensor(path: Path) -> torch.Tensor:
    return torch.from_numpy(array(path).copy()).permute(2, 0, 1)


def test_each_kind_of_image_gives_the_record_of_the_command(
    model: Detector, files: list[Path], url: str, detcli: Callable[..., Run]
) -> None:
    record = json.loads(detcli("detect", files[0], "-m", "shapes", "--device", "cpu", "-b", "1").out)
    assert record["detections"]
    assert model(files[0]).to_dict() == model(str(files[0])).to_dict() == record
    assert model(Image.open(files[0])).to_dict() == record
    assert model(url).to_dict() == record | {"file": url}
    for image in (array(files[0]), tensor(files[0]), tensor(files[0]) / 255, Image.fromarray(array(files[0]))):
        assert model(image).to_dict() == record | {"file": ""}


def test_a_list_gives_a_list_of_results_in_its_order(model: Detector, files: list[Path], url: str) -> None:
    mixed = [files[1], array(files[0]), str(files[2]), Image.open(files[1]), tensor(files[0]) / 255, url]
    results = model(mixed)
    alone = [model(image) for image in (files[1], files[0], files[2], files[1], files[0], files[0])]
    assert isinstance(results, list)
    for index, (result, single) in enumerate(zip(results, alone, strict=True)):
        assert result.frame.origin.index == index
        assert result.class_ids.tolist() == single.class_ids.tolist()
        assert np.allclose(result.boxes_xyxy, single.boxes_xyxy, atol=1e-2)
    assert model(tuple(files)) == model(files)


def test_an_empty_list_gives_an_empty_list(model: Detector) -> None:
    assert model([]) == []
    assert model(()) == []


def test_frames_of_a_source_are_images_too(model: Detector, files: list[Path]) -> None:
    frames = [image() for image in make_source([str(files[0].parent)], SourceSettings())]
    assert model(frames) == model(files)


def test_a_result_knows_its_image_and_its_labels(model: Detector, files: list[Path]) -> None:
    result = model(files[0])
    assert (result.file, result.size_hw) == (str(files[0]), array(files[0]).shape[:2])
    assert result.labels == model.labels
    assert {detection.label for detection in result} <= set(model.labels.names)
    assert result.frame.pixels is None
    assert repr(result).startswith(f"DetectionResult({len(result)}: ")
    half = result[result.scores > 0.5]
    assert isinstance(half, DetectionResult)
    assert half.file == result.file


def test_a_result_without_detections_has_everything_else(model: Detector) -> None:
    nothing = model(np.full((50, 60, 3), 127, np.uint8))
    assert len(nothing) == 0
    assert nothing.to_dict()["detections"] == []
    assert nothing.plot().size == (60, 50)


def test_plot_draws_on_the_upright_image(model: Detector, files: list[Path], tmp_path: Path) -> None:
    result = model(files[0])
    drawn = np.asarray(result.plot())
    assert drawn.shape == array(files[0]).shape
    assert (drawn != array(files[0])).any()
    assert np.array_equal(drawn, np.asarray(model(array(files[0])).plot()))
    assert np.array_equal(drawn, np.asarray(result.plot(tensor(files[0]))))
    assert not np.array_equal(drawn, np.asarray(result.plot(hide_labels=True)))
    assert np.array_equal(np.asarray(result[[]].plot()), array(files[0]))
    result.plot(line_width=3).save(tmp_path / "out.jpg")


def test_plot_refuses_an_image_of_another_size(model: Detector, files: list[Path]) -> None:
    with pytest.raises(UsageError, match=r"`image` must have the size of the image .*, not 8 x 6"):
        model(files[0]).plot(np.zeros((6, 8, 3), np.uint8))


def test_plot_of_a_file_that_is_gone_is_an_image_error(model: Detector, files: list[Path], tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(files[0].read_bytes())
    result = model(tmp_path / "a.png")
    (tmp_path / "a.png").unlink()
    with pytest.raises(ImageError, match="no such file"):
        result.plot()
    assert result.plot(files[0]).size == result.size_hw[::-1]


def test_an_image_that_cannot_be_read_is_an_image_error_with_its_code(model: Detector, tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"^'.*missing\.png': no such file or folder$") as caught:
        model(tmp_path / "missing.png")
    assert caught.value.code == "not-found"
    with pytest.raises(ImageError) as caught:
        model(tmp_path)
    assert caught.value.code == "not-a-file"


def test_a_failure_in_a_list_names_position_and_path(model: Detector, files: list[Path], tmp_path: Path) -> None:
    images = [*files, *files, tmp_path / "missing.png"]
    with pytest.raises(ImageError, match=r"^`images`\[6\] '.*missing\.png': no such file"):
        model(images)


@pytest.mark.parametrize("image", [None, 3, b"bytes", [[]], {"a": 1}])
def test_other_types_are_a_type_error_also_in_a_list(model: Detector, files: list[Path], image: Any) -> None:
    if not isinstance(image, list):
        with pytest.raises(TypeError, match=r"^`image` must be a path, a URL"):
            model(image)
    with pytest.raises(TypeError, match=r"^`images`\[1\] must be a path, a URL"):
        model([files[0], image])


def test_a_network_output_that_is_not_finite_is_an_image_error(model: Detector, files: list[Path]) -> None:
    class Broken(SynchronousRuntime[Batch, Outputs]):
        name = "broken"
        device_name = "cpu"
        precision = "bf16"

        def __call__(self, batch: Batch) -> Outputs:
            outputs = model.runtime(batch)
            return replace(outputs, logits=torch.full_like(outputs.logits, float("nan")))

    broken = model.with_settings()
    broken.runtime = Broken()
    with pytest.raises(ImageError, match=r"0\.png': .* in bf16; fp32 is the safest precision") as caught:
        broken(files[0])
    assert caught.value.code == "device"


def test_other_settings_share_the_network_and_leave_the_detector(model: Detector, files: list[Path]) -> None:
    name = model.labels.names[int(model(files[0]).class_ids[0])]
    other = model.with_settings(threshold=0.0, max_detections=2, classes=[name], batch_size=1)
    assert other.runtime is model.runtime
    assert (other.threshold, other.batch_size, model.threshold) == (0.0, 1, 0.4)
    assert set(other(files[0]).class_names.tolist()) == {name}
    assert model.with_settings()(files) == model(files)
    with pytest.raises(UsageError, match="`threshold` must be a number from 0 to 1"):
        model.with_settings(threshold=2)
    with pytest.raises(UsageError, match="no class 'persn'"):
        model.with_settings(classes=["persn"])


def test_threads_may_share_one_detector(model: Detector, files: list[Path]) -> None:
    expected = [model(path) for path in files]
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(model, files * 16))
    assert results == expected * 16


def test_threads_may_share_one_lazily_opened_image(model: Detector, files: list[Path]) -> None:
    expected = model(files[0])
    with Image.open(files[0]) as image, ThreadPoolExecutor(8) as pool:
        assert list(pool.map(model, [image] * 16)) == [expected] * 16


def test_threads_that_run_out_of_memory_halve_the_batch_once_each_size(model: Detector, files: list[Path]) -> None:
    """Never below what fits, never above, and no result is lost."""
    barrier = threading.Barrier(4)

    class Small(SynchronousRuntime[Batch, Outputs]):
        name = "small"
        device_name = "cpu"
        precision = "fp32"

        def __call__(self, batch: Batch) -> Outputs:
            if len(batch.pixels) > 2:
                if len(batch.pixels) == 8:
                    barrier.wait(30)  # all threads fail with the same size at the same time
                raise DeviceError("out of memory", out_of_memory=True)
            return model.runtime(batch)

    small = model.with_settings(batch_size=8)
    small.runtime = Small()
    images = [array(path) for path in files * 3][:8]
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: small(images), range(4)))
    assert small.batch_size == 2
    expected = model.with_settings(batch_size=2)(images)
    assert results == [expected] * 4


@pytest.mark.parametrize("use", [pickle.dumps, copy.copy, copy.deepcopy])
def test_pickling_and_copying_are_refused_with_the_reason(model: Detector, use: Callable[[Any], Any]) -> None:
    with pytest.raises(TypeError, match=r"cannot be pickled or copied: call load_detector\(\) in each process"):
        use(model)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("changed", [False, True])
def test_a_forked_process_is_refused_instead_of_hanging(model: Detector, files: list[Path], changed: bool) -> None:
    model(files[0])
    context = multiprocessing.get_context("fork")
    messages = context.Queue()

    def use() -> None:
        try:
            (model.with_settings(threshold=0.4) if changed else model)(files[0])
        except DeviceError as error:
            messages.put(str(error))

    process = context.Process(target=use)
    process.start()
    assert "call load_detector() in this process" in messages.get(timeout=60)
    process.join(60)
    assert process.exitcode == 0


def test_loading_changes_nothing_of_the_process(tiny_checkpoint: Path) -> None:
    def state() -> tuple[Any, ...]:
        return (
            dict(os.environ),
            torch.get_num_threads(),
            torch.backends.cudnn.deterministic,
            torch.backends.cudnn.benchmark,
            torch.are_deterministic_algorithms_enabled(),
            torch.get_rng_state().tolist(),
            torch.get_default_dtype(),
        )

    before = state()
    load_detector(tiny_checkpoint, deterministic=True)
    assert state() == before


def test_detect_frames_returns_failed_frames_in_their_position(model: Detector, files: list[Path]) -> None:
    frames = [image() for image in make_source([str(files[0]), "missing.png"], SourceSettings())]
    first, second = model.detect_frames(frames)
    assert isinstance(first, Detections)
    assert not isinstance(first, DetectionResult)
    assert second is cast("FailedFrame", frames[1])
    assert isinstance(cast("Frame", frames[0]).pixels, np.ndarray)


class BytesPath:
    """A path that is no text."""

    def __fspath__(self) -> bytes:
        return b"a.png"


@pytest.mark.parametrize(
    "image",
    [
        torch.zeros(3, 8, 8, device="meta"),
        torch.zeros(3, 8, 8, dtype=torch.uint8, device="meta"),
        torch.zeros(3, 8, 8).to_sparse(),
        torch.zeros(3, 8, 8, dtype=torch.uint8).to_sparse(),
        torch.zeros(3, 8, 8, dtype=torch.float8_e4m3fn),
        torch.zeros(3, 8, 8, dtype=torch.complex64),
        BytesPath(),
    ],
    ids=["meta", "meta uint8", "sparse", "sparse uint8", "float8", "complex", "path of bytes"],
)
def test_unusual_tensors_and_paths_are_a_type_error(model: Detector, image: Any) -> None:
    with pytest.raises(TypeError, match="`image` must be"):
        model(image)


@pytest.mark.parametrize("size", [(0, 5), (5, 0), (0, 0)])
def test_a_pil_image_without_pixels_is_a_value_error(model: Detector, size: tuple[int, int]) -> None:
    with pytest.raises(UsageError, match="`image` has no pixels"):
        model(Image.new("RGB", size))


def test_an_unsupported_url_in_a_list_is_named_with_its_position(model: Detector, files: list[Path]) -> None:
    with pytest.raises(ImageError, match=r"`images`\[1\].*'ftp://x/y.png'"):
        model([files[0], "ftp://x/y.png"])
