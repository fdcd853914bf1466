"""Evaluates panoptic segments, stored or of a model."""

from typing import TYPE_CHECKING

from detcli.engine.evaluate.evaluated_model import load_evaluated_model
from detcli.engine.requests.evaluation_request import EvaluationObserver, EvaluationRequest
from detcli.structures.stop_signal import StopSignal

if TYPE_CHECKING:
    from detcli.evaluation.panoptic.panoptic_metrics import PanopticMetrics
    from detcli.evaluation.panoptic.panoptic_report import PanopticReport


def panoptic_report(
    request: EvaluationRequest, observer: EvaluationObserver, stop: StopSignal
) -> "PanopticReport | None":
    """The report of the segments of the request; None if `stop` came before the last image."""
    from detcli.evaluation.panoptic.panoptic_metrics import evaluate_panoptic_results
    from detcli.evaluation.panoptic.panoptic_report import PanopticReport
    from detcli.structures.run_info import now

    if request.results is not None and request.ground_truth is not None:
        metrics: PanopticMetrics | None = evaluate_panoptic_results(
            request.results, request.ground_truth, on_folder=observer.on_segment_folder
        )
    else:
        metrics = _metrics_of_model(request, observer, stop)
    if metrics is None:
        return None
    for note in metrics.notes:
        observer.on_warning(note)
    model = None if request.model is None else request.model.name
    given = {"results": request.results, "gt": request.ground_truth, "model": model, "data": request.data}
    settings = {name: str(value) for name, value in given.items() if value is not None}
    return PanopticReport(metrics, settings, now())


def _metrics_of_model(
    request: EvaluationRequest, observer: EvaluationObserver, stop: StopSignal
) -> "PanopticMetrics | None":
    from detcli.datasets.dataset import open_dataset
    from detcli.evaluation.panoptic.panoptic_metrics import evaluate_panoptic_model

    dataset = open_dataset(str(request.data), part="val", images=request.images, masks=True)
    observer.on_dataset("data", dataset.report)
    for issue in dataset.report.issues:
        observer.on_warning(issue)
    detector = load_evaluated_model(request, observer)
    observer.on_evaluation_start(len(dataset))
    try:
        return evaluate_panoptic_model(
            detector, dataset, workers=request.compute.workers, on_result=observer.on_result, stop=stop
        )
    finally:
        observer.on_end()
