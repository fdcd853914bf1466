"""Runs an evaluation: computes metrics and report, and writes the outputs of the request."""

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from detcli.argument_checks import check_instance
from detcli.engine.evaluate.evaluation_outputs import prepare_outputs, write_output
from detcli.engine.evaluate.panoptic_evaluation import panoptic_report
from detcli.engine.evaluate.subjects import subject_of_model, subject_of_results
from detcli.engine.requests.evaluation_request import EvaluationObserver, EvaluationRequest, EvaluationResult
from detcli.engine.requests.mistake_score import MistakeScore
from detcli.structures.stop_signal import StopSignal

if TYPE_CHECKING:
    from detcli.evaluation.results.evaluate_results import EvaluatedResults


def evaluate(
    request: EvaluationRequest,
    *,
    observer: EvaluationObserver | None = None,
    stop: StopSignal | None = None,
) -> EvaluationResult | None:
    """Evaluate results or a model, and write report, plots and images; None if `stop` came before the last image.

    Raises UsageError, DataError, InputError, ModelError, HubError, AccessError, OutputError or DeviceError.
    """
    from detcli.evaluation.report_files import write_report
    from detcli.evaluation.results.evaluate_results import box_report
    from detcli.structures.run_info import now

    observer, stop = (
        EvaluationObserver() if observer is None else check_instance("observer", observer, EvaluationObserver),
        StopSignal() if stop is None else check_instance("stop", stop, StopSignal),
    )
    now()  # an invalid SOURCE_DATE_EPOCH is an error before the work, not after it
    outputs, started = prepare_outputs(request, observer), time.monotonic()
    if request.iou_type == "panoptic":
        panoptic = panoptic_report(request, observer, stop)
        if panoptic is None:
            return None
        for path in outputs:
            write_report(panoptic.to_dict(), path)
        return EvaluationResult(panoptic, tuple(outputs), time.monotonic() - started)
    if request.results is not None and request.ground_truth is not None:
        subject: tuple[EvaluatedResults, MistakeScore] | None = subject_of_results(
            request, observer, request.results, request.ground_truth
        )
    else:
        subject = subject_of_model(request, observer, stop)
    if subject is None:
        return None
    evaluated, score = subject
    evaluated = replace(evaluated, settings={**evaluated.settings, "score": score.value})
    for note in evaluated.notes:
        observer.on_warning(note)
    report = box_report(evaluated, score=score.value, worst=request.worst, score_source=score.source)
    written = tuple(path for path in outputs if write_output(request, path, report, evaluated, observer))
    return EvaluationResult(report, written, time.monotonic() - started)
