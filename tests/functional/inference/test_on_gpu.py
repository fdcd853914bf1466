"""What only a GPU shows: the bits of its input, detections of its queue, waits of the host, and the end of its memory."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from benchmarks.synthetic.shape_sequences import ShapeSequence
from detcli.checkpoints.checkpoint_files import write_checkpoint
from detcli.inference.batches.host_copy import EarlierWork, HostCopy
from detcli.inference.load import load_detector
from detcli.inference.preprocessing.preprocessing import Preprocessing
from detcli.inference.preprocessing.resize_rules import FixedSize, ShortestEdge
from detcli.inference.preprocessing.tensor_preprocessor import Preprocessor
from detcli.inference.preprocessing.tensor_resize import resize
from detcli.inference.segmentation.segmentation_settings import SegmentationSettings, Task
from detcli.models.inference_form import optimize
from detcli.runtimes.torch_runtime import Precision, TorchRuntime
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame, Origin
from detcli.structures.network_io import Batch, Outputs
from tests.helpers import deformable_detr_samples, detr_samples, dfine_samples, rtdetr_samples
from tests.helpers.exported_models import assert_same_detections

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")]
GPU = torch.device("cuda", 0)
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SIZES = [(211, 333), (160, 192), (400, 91), (211, 333)]


@contextmanager
def no_waits() -> Iterator[None]:
    """Let torch raise an error for each call that waits for the GPU."""
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


def frames_of(sizes_hw: list[tuple[int, int]], seed: int = 5) -> list[Frame]:
    random = np.random.default_rng(seed)
    return [
        Frame(Origin(i, f"{i}", f"{i}", str(i)), size_hw, random.integers(0, 256, (*size_hw, 3), dtype=np.uint8))
        for i, size_hw in enumerate(sizes_hw)
    ]


def shapes(count: int) -> list[Frame | FailedFrame]:
    sequence = ShapeSequence("easy", 1, frames=count, rate=15)
    return [sequence.frame(index) for index in range(count)]


@pytest.mark.parametrize("sizes", [SIZES[:1] * 4, SIZES], ids=["one size", "sizes"])
@pytest.mark.parametrize(
    "preprocessing",
    [
        Preprocessing(FixedSize((160, 192))),
        Preprocessing(FixedSize((160, 192)), mean=MEAN, std=STD),
        Preprocessing(FixedSize((160, 192)), resample=Image.Resampling.LANCZOS),
        Preprocessing(FixedSize((160, 192)), mean=MEAN, std=STD, pad_size_hw=(192, 224)),
        Preprocessing(ShortestEdge(160, 192), mean=MEAN, std=STD),
        Preprocessing(ShortestEdge(160, 192), rescale=None),
    ],
)
def test_the_input_has_the_bits_of_the_cpu(preprocessing: Preprocessing, sizes: list[tuple[int, int]]) -> None:
    frames = frames_of(sizes)
    expected = Preprocessor(preprocessing, torch.device("cpu")).batch(frames)
    gpu = Preprocessor(preprocessing, GPU)
    found = gpu.batch([gpu.prepare(frame) for frame in frames])
    assert torch.equal(found.pixels.cpu(), expected.pixels)
    assert (found.mask is None) == (expected.mask is None)
    if found.mask is not None and expected.mask is not None:
        assert torch.equal(found.mask.cpu(), expected.mask)


@pytest.mark.parametrize("resample", [Image.Resampling.BILINEAR, Image.Resampling.BICUBIC, Image.Resampling.BOX])
def test_two_hundred_sizes_have_the_bits_of_pillow(resample: Image.Resampling) -> None:
    random = np.random.default_rng(17)
    for height, width, new_height, new_width in random.integers(1, 700, (200, 4)).tolist():
        pixels = random.integers(0, 256, (height, width, 3), dtype=np.uint8)
        expected = np.asarray(Image.fromarray(pixels).resize((new_width, new_height), resample))
        found = resize(torch.from_numpy(pixels).to(GPU), (new_height, new_width), resample)
        assert found.cpu().numpy().tobytes() == expected.tobytes(), (height, width, new_height, new_width)


def test_the_default_batch_fits_into_the_free_memory() -> None:
    detector = load_detector("shapes", device="cuda")
    assert 1 <= detector.batch_size <= 64
    detector.detect_frames(shapes(1) * detector.batch_size)
    assert detector.batch_size == load_detector("shapes", device="cuda").batch_size


@pytest.mark.parametrize(
    ("precision", "pixels", "score"), [("fp32", 0.1, 1e-3), ("tf32", 2.0, 0.05), ("bf16", 8.0, 0.3), ("fp16", 5.0, 0.2)]
)
@pytest.mark.parametrize("some_classes", [False, True])
def test_two_batches_in_flight_give_the_detections_of_the_cpu(
    precision: str, pixels: float, score: float, some_classes: bool
) -> None:
    frames = shapes(12)
    classes = [0, 1] if some_classes else None
    gpu = load_detector("shapes", device="cuda", precision=precision, batch_size=4, classes=classes)
    assert gpu.batches_in_flight == 2
    pending = [gpu.submit(frames[start : start + 4]) for start in (0, 4, 8)]
    found = [result for one in pending for result in one.result()]
    expected = load_detector("shapes", device="cpu", classes=classes).detect_frames(frames)
    assert assert_same_detections(found, expected, pixels=pixels, score=score) > 3


def test_a_deterministic_detector_repeats_every_byte() -> None:
    frames = shapes(6)
    runs = [load_detector("shapes", device="cuda", deterministic=True).detect_frames(frames) for _ in range(2)]
    assert assert_same_detections(runs[0], runs[1], pixels=0, score=0) > 5


def test_nothing_waits_until_the_detections_of_a_batch_are_read() -> None:
    detector = load_detector("shapes", device="cuda", batch_size=4)
    frames = [detector.prepare(frame) for frame in shapes(4)]
    for _ in range(6):  # constants, kernels and graphs are made
        detector.submit(frames).result()
    with no_waits():
        pending = [detector.submit(frames) for _ in range(2)]
    assert all(len(one.result()) == 4 for one in pending)


def test_results_do_not_wait_for_later_work() -> None:
    numbers = torch.arange(1000, device=GPU)
    for _ in range(2):  # the first time, streams and memory are made
        copy, earlier = HostCopy(numbers + 1), EarlierWork(GPU)
        torch.cuda._sleep(2_000_000_000)  # about a second of the GPU
        later = torch.cuda.current_stream().record_event()
        assert torch.equal(copy.wait(), torch.arange(1000) + 1)
        with earlier.only():
            assert (numbers * 2).cpu().sum() == 999_000
        finished = later.query()
        torch.cuda.synchronize()
    assert not finished


@pytest.mark.parametrize("task", ["panoptic", "instance", "semantic"])
def test_segments_of_two_batches_in_flight_are_those_of_the_cpu(tmp_path: Path, task: Task) -> None:
    from detcli.models.detr import FAMILY

    write_checkpoint(
        tmp_path / "model",
        detr_samples.tiny_json(**detr_samples.SEGMENTING),
        {"size": {"shortest_edge": 96, "longest_edge": 128}},
        FAMILY.write_weights(segmenting().state_dict(), detr_samples.tiny(**detr_samples.SEGMENTING)),
    )
    frames: list[Frame | FailedFrame] = [*frames_of([(96, 128)] * 6)]
    settings = SegmentationSettings(task, threshold=0.2)
    gpu = load_detector(tmp_path / "model", segmentation=settings, device="cuda", batch_size=2)
    pending = [gpu.submit(frames[start : start + 2]) for start in (0, 2, 4)]
    found = [result for one in pending for result in one.result()]
    expected = load_detector(tmp_path / "model", segmentation=settings, device="cpu").detect_frames(frames)
    for ours, theirs in zip(found, expected, strict=True):
        assert isinstance(ours, Detections)
        assert isinstance(theirs, Detections)
        areas = [sum(mask.area for mask in one.masks or ()) for one in (ours, theirs)]
        assert areas[1] > 0
        assert abs(areas[0] - areas[1]) <= 0.02 * areas[1]


def dfine() -> nn.Module:
    return dfine_samples.random_network(dfine_samples.tiny())


def rtdetr() -> nn.Module:
    return rtdetr_samples.random_network(rtdetr_samples.tiny(2))


def detr() -> nn.Module:
    return detr_samples.random_network(detr_samples.tiny())


def segmenting() -> nn.Module:
    return detr_samples.random_network(detr_samples.tiny(**detr_samples.SEGMENTING))


def deformable() -> nn.Module:
    return deformable_detr_samples.random_network(deformable_detr_samples.tiny())


def single_scale() -> nn.Module:
    return deformable_detr_samples.random_network(deformable_detr_samples.tiny("single-scale"))


def two_stage() -> nn.Module:
    return deformable_detr_samples.random_network(deformable_detr_samples.tiny("with-box-refine-two-stage"))


Make = Callable[[], nn.Module]
EVERY_FAMILY = [dfine, rtdetr, detr, segmenting, deformable, single_scale, two_stage]


def network_batch(make: Make, device: torch.device) -> Batch:
    """Three images; padded, where the family takes a mask."""
    pixels = dfine_samples.images(3, 96, 128).float()
    mask: Tensor | None = None
    if make not in (dfine, rtdetr):
        pixels, mask = deformable_detr_samples.padded(pixels, [(96, 128), (64, 96), (80, 128)])
    sizes = torch.tensor([[96, 128]] * 3)
    return Batch(pixels.to(device), None if mask is None else mask.to(device), sizes, sizes)


def tensors(outputs: Outputs) -> list[Tensor]:
    return [x.cpu() for x in (outputs.logits, outputs.boxes_cxcywh, outputs.masks) if x is not None]


@pytest.mark.parametrize("make", EVERY_FAMILY)
def test_every_family_has_the_outputs_of_the_cpu(make: Make) -> None:
    expected = TorchRuntime(optimize(make()), device=torch.device("cpu"))(network_batch(make, torch.device("cpu")))
    found = TorchRuntime(optimize(make()), device=GPU)(network_batch(make, GPU))
    for ours, theirs in zip(tensors(found), tensors(expected), strict=True):
        if make in (dfine, rtdetr, two_stage):  # ranks of tokens with almost the same score may swap
            ours, theirs = (x.flatten(1).sort(1).values for x in (ours, theirs))
        torch.testing.assert_close(ours, theirs, atol=2e-3, rtol=2e-3)


@pytest.mark.parametrize("precision", ["fp32", "tf32", "bf16", "fp16"])
@pytest.mark.parametrize("make", EVERY_FAMILY)
def test_no_forward_pass_waits_for_the_gpu(make: Make, precision: Precision) -> None:
    runtime, batch = TorchRuntime(optimize(make()), device=GPU, precision=precision), network_batch(make, GPU)
    runtime(batch)
    with no_waits():
        outputs = runtime(batch)
    assert all(x.dtype is torch.float32 for x in tensors(outputs))


def test_the_choice_of_masks_waits_once_for_a_batch(recwarn: pytest.WarningsRecorder) -> None:
    network: Any = segmenting()
    network.configure_masks(enabled=True, score_threshold=0.25)
    runtime, batch = TorchRuntime(optimize(network), device=GPU), network_batch(segmenting, GPU)
    runtime(batch)
    recwarn.clear()
    torch.cuda.set_sync_debug_mode("warn")
    try:
        runtime(batch)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert sum("synchronizing" in str(warning.message) for warning in recwarn) <= 1


def test_a_batch_that_does_not_fit_is_halved_and_loses_nothing() -> None:
    frames = shapes(64)
    settings: dict[str, Any] = {"device": "cuda", "batch_size": 64}
    whole = load_detector("shapes", **settings)
    before = torch.cuda.memory_allocated(GPU)
    torch.cuda.reset_peak_memory_stats(GPU)
    expected = whole.detect_frames(frames)
    peak = torch.cuda.max_memory_allocated(GPU) - before
    del whole
    torch.cuda.empty_cache()
    small = load_detector("shapes", **settings)
    limit = torch.cuda.memory_reserved(GPU) + peak * 6 // 10
    torch.cuda.set_per_process_memory_fraction(limit / torch.cuda.mem_get_info(GPU)[1], GPU)
    try:
        found = small.detect_frames(frames)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, GPU)
    assert small.batch_size < 64
    assert assert_same_detections(found, expected, pixels=0.1, score=1e-3) > 100


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two GPUs")
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_a_gpu_that_is_not_the_current_one(precision: str) -> None:
    frames = shapes(12)
    results = []
    for device in ("cuda:0", "cuda:1"):
        detector = load_detector("shapes", device=device, batch_size=2, precision=precision)
        pending = [detector.submit(frames[start : start + 2]) for start in range(0, 12, 2)]
        results.append([result for one in pending for result in one.result()])
        assert detector.remarks == ()
    assert assert_same_detections(results[1], results[0], pixels=0.1, score=1e-3) > 20
