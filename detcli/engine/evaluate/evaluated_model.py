"""Loads the model of an evaluation, and describes it for the report."""

from dataclasses import replace
from typing import TYPE_CHECKING

from detcli.engine.observer import Observer
from detcli.engine.requests.evaluation_request import EvaluationRequest
from detcli.engine.requests.run_settings import DEFAULT_MAX_DETECTIONS

if TYPE_CHECKING:
    from detcli.inference.detector import Detector
    from detcli.inference.segmentation.segmentation_settings import SegmentationSettings


def load_evaluated_model(request: EvaluationRequest, observer: Observer) -> "Detector":
    """The model to evaluate, which keeps every score and duplicate unless the request says otherwise."""
    from detcli.engine.load_model import load_model

    given = request.detection
    detection = replace(given, threshold=given.threshold or 0.0, nms=given.nms or "off")
    return load_model(
        request.model_settings, detection, request.compute, segmentation=_segmentation(request), observer=observer
    )


def _segmentation(request: EvaluationRequest) -> "SegmentationSettings | None":
    from detcli.inference.segmentation.segmentation_settings import SegmentationSettings

    if request.iou_type == "bbox":
        return None
    threshold, count = request.detection.threshold, request.detection.max_detections or DEFAULT_MAX_DETECTIONS
    if request.iou_type == "panoptic":
        usual = SegmentationSettings("panoptic").score_threshold
        return SegmentationSettings(
            "panoptic", threshold=usual if threshold is None else threshold, max_detections=count
        )
    return SegmentationSettings("instance", threshold=threshold or 0.0, max_detections=count)


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
        "queries": detector.model.queries,
        "decoder_layers": detector.model.decoder_layers,
        "pad": detector.pad,
        "runtime": detector.runtime.name,
        "precision": detector.precision,
        "device": detector.device_name,
    }
