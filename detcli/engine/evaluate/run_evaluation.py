"""Runs an evaluation: computes metrics and report, and writes the outputs of the request."""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from detcli.argument_checks import check_instance
from detcli.engine.evaluate.comparison import comparison_of_results, write_comparison
from detcli.engine.evaluate.evaluation_outputs import prepare_outputs, write_output
from detcli.engine.evaluate.model_threshold import folder_to_set, set_model_threshold
from detcli.engine.evaluate.panoptic_evaluation import panoptic_report
from detcli.engine.evaluate.subjects import find_ground_truth_of, subject_of_model, subject_of_results
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
    from detcli.evaluation.results.evaluate_results import box_report
    from detcli.structures.run_info import now

    observer, stop = (
        EvaluationObserver() if observer is None else check_instance("observer", observer, EvaluationObserver),
        StopSignal() if stop is None else check_instance("stop", stop, StopSignal),
    )
    now()  # an invalid SOURCE_DATE_EPOCH is an error before the work, not after it
    model_folder = None if request.set_threshold is None else folder_to_set(request.set_threshold)
    outputs, started = prepare_outputs(request, observer), time.monotonic()
    if request.iou_type == "panoptic":
        return _evaluate_segments(request, observer, stop, outputs, started)
    if request.results is not None and request.against is not None and request.ground_truth is not None:
        results = (request.results, request.against)
        comparison, compared = comparison_of_results(request, observer, results, request.ground_truth)
        for path in outputs:
            write_comparison(request, path, comparison, compared, observer)
        return EvaluationResult(comparison, tuple(outputs), time.monotonic() - started)
    subject = _subject(request, observer, stop)
    if subject is None:
        return None
    evaluated, score = subject
    evaluated = replace(evaluated, settings={**evaluated.settings, "score": score.value})
    for note in evaluated.notes:
        observer.on_warning(note)
    report = box_report(
        evaluated,
        score=score.value,
        worst=request.worst,
        samples=request.bootstrap,
        score_source=score.source,
        class_scores=score.classes,
    )
    written = tuple(path for path in outputs if write_output(request, path, report, evaluated, observer))
    if model_folder is not None:
        threshold = set_model_threshold(model_folder, report)
        observer.on_threshold_set(model_folder, threshold.value, len(threshold.classes))
    return EvaluationResult(report, written, time.monotonic() - started)


def _subject(
    request: EvaluationRequest, observer: EvaluationObserver, stop: StopSignal
) -> "tuple[EvaluatedResults, MistakeScore] | None":
    """The evaluated boxes or masks; None if `stop` came before the last image."""
    if request.results is None or request.ground_truth is None:
        return subject_of_model(request, observer, stop)
    found = find_ground_truth_of(request, observer, request.ground_truth, [request.results])
    return subject_of_results(request, request.results, found)


def _evaluate_segments(
    request: EvaluationRequest,
    observer: EvaluationObserver,
    stop: StopSignal,
    outputs: Sequence[Path],
    started: float,
) -> EvaluationResult | None:
    from detcli.evaluation.report_files import write_report

    report = panoptic_report(request, observer, stop)
    if report is None:
        return None
    for path in outputs:
        write_report(report.to_dict(), path)
    return EvaluationResult(report, tuple(outputs), time.monotonic() - started)
