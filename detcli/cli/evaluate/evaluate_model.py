"""A model evaluated on a dataset, as `detcli eval --model` asks: loaded, run over every image, and its finds evaluated."""

from collections.abc import Callable
from typing import Any

from detcli.cli.detect.run_view import RunView
from detcli.cli.evaluate.evaluate_options import EvaluateRequest
from detcli.cli.evaluate.evaluate_subject import EvaluationInput
from detcli.cli.framework.console import Console
from detcli.cli.framework.options import DEFAULT_MODEL
from detcli.cli.framework.progress import RunProgressBar
from detcli.cli.framework.signals import stopping
from detcli.datasets.dataset import Dataset, open_dataset
from detcli.engine.load_model import load_model
from detcli.engine.request import ComputeSettings, DetectionSettings, ModelSettings
from detcli.evaluation.coco_ground_truth import CocoGroundTruth
from detcli.evaluation.evaluate import evaluate
from detcli.inference.detector import Detector
from detcli.inference.segmentation.segmentation_settings import SegmentationSettings
from detcli.pipeline.run import RunStats
from detcli.structures.frame import FailedFrame, Frame, Pixels
from detcli.structures.stop_signal import StopSignal


def load_judged(console: Console, wish: EvaluateRequest) -> Detector:
    """The model to evaluate, every score kept unless told otherwise."""
    with RunView(console) as view:
        return load_model(
            ModelSettings(
                model=wish.model or DEFAULT_MODEL,
                revision=wish.revision,
                offline=wish.offline,
                cache_dir=wish.cache_dir,
            ),
            DetectionSettings(threshold=wish.threshold or 0.0, max_detections=wish.max_det, image_size=wish.imgsz),
            ComputeSettings(
                device=wish.device,
                batch_size=wish.batch,
                pad=wish.pad,
                precision=wish.precision,
                compile=wish.compile,
                optimize=not wish.no_optimize,
                deterministic=wish.deterministic,
            ),
            segmentation=_segmenting(wish),
            observer=view,
        )


def judge_model(console: Console, wish: EvaluateRequest) -> EvaluationInput | int:
    """Look at every image of the data and evaluate what was found; an exit code where a signal ended it before."""
    if wish.data is None or wish.iou_type == "panoptic":
        raise ValueError("data is needed, and boxes or instances")
    dataset = open_dataset(wish.data, part="val", images=wish.images, masks=wish.iou_type == "segm")
    detector = load_judged(console, wish)
    stop = StopSignal()
    with stopping(console, stop), RunProgressBar(console, count=lambda: len(dataset)) as progress:

        def on_result(frame: Frame | FailedFrame, detections: Any) -> None:
            failed = isinstance(detections, FailedFrame)
            progress.advance(failed=failed)
            if failed:
                console.failure(frame.origin.file, detections.code, detections.message)

        evaluation = evaluate(
            detector, dataset, workers=wish.workers, on_result=on_result, stop=stop, iou_type=wish.iou_type
        )
    if evaluation is None:
        console.summary(f"no figures: {stop.signal} came before the last image")
        return RunStats(interrupted=stop.signal).exit_code
    findings = evaluation.findings
    return EvaluationInput(
        ground_truth=CocoGroundTruth(dataset.report.name, evaluation.ground_truth),
        results=findings.results,
        metrics=evaluation.metrics,
        read=_reader(dataset),
        settings=_settings(wish, detector),
        unreadable=[
            {"file": failed.origin.file, "code": failed.code, "message": failed.message}
            for failed in findings.unreadable
        ],
        notes=[*dataset.report.findings, *evaluation.notes],
    )


def _segmenting(wish: EvaluateRequest) -> SegmentationSettings | None:
    if wish.iou_type == "bbox":
        return None
    if wish.iou_type == "panoptic":
        usual = SegmentationSettings("panoptic").score_threshold
        sure = usual if wish.threshold is None else wish.threshold
        return SegmentationSettings("panoptic", threshold=sure, max_detections=wish.max_det)
    return SegmentationSettings("instance", threshold=wish.threshold or 0.0, max_detections=wish.max_det)


def _reader(dataset: Dataset) -> Callable[[int], Pixels | None]:
    places = {dataset.image_id(index): index for index in range(len(dataset))}

    def read(image_id: int) -> Pixels | None:
        frame = dataset.read(places[image_id])
        return frame.pixels if isinstance(frame, Frame) else None

    return read


def _settings(wish: EvaluateRequest, detector: Detector) -> dict[str, object]:
    return {
        "model": wish.model or DEFAULT_MODEL,
        "revision": detector.files.commit,
        "sha256": detector.files.sha256,
        "data": wish.data,
        "threshold": detector.threshold,
        "max_det": wish.max_det,
        "imgsz": detector.preprocessor.preprocessing.image_size,
        "pad": detector.pad,
        "precision": detector.precision,
        "device": detector.device_name,
        "score": wish.score,
    }
