"""Writes the files of an evaluation: the report and its plots."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from detcli.evaluation.plots import plot_calibration, plot_confusion_matrix, plot_errors, plot_pr_curves
from detcli.evaluation.report import EvaluationReport, to_json
from detcli.io.output_paths import tag_output_folder
from detcli.io.outputs import open_output
from detcli.sinks.folders.output_folder import OutputFolder, as_output_folder


def write_report(document: Mapping[str, Any], path: Path) -> None:
    """Write a report as JSON. Raises OutputError."""
    file = open_output(path, in_place=False)
    try:
        file.write(to_json(document))
        file.commit()
    except BaseException:
        file.discard()
        raise


def write_plots(report: EvaluationReport, folder: OutputFolder | Path) -> None:
    """Write pr_curves.png, confusion.png, calibration.png and errors.png.

    Raises UsageError if matplotlib is missing, OutputError, and ValueError for a report without details.
    """
    if report.details is None:
        raise ValueError("the report has no details to plot")
    thresholds, errors = report.details.thresholds, report.details.errors
    plots = {
        "pr_curves.png": plot_pr_curves(report.metrics, score=report.score, curve=thresholds.curve),
        "confusion.png": plot_confusion_matrix(
            report.confusion, score=report.score, iou=report.iou, class_scores=report.class_scores
        ),
        "calibration.png": plot_calibration(report.details.calibration),
        "errors.png": plot_errors(errors, score=report.score),
    }
    folder = as_output_folder(folder)
    tag_output_folder(folder.path)
    for name, png in plots.items():
        folder.write(name, png, durable=True)
