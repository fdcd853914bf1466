"""The provenance of a run, as results carry it: model, version and the arguments that change results."""

from pathlib import Path
from typing import Any

from detcli.engine.outputs.output_plan import OutputPlan
from detcli.engine.requests.run_request import (
    ImageInputSettings,
    ImageRequest,
    RunRequest,
    VideoInputSettings,
    VideoRequest,
)
from detcli.inference.detector import Detector
from detcli.inference.segmentation.segmentation_settings import SegmentationSettings
from detcli.io.remote.addresses import scheme_of, without_credentials
from detcli.structures.class_labels import ClassLabels
from detcli.structures.run_info import RunInfo, now
from detcli.version import __version__


def make_run_info(request: RunRequest, detector: Detector, labels: ClassLabels) -> RunInfo:
    """The record; arguments have the names of the options, and those that are not set are left out.

    labels  of the detector, perhaps with the category ids of a ground truth
    """
    arguments = {
        **_input_arguments(request),
        "threshold": detector.threshold,
        "class_thresholds": detector.class_thresholds or None,
        "nms": detector.nms,
        "nms_agnostic": detector.nms_agnostic or None,
        "max_det": detector.selection.max_detections,
        "classes": _classes(request, detector),
        "variant": detector.files.variant,
        "imgsz": _list(request.detection.image_size),
        **({} if detector.tiles is None else detector.tiles.arguments),
        "queries": detector.model.queries,
        "decoder_layers": detector.model.decoder_layers,
        "uncertainty": detector.uncertainty or None,
        "pad": detector.pad or None,
        "no_scores": request.output.no_scores or None,
        "select": None if request.output.select is None else str(request.output.select),
        "runtime": detector.runtime.name,
        "precision": detector.precision,
        "optimize": request.compute.optimize,
        "deterministic": detector.deterministic,
        "gt": None if request.output.ground_truth is None else str(request.output.ground_truth),
        **_segmentation_arguments(detector.segmentation),
    }
    if detector.deterministic:  # only then must these be the same in a resumed run; of several devices, the first
        arguments |= {"device": detector.runtime.device_name, "batch": detector.batch_size}
    given = {name: value for name, value in arguments.items() if value is not None}
    files = detector.files
    return RunInfo(files.name, files.commit, files.sha256, __version__, labels, now(), given, detector.assumed)


def shown_source(source: str) -> str:
    """A source as results and messages show it: an address without credentials."""
    return without_credentials(source) if scheme_of(source) is not None else source


def journal_header(info: RunInfo, plan: OutputPlan, request: RunRequest) -> dict[str, object]:
    """What a resumed run must agree on: the provenance, the folders that hold the images already, and what is counted."""
    folders = {"save_images": _text(plan.images), "save_crops": _text(plan.crops)}
    if plan.task is not None:
        folders["save_masks"] = _text(plan.masks)
    counting = request.counting.as_json() if request.counts else {}
    return info.as_json() | folders | counting


def _input_arguments(request: RunRequest) -> dict[str, object]:
    if isinstance(request, ImageRequest):
        images: ImageInputSettings = request.input
        chosen: dict[str, object] = {
            "files_from": None if images.files_from is None else shown_source(images.files_from),
            "recursive": images.recursive,
            "ext": _list(images.extensions),
            "exclude": list(images.exclude),
            "limit": images.limit,
            "watch": images.watch or None,
        }
        return _common_input(images, chosen)
    if isinstance(request, VideoRequest):
        videos: VideoInputSettings = request.input
        names = ("stride", "fps", "start", "duration", "max_frames", "live", "camera_size", "camera_rate")
        chosen = {name: getattr(videos, name) for name in names} | {"track": request.track or None}
        chosen |= {"weak_boxes": request.weak_boxes or None}
        return _common_input(videos, chosen | {"camera_size": _list(videos.camera_size)})
    return {}


def _classes(request: RunRequest, detector: Detector) -> list[str] | None:
    """The classes as the request names them, else those that the detector was loaded with; None: all."""
    if request.detection.classes is not None or detector.selection.class_ids is None:
        return _list(request.detection.classes)
    return [detector.labels.names[class_id] for class_id in detector.selection.class_ids]


def _common_input(given: ImageInputSettings | VideoInputSettings, chosen: dict[str, object]) -> dict[str, object]:
    shard = None if given.shard is None else str(given.shard)
    sources = [shown_source(name) for name in given.sources]
    return {"sources": sources, **chosen, "shard": shard, "max_pixels": given.max_pixels}


def _segmentation_arguments(settings: SegmentationSettings | None) -> dict[str, object]:
    if settings is None:
        return {}
    return {name: getattr(settings, name) for name in ("task", "rule", "mask_threshold", "overlap_threshold")}


def _list(values: tuple[Any, ...] | None) -> list[Any] | None:
    return None if values is None else list(values)


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)
