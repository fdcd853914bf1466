"""`convert_results`, `merge_results`, `filter_results`, `draw_results`: stored results without a model, as on the command line."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from detcli.argument_checks import StrPath
    from detcli.engine.observer import Observer
    from detcli.engine.requests.run_request import OutputSettings
    from detcli.engine.results.results_request import StoredInput
    from detcli.io.outputs import IfExists
    from detcli.pipeline.statistics import RunStats
    from detcli.structures.stop_signal import StopSignal


def convert_results(
    results: "StrPath",
    outputs: "StrPath | Sequence[StrPath]",
    *,
    results_format: str | None = None,
    images: "StrPath | None" = None,
    ground_truth: "StrPath | None" = None,
    format: str | None = None,  # noqa: A002 - the name of the option
    header: bool = False,
    csv_safe: bool = False,
    no_scores: bool = False,
    if_exists: "IfExists" = "error",
    observer: "Observer | None" = None,
    stop: "StopSignal | None" = None,
) -> "RunStats":
    """Write stored results in other formats, as `detcli convert` does; no model is loaded.

    results         file or folder of results
    outputs         files and folders; the suffix sets the format
    results_format  format of `results`; None: by its suffix and first bytes
    images          folder of the images, for results without sizes, such as YOLO labels
    ground_truth    COCO annotations whose image and category ids are used, and names and sizes where results lack them
    format          format of the one output; None: by its suffix
    header          JSON Lines: model, version and arguments in a first line, also if the results have none
    csv_safe        CSV: keep spreadsheets from running cells as formulas
    no_scores       YOLO: a dataset of boxes without scores
    if_exists       "error", "overwrite" or "skip" outputs that exist
    observer        gets the events; `on_warning` says what a format cannot hold
    stop            ends it between two images

    Returns the counts. Raises DetcliError for results that are invalid or cannot be read, before anything is written.
    """
    arguments = locals()
    from detcli.engine.results.results_request import ResultsRequest
    from detcli.engine.results.write_results import write_results

    request = ResultsRequest(input=_input(arguments), output=_outputs(arguments))
    return write_results(request, observer=observer, stop=stop)


def _input(arguments: dict[str, Any]) -> "StoredInput":
    from detcli.engine.results.results_request import StoredInput

    names = ("results", "results_format", "images")
    return StoredInput(**{name: arguments[name] for name in names}, ground_truth=arguments.get("ground_truth"))


def _outputs(arguments: dict[str, Any]) -> "OutputSettings":
    from detcli.engine.requests.run_request import OutputSettings

    names = ("outputs", "format", "header", "csv_safe", "no_scores", "ground_truth", "if_exists")
    return OutputSettings(**{name: arguments[name] for name in names})
