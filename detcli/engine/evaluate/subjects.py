"""What is evaluated: stored results, or the detections of a model on a dataset."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from detcli.engine.evaluate.evaluated_model import load_evaluated_model, model_settings
from detcli.engine.requests.evaluation_request import EvaluationObserver, EvaluationRequest
from detcli.engine.requests.mistake_score import MistakeScore, score_of_model, score_of_results
from detcli.engine.requests.run_request import ComputeSettings
from detcli.engine.requests.run_settings import DEFAULT_MAX_DETECTIONS
from detcli.errors import UsageError
from detcli.inference.load_settings import check_agnostic
from detcli.structures.stop_signal import StopSignal

if TYPE_CHECKING:
    from detcli.datasets.dataset import Dataset
    from detcli.evaluation.coco_ground_truth import CocoGroundTruth
    from detcli.evaluation.results.evaluate_results import EvaluatedResults
    from detcli.evaluation.results.image_lookup import ImageLookup
    from detcli.structures.frame import Pixels


def find_ground_truth_of(
    request: EvaluationRequest, observer: EvaluationObserver, gt: Path, results: Sequence[Path]
) -> "tuple[CocoGroundTruth, ImageLookup]":
    """The ground truth of stored results, and its images. Raises UsageError, DataError and InputError."""
    from detcli.evaluation.results.evaluate_results import find_ground_truth

    for path in results:  # what is wrong with their names is told before the annotations are read
        _format_of(request, path)
    if ignored := _settings_of_models(request):
        is_one = len(ignored) == 1
        observer.on_warning(
            f"{' and '.join(f'`{name}`' for name in ignored)} {'is' if is_one else 'are'} for models: stored results are "
            "evaluated as they are"
        )

    ground_truth, images = find_ground_truth(gt, iou_type=request.box_iou_type, images=request.images)
    if request.save_worst is not None and not images.found:
        raise UsageError(f"`save_worst`: the images of '{gt}' are not next to it; name their folder with `images`")
    if request.save_worst is not None and images.folder is not None:
        observer.on_image_folder(images.folder)
    return ground_truth, images


def subject_of_results(
    request: EvaluationRequest, results: Path, found: "tuple[CocoGroundTruth, ImageLookup]"
) -> "tuple[EvaluatedResults, MistakeScore]":
    """Evaluate stored results, and find the score that counts for mistakes.

    found  the ground truth, and its images

    Raises UsageError, DataError and InputError.
    """
    from detcli.evaluation.results.evaluate_results import evaluate_results

    format_name = _format_of(request, results)
    nms = None if request.detection.nms == "off" else request.detection.nms
    check_agnostic(nms, request.detection.nms_agnostic)
    evaluated = evaluate_results(
        results,
        *found,
        format_name=format_name,
        iou_type=request.box_iou_type,
        nms=nms,
        nms_agnostic=request.detection.nms_agnostic,
    )
    return evaluated, score_of_results(request, results, format_name)


def subject_of_model(
    request: EvaluationRequest, observer: EvaluationObserver, stop: StopSignal
) -> "tuple[EvaluatedResults, MistakeScore] | None":
    """Process every image of the data; None if `stop` came before the last one."""
    from detcli.datasets.dataset import open_dataset
    from detcli.evaluation.coco_ground_truth import CocoGroundTruth
    from detcli.evaluation.evaluate_model import evaluate_model
    from detcli.evaluation.results.evaluate_results import EvaluatedResults
    from detcli.evaluation.results.format_checks import ground_truth_notes

    iou_type = request.box_iou_type
    _check_model_name(request)
    dataset = open_dataset(str(request.data), part="val", images=request.images, masks=iou_type == "segm")
    observer.on_dataset("data", dataset.report)
    detector = load_evaluated_model(request, observer)
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
        settings=model_settings(request, detector),
        failed=[
            {"file": failed.origin.file, "code": failed.code, "message": failed.message}
            for failed in evaluation.predictions.failed
        ],
        notes=[*dataset.report.issues, *evaluation.notes, *format_notes],
    )
    return evaluated, score_of_model(request, detector)


def _settings_of_models(request: EvaluationRequest) -> list[str]:
    """Settings that change what a model detects, and nothing of stored results."""
    detection, compute, usual = request.detection, request.compute, ComputeSettings()
    changed = {
        "threshold": detection.threshold is not None,
        "max_detections": detection.max_detections not in (None, DEFAULT_MAX_DETECTIONS),
        "image_size": detection.image_size is not None,
        "precision": compute.precision != usual.precision,
        "queries": compute.queries is not None,
        "decoder_layers": compute.decoder_layers is not None,
    }
    return [name for name, is_changed in changed.items() if is_changed]


def _format_of(request: EvaluationRequest, results: Path) -> str:
    from detcli.io.results import format_of_results

    return request.results_format or format_of_results(results)


def _check_model_name(request: EvaluationRequest) -> None:
    """Find a wrong model name before torch is imported."""
    from detcli.checkpoints.hub.locate_model import repository_of

    if request.model_settings.name is not None:
        repository_of(request.model_settings.name)


def _image_reader(dataset: "Dataset") -> "Callable[[int], Pixels | None]":
    from detcli.structures.frame import Frame

    indices = {dataset.image_id(index): index for index in range(len(dataset))}

    def read(image_id: int) -> "Pixels | None":
        frame = dataset.read(indices[image_id])
        return frame.pixels if isinstance(frame, Frame) else None

    return read
