"""One measurement: loads a case, warms up, runs the images end to end as `detect` does, then each stage alone."""

import tempfile
import time
from pathlib import Path
from typing import Any

from detcli.engine.benchmark.benchmark_report import CaseRun
from detcli.engine.benchmark.benchmark_request import FORMATS, BenchmarkCase
from detcli.engine.benchmark.stage_times import StageTimes
from detcli.engine.requests.evaluation_request import EvaluationRequest
from detcli.engine.requests.run_request import (
    ComputeSettings,
    DetectionSettings,
    ImageInputSettings,
    ImageRequest,
    ModelSettings,
    OutputSettings,
)
from detcli.errors import InputError
from detcli.inference.detector import Detector
from detcli.inference.load import load_detector
from detcli.inference.segmentation.segmentation_settings import SegmentationSettings
from detcli.runtimes.process import peak_memory_bytes, processors
from detcli.sources.source import SourceItem, SourceSettings, make_source
from detcli.structures.frame import Frame

_MIB = 1024 * 1024
_PANOPTIC_THRESHOLD = SegmentationSettings("panoptic").score_threshold


class Measurement:
    """A measurement of a case.

    job      what all cases share: sources, images, sinks, task, data, device, workers, and which model or file to load
    started  time at which the process was started, in seconds since 1970
    """

    def __init__(self, case: BenchmarkCase, job: dict[str, Any], *, started: float) -> None:
        self._case, self._job, self._started = case, job, started

    def run(self) -> CaseRun:
        """Measure. Raises DetcliError."""
        items = self._images()
        detector = self._load()
        start_s = time.time() - self._started
        first_result_s = self._warm_up(detector, items)
        with tempfile.TemporaryDirectory(dir=self._job["folder"]) as folder:
            images, seconds = self._end_to_end(detector, Path(folder))
        peak, device_peak = peak_memory_bytes(), _device_peak(detector)
        with tempfile.TemporaryDirectory(dir=self._job["folder"]) as folder:
            stages = StageTimes(detector, self._job["sinks"], Path(folder))
            stages.measure(items)
        return CaseRun(
            start_s=start_s,
            first_result_s=first_result_s,
            images=images,
            seconds=seconds,
            stages_ms=stages.per_image_ms,
            latencies_ms=stages.latencies_ms,
            peak_mib=None if peak is None else peak / _MIB,
            device_mib=None if device_peak is None else device_peak / _MIB,
            batch_size=detector.batch_size,
            precision=detector.precision,
            device=detector.device_name,
            workers=self._job["workers"] or processors(),
            ap=self._average_precision(detector),
        )

    def _images(self) -> list[SourceItem]:
        items = list(make_source(self._job["sources"], SourceSettings(limit=self._job["images"])))
        if not items:
            raise InputError(f"there are no images in {', '.join(map(repr, self._job['sources']))}")
        return items

    def _load(self) -> Detector:
        case, path = self._case, self._job["path"]
        exported = path is not None  # its image size, queries and layers are in the file
        return load_detector(
            path or case.model,
            variant=None if exported else case.variant,
            runtime=case.runtime,
            precision=case.precision,
            batch_size=case.batch_size,
            image_size=None if exported else case.image_size,
            queries=None if exported else case.queries,
            decoder_layers=None if exported else case.decoder_layers,
            segmentation=self._job["task"],
            device=self._job["device"],
            revision=None if exported else self._job["revision"],
            cache_dir=self._job["cache_dir"],
            offline=True,
        )

    def _warm_up(self, detector: Detector, items: list[SourceItem]) -> float:
        """Detect in the first image, then in two batches; returns when the first image was done."""
        first_result_s, frames, failed = 0.0, list[Frame](), None
        for item in items:
            if not isinstance(frame := item(), Frame):
                failed = failed or frame
                continue
            frames.append(frame)
            if not first_result_s:
                detector.detect_frames(frames)
                first_result_s = time.time() - self._started
            if len(frames) == detector.batch_size:
                break
        if not frames and failed is not None:
            raise InputError(f"no image can be read; '{failed.origin.file}': {failed.message}")
        for _ in range(2):
            detector.detect_frames([frames[index % len(frames)] for index in range(detector.batch_size)])
        return first_result_s

    def _end_to_end(self, detector: Detector, folder: Path) -> tuple[int, float]:
        """Run the images as `detect` does; returns how many, and the seconds."""
        from detcli.engine.run import run

        sinks = self._job["sinks"]
        formats = [name for name in sinks if name in FORMATS]
        request = ImageRequest(
            input=ImageInputSettings(sources=tuple(self._job["sources"]), limit=self._job["images"]),
            model=ModelSettings(model=detector),
            compute=ComputeSettings(workers=self._job["workers"]),
            output=OutputSettings(
                outputs=tuple(str(folder / f"out{FORMATS[name]}") for name in formats),
                format=formats[0] if len(formats) == 1 else None,  # several have different suffixes
                save_images=folder / "images" if "images" in sinks else None,
                save_crops=folder / "crops" if "crops" in sinks else None,
                save_masks=folder / "masks" if "masks" in sinks else None,
            ),
            segmentation=detector.segmentation,
        )
        started = time.perf_counter()
        stats = run(request)
        return stats.images, time.perf_counter() - started

    def _average_precision(self, detector: Detector) -> float | None:
        if self._job["data"] is None:
            return None
        from detcli.engine.evaluate import evaluate

        panoptic = self._job["task"] == "panoptic"
        request = EvaluationRequest(
            data=self._job["data"],
            model=ModelSettings(model=detector),
            iou_type="panoptic" if panoptic else "bbox" if self._job["task"] is None else "segm",
            detection=DetectionSettings(threshold=_PANOPTIC_THRESHOLD if panoptic else 0.0),
            compute=ComputeSettings(workers=self._job["workers"]),
        )
        result = evaluate(request)
        return None if result is None else result.metrics["PQ" if panoptic else "AP"]


def _device_peak(detector: Detector) -> int | None:
    if not detector.device_name.startswith("cuda"):
        return None
    import torch

    return torch.cuda.max_memory_allocated(detector.device_name)
