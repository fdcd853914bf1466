"""Evaluates stored results or a model: from a request to metrics, report, plots and annotated images."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from detcli.argument_checks import check_instance
from detcli.engine.observer import Observer
from detcli.engine.outputs.replaced_folders import is_replaceable, local_model
from detcli.engine.requests.evaluation_request import EvaluationObserver, EvaluationRequest, EvaluationResult
from detcli.engine.requests.mistake_score import MistakeScore, score_of_model, score_of_results
from detcli.engine.requests.run_settings import DEFAULT_MAX_DETECTIONS
from detcli.errors import UsageError
from detcli.io.output_paths import is_same_file
from detcli.io.outputs import prepare_output
from detcli.sinks.folders.output_folder import OutputFolder
from detcli.structures.stop_signal import StopSignal

if TYPE_CHECKING:
    from detcli.datasets.dataset import Dataset
    from detcli.evaluation.evaluate_results import EvaluatedResults
    from detcli.evaluation.panoptic.panoptic_metrics import PanopticMetrics
    from detcli.evaluation.panoptic.panoptic_report import PanopticReport
    from detcli.evaluation.report import EvaluationReport
    from detcli.inference.detector import Detector
    from detcli.inference.segmentation.segmentation_settings import SegmentationSettings
    from detcli.structures.frame import Pixels

__all__ = ["EvaluationObserver", "EvaluationRequest", "EvaluationResult", "evaluate"]


def evaluate(
    request: EvaluationRequest,
    *,
    observer: EvaluationObserver | None = None,
    stop: StopSignal | None = None,
) -> EvaluationResult | None:
    """Evaluate results or a model, and write report, plots and images; None if `stop` came before the last image.

    Raises UsageError, DataError, InputError, ModelError, HubError, AccessError, OutputError or DeviceError.
    """
    from detcli.evaluation.evaluate_results import box_report
    from detcli.evaluation.report_files import write_report
    from detcli.structures.run_info import now

    observer, stop = (
        EvaluationObserver() if observer is None else check_instance("observer", observer, EvaluationObserver),
        StopSignal() if stop is None else check_instance("stop", stop, StopSignal),
    )
    now()  # an invalid SOURCE_DATE_EPOCH is an error before the work, not after it
    outputs, started = _prepare_outputs(request, observer), time.monotonic()
    if request.iou_type == "panoptic":
        panoptic = _panoptic_report(request, observer, stop)
        if panoptic is None:
            return None
        for path in outputs:
            write_report(panoptic.to_dict(), path)
        return EvaluationResult(panoptic, tuple(outputs), time.monotonic() - started)
    if request.results is not None and request.ground_truth is not None:
        subject: tuple[EvaluatedResults, MistakeScore] | None = _evaluate_results(
            request, observer, request.results, request.ground_truth
        )
    else:
        subject = _evaluate_model(request, observer, stop)
    if subject is None:
        return None
    evaluated, score = subject
    evaluated = replace(evaluated, settings={**evaluated.settings, "score": score.value})
    for note in evaluated.notes:
        observer.on_warning(note)
    report = box_report(evaluated, score=score.value, worst=request.worst, score_source=score.source)
    written = tuple(path for path in outputs if _write(request, path, report, evaluated, observer))
    return EvaluationResult(report, written, time.monotonic() - started)


def _prepare_outputs(request: EvaluationRequest, observer: Observer) -> list[Path]:
    """The files and folders to write, each ready to be written. Raises OutputError or UsageError otherwise."""
    paths = [path for path in (request.output, request.save_plots, request.save_worst) if path is not None]
    for path in paths:
        if paths.count(path) > 1:
            raise UsageError(f"two outputs would go to '{path}'")
        if any(
            given is not None and is_same_file(path, given)
            for given in (request.results, request.ground_truth, request.data)
        ):
            raise UsageError(f"'{path}' is both input and output; choose another output")
    ready = []
    for path in paths:
        is_report = path == request.output
        is_ready = prepare_output(path, if_exists=request.if_exists, folder=not is_report, resumable=False)
        if is_ready and (request.if_exists != "skip" or is_report):
            ready.append(path)
        else:
            observer.on_skipped_output(path)
    return ready


def _evaluate_results(
    request: EvaluationRequest, observer: EvaluationObserver, results: Path, gt: Path
) -> "tuple[EvaluatedResults, MistakeScore]":
    from detcli.evaluation.evaluate_results import evaluate_results, find_ground_truth
    from detcli.io.results import format_of_results

    format_name = request.results_format or format_of_results(results)
    iou_type = request.box_iou_type
    ground_truth, images = find_ground_truth(gt, iou_type=iou_type, images=request.images)
    if request.save_worst is not None and not images.found:
        raise UsageError(f"`save_worst`: the images of '{gt}' are not next to it; name their folder with `images`")
    if request.save_worst is not None and images.folder is not None:
        observer.on_image_folder(images.folder)
    evaluated = evaluate_results(results, ground_truth, images, format_name=format_name, iou_type=iou_type)
    return evaluated, score_of_results(request, results, format_name)


def _evaluate_model(
    request: EvaluationRequest, observer: EvaluationObserver, stop: StopSignal
) -> "tuple[EvaluatedResults, MistakeScore] | None":
    """Process every image of the data; None if `stop` came before the last one."""
    from detcli.datasets.dataset import open_dataset
    from detcli.evaluation.coco_ground_truth import CocoGroundTruth
    from detcli.evaluation.evaluate_model import evaluate_model
    from detcli.evaluation.evaluate_results import EvaluatedResults
    from detcli.evaluation.format_checks import ground_truth_notes

    iou_type = request.box_iou_type
    _check_model_name(request)
    dataset = open_dataset(str(request.data), part="val", images=request.images, masks=iou_type == "segm")
    observer.on_dataset("data", dataset.report)
    detector = _load_model(request, observer)
    observer.on_evaluation_start(len(dataset))
    try:
        evaluation = evaluate_model(
            detector,
            dataset,
            workers=request.compute.workers,
            on_result=observer.on_result,
            stop=stop,
            iou_type=iou_type,
        )
    finally:
        observer.on_end()
    if evaluation is None:
        return None
    ground_truth = CocoGroundTruth(dataset.report.name, evaluation.ground_truth)
    format_notes = ground_truth_notes(evaluation.predictions.results, ground_truth) if iou_type == "bbox" else []
    evaluated = EvaluatedResults(
        ground_truth=ground_truth,
        results=evaluation.predictions.results,
        metrics=evaluation.metrics,
        read_image=_image_reader(dataset),
        settings=_model_settings(request, detector),
        failed=[
            {"file": failed.origin.file, "code": failed.code, "message": failed.message}
            for failed in evaluation.predictions.failed
        ],
        notes=[*dataset.report.issues, *evaluation.notes, *format_notes],
    )
    return evaluated, score_of_model(request, detector)


def _panoptic_report(
    request: EvaluationRequest, observer: EvaluationObserver, stop: StopSignal
) -> "PanopticReport | None":
    from detcli.evaluation.panoptic.panoptic_metrics import evaluate_panoptic_results
    from detcli.evaluation.panoptic.panoptic_report import PanopticReport
    from detcli.structures.run_info import now

    if request.results is not None and request.ground_truth is not None:
        metrics: PanopticMetrics | None = evaluate_panoptic_results(
            request.results, request.ground_truth, on_folder=observer.on_segment_folder
        )
    else:
        metrics = _evaluate_panoptic_model(request, observer, stop)
    if metrics is None:
        return None
    for note in metrics.notes:
        observer.on_warning(note)
    model = None if request.model is None else request.model.name
    given = {"results": request.results, "gt": request.ground_truth, "model": model, "data": request.data}
    settings = {name: str(value) for name, value in given.items() if value is not None}
    return PanopticReport(metrics, settings, now())


def _evaluate_panoptic_model(
    request: EvaluationRequest, observer: EvaluationObserver, stop: StopSignal
) -> "PanopticMetrics | None":
    from detcli.datasets.dataset import open_dataset
    from detcli.evaluation.panoptic.panoptic_metrics import evaluate_panoptic_model

    dataset = open_dataset(str(request.data), part="val", images=request.images, masks=True)
    observer.on_dataset("data", dataset.report)
    for issue in dataset.report.issues:
        observer.on_warning(issue)
    detector = _load_model(request, observer)
    observer.on_evaluation_start(len(dataset))
    try:
        return evaluate_panoptic_model(
            detector, dataset, workers=request.compute.workers, on_result=observer.on_result, stop=stop
        )
    finally:
        observer.on_end()


def _check_model_name(request: EvaluationRequest) -> None:
    """Find a wrong model name before torch is imported."""
    from detcli.checkpoints.hub.locate_model import repository_of

    if request.model_settings.name is not None:
        repository_of(request.model_settings.name)


def _load_model(request: EvaluationRequest, observer: Observer) -> "Detector":
    """The model to evaluate, which keeps every score unless the request has a threshold."""
    from detcli.engine.load_model import load_model

    detection = replace(request.detection, threshold=request.detection.threshold or 0.0)
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


def _image_reader(dataset: "Dataset") -> "Callable[[int], Pixels | None]":
    from detcli.structures.frame import Frame

    indices = {dataset.image_id(index): index for index in range(len(dataset))}

    def read(image_id: int) -> "Pixels | None":
        frame = dataset.read(indices[image_id])
        return frame.pixels if isinstance(frame, Frame) else None

    return read


def _model_settings(request: EvaluationRequest, detector: "Detector") -> dict[str, object]:
    return {
        "model": request.model_settings.name or detector.files.name,
        "revision": detector.files.commit,
        "sha256": detector.files.sha256,
        "assumed": list(detector.assumed),
        "data": request.data,
        "threshold": detector.threshold,
        "max_det": detector.selection.max_detections,
        "imgsz": detector.preprocessor.preprocessing.image_size,
        "queries": detector.model.queries,
        "decoder_layers": detector.model.decoder_layers,
        "pad": detector.pad,
        "runtime": detector.runtime.name,
        "precision": detector.precision,
        "device": detector.device_name,
    }


def _write(
    request: EvaluationRequest,
    path: Path,
    report: "EvaluationReport",
    evaluated: "EvaluatedResults",
    observer: EvaluationObserver,
) -> bool:
    """Write one output; False if it was not written."""
    from detcli.evaluation.report_files import write_plots, write_report

    if path == request.save_plots:
        try:
            with _folder(request, path, observer) as folder:
                write_plots(report, folder)
        except UsageError as error:
            observer.on_warning(f"no plots: {error}")
            return False
        return True
    if path == request.save_worst:
        from detcli.evaluation.worst_images import draw_worst_images

        categories = evaluated.ground_truth.categories
        with _folder(request, path, observer) as folder:
            drawn = draw_worst_images(
                report.worst,
                folder,
                report.file_names,
                categories,
                evaluated.read_image,
                score=report.score,
                iou=report.iou,
            )
        observer.on_worst_images(path, drawn, len(report.worst) - drawn)
        return True
    write_report(report.to_dict(), path)
    return True


@contextmanager
def _folder(request: EvaluationRequest, path: Path, observer: EvaluationObserver) -> "Iterator[OutputFolder]":
    """A folder to write into, without the files that earlier runs wrote where the request overwrites them."""
    folder = OutputFolder(path)
    given = (request.results, request.ground_truth, request.data, request.images)
    inputs = [*(name for name in given if name is not None), *local_model(request.model_settings.name)]
    try:
        if request.if_exists == "overwrite" and path.is_dir() and is_replaceable(path, inputs, observer):
            folder.begin(replace=True)
        yield folder
    finally:
        folder.close()
    for remark in folder.remarks:
        observer.on_warning(remark)
