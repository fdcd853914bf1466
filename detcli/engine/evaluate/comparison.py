"""Compares two stored results: from a request to the report, its file and its annotated images."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from detcli.engine.evaluate.evaluation_outputs import output_folder
from detcli.engine.evaluate.subjects import find_ground_truth_of, subject_of_results
from detcli.engine.requests.evaluation_request import EvaluationObserver, EvaluationRequest

if TYPE_CHECKING:
    from detcli.evaluation.comparison.comparison_report import ComparisonReport
    from detcli.evaluation.results.evaluate_results import EvaluatedResults


def comparison_of_results(
    request: EvaluationRequest, observer: EvaluationObserver, results: tuple[Path, Path], gt: Path
) -> "tuple[ComparisonReport, EvaluatedResults]":
    """Evaluate both results, and compare them; the second value has the images.

    Raises UsageError, DataError and InputError.
    """
    from detcli.evaluation.comparison.compare_results import compare_results
    from detcli.evaluation.comparison.comparison_report import ComparedSide

    ground_truth = find_ground_truth_of(request, observer, gt, results)
    subjects = [subject_of_results(request, path, ground_truth) for path in results]
    for path, (evaluated, _) in zip(results, subjects, strict=True):
        for note in evaluated.notes:
            if note not in evaluated.ground_truth.notes:
                observer.on_warning(f"{path}: {note}")
    sides = [
        ComparedSide(str(path), score.value, score.source, score.classes)
        for path, (_, score) in zip(results, subjects, strict=True)
    ]
    first, second = (evaluated for evaluated, _ in subjects)
    settings = {"results": [str(path) for path in results], "gt": first.ground_truth.name}
    report = compare_results(replace(first, settings=settings), second, (sides[0], sides[1]), samples=request.bootstrap)
    for note in report.notes:
        observer.on_warning(note)
    return report, first


def write_comparison(
    request: EvaluationRequest,
    path: Path,
    report: "ComparisonReport",
    evaluated: "EvaluatedResults",
    observer: EvaluationObserver,
) -> None:
    """Write one output. Raises OutputError."""
    from detcli.evaluation.comparison.draw_changes import draw_changes
    from detcli.evaluation.report_files import write_report

    if path != request.save_worst:
        write_report(report.to_dict(), path)
        return
    categories = evaluated.ground_truth.categories
    with output_folder(request, path, observer) as folder:
        drawn, missing = draw_changes(report, folder, categories, evaluated.read_image, count=request.worst)
    observer.on_changed_images(path, drawn, missing)
