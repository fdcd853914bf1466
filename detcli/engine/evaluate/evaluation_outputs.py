"""The outputs of an evaluation: prepared before the work, and written after it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from detcli.engine.observer import Observer
from detcli.engine.outputs.replaced_folders import is_replaceable, local_model
from detcli.engine.requests.evaluation_request import EvaluationObserver, EvaluationRequest
from detcli.errors import UsageError
from detcli.io.output_paths import is_same_file
from detcli.io.outputs import prepare_output
from detcli.sinks.folders.output_folder import OutputFolder

if TYPE_CHECKING:
    from detcli.evaluation.report import EvaluationReport
    from detcli.evaluation.results.evaluate_results import EvaluatedResults


def prepare_outputs(request: EvaluationRequest, observer: Observer) -> list[Path]:
    """The files and folders to write, each ready to be written. Raises OutputError or UsageError otherwise."""
    paths = [path for path in (request.output, request.save_plots, request.save_worst) if path is not None]
    for path in paths:
        if paths.count(path) > 1:
            raise UsageError(f"two outputs would go to '{path}'")
        if any(
            given is not None and is_same_file(path, given)
            for given in (request.results, request.against, request.ground_truth, request.data)
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


def write_output(
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
            with output_folder(request, path, observer) as folder:
                write_plots(report, folder)
        except UsageError as error:
            observer.on_warning(f"no plots: {error}")
            return False
        return True
    if path == request.save_worst:
        from detcli.evaluation.worst_images import draw_worst_images

        categories = evaluated.ground_truth.categories
        with output_folder(request, path, observer) as folder:
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
def output_folder(request: EvaluationRequest, path: Path, observer: EvaluationObserver) -> "Iterator[OutputFolder]":
    """A folder to write into, without the files that earlier runs wrote where the request overwrites them."""
    folder = OutputFolder(path)
    given = (request.results, request.against, request.ground_truth, request.data, request.images)
    inputs = [*(name for name in given if name is not None), *local_model(request.model_settings.name)]
    try:
        if request.if_exists == "overwrite" and path.is_dir() and is_replaceable(path, inputs, observer):
            folder.begin(replace=True)
        yield folder
    finally:
        folder.close()
    for remark in folder.remarks:
        observer.on_warning(remark)
