"""The programs that `benchmarks/detect.py` compares: detcli in each runtime, and loops as users write them.

All do the same: load, detect in the first image (the first result), warm up with two batches, then read every image,
detect, and write a JSON line for it. Only the last part counts as speed.
"""

import argparse
import importlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.harness import Program, Report, since_start

THRESHOLD = 0.3
_MAX_DETECTIONS = 300
Detect = Callable[[Sequence[Path]], list[dict[str, Any]]]


def detcli_in(runtime: str) -> Program:
    """Detcli as the command runs it, with default settings."""

    def program(arguments: argparse.Namespace) -> Report:
        from detcli.engine.benchmark.benchmark_request import BenchmarkCase
        from detcli.engine.benchmark.case_process import measure

        case = BenchmarkCase(
            model=str(arguments.work / "model"),
            runtime=runtime,
            precision=arguments.precision,
            batch_size=arguments.batch,
        )
        job = {
            "path": None if runtime == "torch" else str(arguments.work / "model.onnx"),
            "sources": [str(arguments.work / "images")],
            "folder": str(arguments.work),
            "images": arguments.images,
            "sinks": ["jsonl"],
            "data": None,
            "task": None,
            "revision": None,
            "cache_dir": None,
            "device": "cpu",
            "workers": None,
            "started": time.time() - since_start(),
        }
        found = measure(case, job)
        return {
            "start_s": found["start_s"],
            "first_s": found["first_result_s"],
            "rate": found["images"] / found["seconds"],
            "peak_mib": found["peak_mib"],
            "network_rate": 1000 / found["stages_ms"]["network"],
            "stages_ms": found["stages_ms"],
        }

    return program


def pipeline(arguments: argparse.Namespace) -> Report:
    """`transformers.pipeline`, one image at a time."""
    import transformers

    model = transformers.AutoModelForObjectDetection.from_pretrained(arguments.work / "model")
    detect = transformers.pipeline("object-detection", model=model, image_processor=_processor(arguments))
    return _timed(
        arguments, 1, lambda paths: [{"detections": detect(str(path), threshold=THRESHOLD)} for path in paths]
    )


def loop(arguments: argparse.Namespace) -> Report:
    """A careful loop with transformers, in batches of `--loop-batch`."""
    import torch
    import transformers
    from PIL import Image

    model = transformers.AutoModelForObjectDetection.from_pretrained(arguments.work / "model").eval()
    prepare = _processor(arguments)

    def detect(paths: Sequence[Path]) -> list[dict[str, Any]]:
        images = [Image.open(path).convert("RGB") for path in paths]
        with torch.inference_mode():
            outputs = model(**prepare(images, return_tensors="pt"))
        sizes = torch.tensor([image.size[::-1] for image in images])
        results = prepare.post_process_object_detection(outputs, threshold=THRESHOLD, target_sizes=sizes)
        return [{name: values.tolist() for name, values in result.items()} for result in results]

    return _timed(arguments, arguments.loop_batch, detect)


def onnx_loop(arguments: argparse.Namespace) -> Report:
    """ONNX Runtime on the exported file, one image at a time."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(arguments.work / "model.onnx"), providers=["CPUExecutionProvider"])
    arrays = _Arrays(arguments)

    def detect(paths: Sequence[Path]) -> list[dict[str, Any]]:
        pixels, size = arrays.read(paths[0])
        logits, boxes = session.run(["logits", "boxes"], {"pixels": pixels})
        return [arrays.detections(logits, boxes, size)]

    return _timed(arguments, 1, detect)


def openvino_loop(arguments: argparse.Namespace) -> Report:
    """OpenVINO on the exported file, one image at a time (performance hint LATENCY)."""
    compiled, arrays = _compiled(arguments, "LATENCY"), _Arrays(arguments)

    def detect(paths: Sequence[Path]) -> list[dict[str, Any]]:
        pixels, size = arrays.read(paths[0])
        outputs = compiled({"pixels": pixels})
        return [arrays.detections(outputs["logits"], outputs["boxes"], size)]

    return _timed(arguments, 1, detect)


def openvino_async(arguments: argparse.Namespace) -> Report:
    """OpenVINO's AsyncInferQueue on the exported file (performance hint THROUGHPUT)."""
    import openvino

    compiled, arrays = _compiled(arguments, "THROUGHPUT"), _Arrays(arguments)
    queue = openvino.AsyncInferQueue(compiled)
    found: dict[Path, dict[str, Any]] = {}

    def done(request: Any, of: tuple[Path, tuple[int, int]]) -> None:
        path, size = of
        logits, boxes = (request.get_tensor(name).data for name in ("logits", "boxes"))
        found[path] = arrays.detections(logits, boxes, size)

    queue.set_callback(done)

    def detect(paths: Sequence[Path]) -> list[dict[str, Any]]:
        for path in paths:
            pixels, size = arrays.read(path)
            queue.start_async({"pixels": pixels}, (path, size))
        queue.wait_all()
        return [found.pop(path) for path in paths]

    return _timed(arguments, None, detect)  # all images in one call: the queue never runs empty in between


def ultralytics(arguments: argparse.Namespace) -> Report:
    """`predict` of ultralytics with a YOLO of its own, of random weights: another network, for orientation only."""
    import ultralytics as package

    model = package.YOLO(arguments.yolo)

    def detect(paths: Sequence[Path]) -> list[dict[str, Any]]:
        results = model.predict([str(path) for path in paths], conf=THRESHOLD, verbose=False, stream=True)
        return [{"boxes": result.boxes.xyxy.tolist(), "scores": result.boxes.conf.tolist()} for result in results]

    return _timed(arguments, arguments.loop_batch, detect)


def _timed(arguments: argparse.Namespace, batch: int | None, detect: Detect) -> Report:
    """Measure a loop.

    batch  images of each call; None: all
    """
    paths = sorted((arguments.work / "images").iterdir())
    size = len(paths) if batch is None else batch
    start_s = since_start()
    detect(paths[:1])
    first_s = since_start()
    for _ in range(2):
        detect(paths[: min(size, 8)])
    started = time.perf_counter()
    with (arguments.work / f"{arguments.child}.jsonl").open("w") as stream:
        for part in _parts(paths, size):
            for path, result in zip(part, detect(part), strict=True):
                stream.write(json.dumps({"file": str(path), **result}) + "\n")
    return {"start_s": start_s, "first_s": first_s, "rate": len(paths) / (time.perf_counter() - started)}


def _parts(paths: Sequence[Path], size: int) -> Iterator[Sequence[Path]]:
    for start in range(0, len(paths), size):
        yield paths[start : start + size]


def _compiled(arguments: argparse.Namespace, hint: str) -> Any:
    import openvino

    settings = {"PERFORMANCE_HINT": hint}
    settings |= {"INFERENCE_PRECISION_HINT": {"fp32": "f32", "bf16": "bf16"}[arguments.precision]}
    return openvino.Core().compile_model(str(arguments.work / "model.onnx"), "CPU", settings)


class _Arrays:
    """Pre- and postprocessing with Pillow and numpy, as a user writes it."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        import numpy as np

        self._config = json.loads((arguments.work / "model" / "preprocessor_config.json").read_text())
        self._softmax = arguments.model.startswith("detr")
        self._mean, self._std = (
            np.array(self._config.get(name, [value] * 3), np.float32)
            for name, value in (("image_mean", 0.0), ("image_std", 1.0))
        )

    def read(self, path: Path) -> tuple[Any, tuple[int, int]]:
        """The input of the network [1, 3, H, W], and width and height of the image."""
        import numpy as np
        from PIL import Image

        image = Image.open(path).convert("RGB")
        resized = image.resize(self._size(image.size), Image.Resampling.BILINEAR)
        pixels = np.asarray(resized, np.float32) / 255
        if self._config.get("do_normalize"):
            pixels = (pixels - self._mean) / self._std
        return np.ascontiguousarray(pixels.transpose(2, 0, 1)[None]), image.size

    def _size(self, size: tuple[int, int]) -> tuple[int, int]:
        wanted = self._config["size"]
        if "height" in wanted:
            return wanted["width"], wanted["height"]
        scale = min(wanted["shortest_edge"] / min(size), wanted["longest_edge"] / max(size))
        return round(size[0] * scale), round(size[1] * scale)

    def detections(self, logits: Any, boxes: Any, size: tuple[int, int]) -> dict[str, Any]:
        """The detections of one image."""
        import numpy as np

        if self._softmax:
            powers = np.exp(logits[0] - logits[0].max(-1, keepdims=True))
            scores = (powers / powers.sum(-1, keepdims=True))[:, :-1]
        else:
            scores = 1 / (1 + np.exp(-logits[0]))
        flat = scores.ravel()
        best = np.argsort(-flat)[:_MAX_DETECTIONS]
        best = best[flat[best] > THRESHOLD]
        center, extent = boxes[0][best // scores.shape[1]].reshape(-1, 2, 2).transpose(1, 0, 2)
        corners = np.concatenate((center - extent / 2, center + extent / 2), axis=1) * np.array([*size, *size])
        return {"scores": flat[best].tolist(), "classes": (best % scores.shape[1]).tolist(), "boxes": corners.tolist()}


def _processor(arguments: argparse.Namespace) -> Any:
    """The Pillow-backed processor of transformers, which needs no torchvision."""
    family, name = {
        "dfine": ("rt_detr", "RTDetr"),
        "detr": ("detr", "Detr"),
        "deformable": ("deformable_detr", "DeformableDetr"),
    }[arguments.model.split("-")[0]]
    module = importlib.import_module(f"transformers.models.{family}.image_processing_pil_{family}")
    return getattr(module, f"{name}ImageProcessorPil").from_pretrained(arguments.work / "model")
