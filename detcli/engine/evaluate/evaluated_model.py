"""Loads the model of an evaluation, and describes it for the report."""

from dataclasses import replace
from typing import TYPE_CHECKING

from detcli.engine.observer import Observer
from detcli.engine.requests.evaluation_request import EvaluationRequest

if TYPE_CHECKING:
    from detcli.inference.detector import Detector
    from detcli.inference.segmentation.segmentation_settings import SegmentationSettings


def load_evaluated_model(request: EvaluationRequest, observer: Observer) -> "Detector":
    """The model to evaluate, which keeps every duplicate unless the request says otherwise.

    It keeps every score of boxes and instances, too, since AP needs them; panoptic quality is that of the segments which
    the model makes.
    """
    from detcli.engine.model_files.load_model import load_model

    given = request.detection
    threshold = given.threshold if request.iou_type == "panoptic" else given.threshold or 0.0
    detection = replace(given, threshold=threshold, nms=given.nms or "off")
    return load_model(
        request.model_settings, detection, request.compute, segmentation=_segmentation(request), observer=observer
    )


def _segmentation(request: EvaluationRequest) -> "SegmentationSettings | None":
    from detcli.inference.segmentation.segmentation_settings import SegmentationSettings

    if request.iou_type == "bbox":
        return None
    return SegmentationSettings("panoptic" if request.iou_type == "panoptic" else "instance")


def model_settings(request: EvaluationRequest, detector: "Detector") -> dict[str, object]:
    """What was evaluated and how, for the report: option -> value."""
    return {
        "model": request.model_settings.name or detector.files.name,
        "revision": detector.files.commit,
        "sha256": detector.files.sha256,
        **({} if detector.files.variant is None else {"variant": detector.files.variant}),
        "assumed": list(detector.assumed),
        "data": request.data,
        "threshold": detector.threshold,
        "class_thresholds": detector.class_thresholds,
        "nms": detector.nms,
        "nms_agnostic": detector.nms_agnostic,
        "max_det": detector.selection.max_detections,
        "imgsz": detector.preprocessor.preprocessing.image_size,
        **({} if detector.tiles is None else detector.tiles.arguments),
        "queries": detector.model.queries,
        "decoder_layers": detector.model.decoder_layers,
        "pad": detector.pad,
        "runtime": detector.runtime.name,
        "precision": detector.precision,
        "device": detector.device_name,
    }
