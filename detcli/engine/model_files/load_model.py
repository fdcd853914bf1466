"""The detector of a run, from the model that the request names."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Protocol, runtime_checkable

from detcli.argument_checks import check_instance
from detcli.engine.observer import LoadedModel, Observer
from detcli.engine.outputs.output_plan import OutputPlan
from detcli.engine.requests.run_request import ComputeSettings, DetectionSettings, ModelSettings, RunRequest
from detcli.engine.requests.run_settings import DEFAULT_MAX_DETECTIONS
from detcli.errors import UsageError
from detcli.inference.detector import Detector
from detcli.inference.images.tiling.tiled_detector import with_tiles
from detcli.inference.load import load_detector
from detcli.inference.segmentation.segmentation_settings import SegmentationSettings
from detcli.runtimes.device_list import existing_devices, is_several

__all__ = ["Detector", "describe_model", "ending_processes", "load_for", "load_model"]


def load_model(
    model: ModelSettings,
    detection: DetectionSettings,
    compute: ComputeSettings,
    *,
    segmentation: SegmentationSettings | None = None,
    observer: Observer | None = None,
) -> Detector:
    """Load the model and report it to the observer; a detector that is loaded already keeps its own settings.

    segmentation  which segments are made; None: boxes

    Raises what `load_detector` raises.
    """
    observer = Observer() if observer is None else check_instance("observer", observer, Observer)
    if not isinstance(model.model, str):
        detector = _with_settings(model, detection, compute, segmentation)
    else:
        observer.on_model_load(compute)
        detector = _load(model, detection, compute, segmentation, observer)
    try:
        for note in detector.notes if isinstance(model.model, str) else ():
            observer.on_warning(note)
        observer.on_model_loaded(describe_model(detector))
    except BaseException:
        with ending_processes(detector):
            raise
    return detector


def load_for(request: RunRequest, plan: OutputPlan, observer: Observer) -> Detector:
    """The detector of a run; every score is kept where an output needs that."""
    detection = request.detection
    if plan.needs_all_scores and detection.nms is None:
        detection = replace(detection, nms="off")
    if detection.threshold is None and plan.needs_all_scores:
        detection = replace(detection, threshold=0.0)
        if plan.folders:
            observer.on_warning(
                f"{plan.all_scores_format} keeps every score, and annotated images show every detection too: "
                "set a `threshold`"
            )
    return load_model(request.model, detection, request.compute, segmentation=request.segmentation, observer=observer)


def describe_model(detector: Detector) -> LoadedModel:
    """The model of a detector as observers get it."""
    files, stored = detector.files, detector.model.stored_threshold
    is_used = stored is not None and detector.segmentation is None and detector.threshold == stored.value
    return LoadedModel(
        files.name,
        files.folder,
        files.commit,
        files.sha256,
        runtime=detector.runtime.name,
        device=detector.device_name,
        precision=detector.precision,
        batch_size=detector.batch_size,
        threshold=detector.threshold,
        threshold_source=stored.source if stored is not None and is_used else "",
        class_thresholds=detector.class_thresholds,
        nms=detector.nms,
        tile=None if detector.tiles is None else detector.tiles.size,
    )


def _load(
    model: ModelSettings,
    detection: DetectionSettings,
    compute: ComputeSettings,
    segmentation: SegmentationSettings | None,
    observer: Observer,
) -> Detector:
    if segmentation is not None:
        segmentation = replace(segmentation, max_detections=detection.max_detections or DEFAULT_MAX_DETECTIONS)
    settings = _settings(detection, compute, segmentation) | {
        "variant": model.variant,
        "revision": model.revision,
        "offline": model.offline,
        "cache_dir": model.cache_dir,
    }
    listener = LoadReporter(observer)
    try:
        if is_several(compute.device):
            devices = existing_devices(compute.device)
            if len(devices) > 1:
                from detcli.pipeline.devices.multi_device_detector import load_on_devices
                from detcli.pipeline.devices.worker_pool import PoolSettings

                pool = PoolSettings(model.name or "", settings, devices, compute.workers)
                return load_on_devices(pool, listener, observer.on_warning)
            settings["device"] = devices[0]
        return load_detector(model.name or "", **settings, progress=listener, on_preparation=observer.on_preparation)
    finally:
        listener.finish()


def _settings(
    detection: DetectionSettings, compute: ComputeSettings, segmentation: SegmentationSettings | None
) -> dict[str, Any]:
    """The arguments of `load_detector` that do not say which model."""
    return {
        "threshold": detection.thresholds,
        "nms": detection.nms,
        "nms_agnostic": detection.nms_agnostic,
        "max_detections": detection.max_detections or DEFAULT_MAX_DETECTIONS,
        "classes": detection.classes,
        "image_size": detection.image_size,
        "tile": detection.tile,
        "tile_overlap": detection.tile_overlap,
        "tile_and_full": detection.tile_and_full,
        "uncertainty": detection.uncertainty,
        "device": compute.device,
        "runtime": compute.runtime,
        "precision": compute.precision,
        "compile": compute.compile,
        "optimize": compute.optimize,
        "deterministic": compute.deterministic,
        "batch_size": compute.batch_size,
        "queries": compute.queries,
        "decoder_layers": compute.decoder_layers,
        "pad": compute.pad,
        "segmentation": segmentation,
    }


def _with_settings(
    model: ModelSettings,
    detection: DetectionSettings,
    compute: ComputeSettings,
    segmentation: SegmentationSettings | None,
) -> Detector:
    """A loaded detector with the settings of the request that can be changed. Raises UsageError for all others."""
    detector = model.model
    assert not isinstance(detector, str)  # noqa: S101 - the caller checked it
    _check_task(segmentation, detector.segmentation)
    fixed = {
        "classes": detection.classes is not None,
        "image_size": detection.image_size is not None,
        "deterministic": compute.deterministic and not detector.deterministic,
        "device": compute.device not in ("auto", detector.device_name),
        "runtime": compute.runtime not in ("auto", detector.runtime.name),
        "precision": compute.precision not in ("auto", detector.precision),
        "queries": compute.queries not in (None, detector.model.queries),
        "decoder_layers": compute.decoder_layers not in (None, detector.model.decoder_layers),
        "uncertainty": detection.uncertainty and not detector.uncertainty,
        "pad": compute.pad,
        "compile": compute.compile,
        "optimize": not compute.optimize,
        "variant": model.variant is not None,
        "revision": model.revision is not None,
        "offline": model.offline,
        "cache_dir": model.cache_dir is not None,
    }
    for name, is_given in fixed.items():
        if is_given:
            raise UsageError(f"`{name}` must be set when the detector is loaded, since `model` is a detector already")
    if detection.tiles is not None:
        detector = with_tiles(detector, detection.tiles)
    return detector.with_settings(
        batch_size=compute.batch_size,
        threshold=detection.thresholds,
        max_detections=detection.max_detections,
        nms=detection.nms,
        nms_agnostic=detection.nms_agnostic or None,
    )


def _check_task(wanted: SegmentationSettings | None, loaded: SegmentationSettings | None) -> None:
    if (wanted is not None) != (loaded is not None):
        kind = "segments" if wanted is not None else "boxes"
        raise UsageError(f"`model` is a detector that was not loaded for {kind}")
    if wanted is not None and loaded is not None and wanted.task != loaded.task:
        raise UsageError(
            f"`model` is a detector that was loaded with `segmentation={loaded.task}`: this run needs {wanted.task}"
        )


@contextmanager
def ending_processes(detector: Detector) -> Iterator[None]:
    """End the processes of a detector on several devices after the block."""
    try:
        yield
    finally:
        if isinstance(detector, HasProcesses):
            detector.close()


@runtime_checkable
class HasProcesses(Protocol):
    """A detector on several devices."""

    @property
    def shares(self) -> tuple[tuple[str, int], ...]:
        """Each device, and the number of images that it has processed."""

    def close(self) -> None:
        """End the processes."""


class DownloadReporter:
    """Passes the progress of downloads to an observer."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self._started = False

    def start(self, total: int | None, description: str) -> None:
        """A download of so many bytes starts."""
        self._started = True
        self._observer.on_download_start(total, description)

    def advance(self, count: int) -> None:
        """So many more bytes are downloaded."""
        self._observer.on_download_progress(count)

    def finish(self) -> None:
        """The download is over, or none was needed."""
        if self._started:
            self._started = False
            self._observer.on_download_end()


class LoadReporter(DownloadReporter):
    """Passes what happens in another process while a model is loaded to an observer."""

    def on_preparation(self, message: str) -> None:
        """The model is prepared for another runtime."""
        self._observer.on_preparation(message)
