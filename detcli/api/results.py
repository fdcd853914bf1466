"""Functions on stored results, without a model: convert, merge, filter, draw, report, as on the command line."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from detcli.argument_checks import Nms, StrPath, Thresholds
    from detcli.engine.observer import Observer
    from detcli.engine.requests.run_request import OutputSettings
    from detcli.engine.results.results_request import StoredInput
    from detcli.image_selection import SelectionLike
    from detcli.io.outputs import IfExists
    from detcli.io.results.formats import Rows
    from detcli.pipeline.statistics import RunStats
    from detcli.shard import ShardLike
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
    rows: "Rows" = "images",
    if_exists: "IfExists" = "error",
    observer: "Observer | None" = None,
    stop: "StopSignal | None" = None,
) -> "RunStats":
    """Write stored results in other formats, as `detcli convert` does; no model is loaded.

    results         file or folder of results
    outputs         files and folders; the suffix sets the format
    results_format  format of `results`; None: by its suffix and first bytes
    images          folder or archive of the images, for results without sizes, such as YOLO labels
    ground_truth    COCO annotations whose image and category ids are used, and names and sizes where results lack them
    format          format of the one output; None: by its suffix
    header          JSON Lines: model, version and arguments in a first line, also if the results have none
    csv_safe        CSV: keep spreadsheets from running cells as formulas
    no_scores       YOLO: a dataset of boxes without scores
    rows            Parquet: one row for each of the "images" or "boxes"
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


def merge_results(
    parts: "Sequence[StrPath]",
    outputs: "StrPath | Sequence[StrPath]",
    *,
    renumber: bool = False,
    results_format: str | None = None,
    images: "StrPath | None" = None,
    ground_truth: "StrPath | None" = None,
    format: str | None = None,  # noqa: A002 - the name of the option
    header: bool = False,
    csv_safe: bool = False,
    no_scores: bool = False,
    rows: "Rows" = "images",
    if_exists: "IfExists" = "error",
    observer: "Observer | None" = None,
    stop: "StopSignal | None" = None,
) -> "RunStats":
    """Merge the results of several runs into those of one run, as `detcli merge` does.

    parts           files and folders of results of one model, in any order
    outputs         files and folders; the suffix sets the format
    renumber        the parts are of different inputs: their images are numbered in the order of the parts
    results_format  format of the parts; None: by their suffixes and first bytes
    images          folder or archive of the images, for results without sizes, such as YOLO labels
    ground_truth    COCO annotations whose image and category ids are used, and names and sizes where results lack them
    format          format of the one output; None: by its suffix
    header          JSON Lines: model, version and arguments in a first line, also if the results have none
    csv_safe        CSV: keep spreadsheets from running cells as formulas
    no_scores       YOLO: a dataset of boxes without scores
    rows            Parquet: one row for each of the "images" or "boxes"
    if_exists       "error", "overwrite" or "skip" outputs that exist
    observer        gets the events; `on_warning` says what cannot be checked
    stop            ends it between two images

    Returns the counts. Raises DetcliError for parts that do not belong together, overlap or have gaps, before anything is
    written.
    """
    arguments = {**locals(), "results": parts}
    from detcli.engine.results.results_request import ResultsRequest
    from detcli.engine.results.write_results import write_results

    request = ResultsRequest(input=_input(arguments), output=_outputs(arguments), renumber=renumber)
    return write_results(request, observer=observer, stop=stop)


def filter_results(
    results: "StrPath",
    outputs: "StrPath | Sequence[StrPath]",
    *,
    threshold: "Thresholds | None" = None,
    classes: "Sequence[str | int] | None" = None,
    min_area: float | None = None,
    max_area: float | None = None,
    region: tuple[float, float, float, float] | None = None,
    nms: "Nms | None" = None,
    nms_agnostic: bool = False,
    max_detections: int | None = None,
    only: Literal["with", "without"] | None = None,
    select: "SelectionLike | None" = None,
    results_format: str | None = None,
    images: "StrPath | None" = None,
    ground_truth: "StrPath | None" = None,
    format: str | None = None,  # noqa: A002 - the name of the option
    header: bool = False,
    csv_safe: bool = False,
    no_scores: bool = False,
    rows: "Rows" = "images",
    if_exists: "IfExists" = "error",
    observer: "Observer | None" = None,
    stop: "StopSignal | None" = None,
) -> "RunStats":
    """Keep only some detections or images of stored results, as `detcli filter` does.

    results         file or folder of results
    outputs         files and folders; the suffix sets the format
    threshold       keep scores strictly above it; None: all. Or a mapping of class names or indices to thresholds, with "*" for
                    all other classes
    classes         class names or indices to keep; None: all
    min_area        smallest area of a box in pixels; None: any
    max_area        largest area of a box in pixels; None: any
    region          left, top, right, bottom in pixels: keep boxes whose center is in it; None: all
    nms             of boxes of a class with a larger intersection over union, only the best is kept; None or "off": all
    nms_agnostic    only the best of boxes of different classes, too
    max_detections  only the best of each image; None: all
    only            "with" or "without": images with, or without, detections that are kept; None: all images
    select          "uncertain:100", "top:100" or "random:100": so many images, by the detections that are kept; None: all
    results_format  format of `results`; None: by its suffix and first bytes
    images          folder or archive of the images, for results without sizes, such as YOLO labels
    ground_truth    COCO annotations whose image and category ids are used, and names and sizes where results lack them
    format          format of the one output; None: by its suffix
    header          JSON Lines: model, version and arguments in a first line, also if the results have none
    csv_safe        CSV: keep spreadsheets from running cells as formulas
    no_scores       YOLO: a dataset of boxes without scores
    rows            Parquet: one row for each of the "images" or "boxes"
    if_exists       "error", "overwrite" or "skip" outputs that exist
    observer        gets the events
    stop            ends it between two images

    Returns the counts of what is kept. Raises DetcliError for results that are invalid or cannot be read, before anything is
    written.
    """
    arguments = locals()
    from detcli.engine.results.results_request import ResultsFilter, ResultsRequest
    from detcli.engine.results.write_results import write_results

    names = (
        "threshold",
        "classes",
        "min_area",
        "max_area",
        "region",
        "nms",
        "nms_agnostic",
        "max_detections",
        "only",
        "select",
    )
    keep = ResultsFilter(**{name: arguments[name] for name in names})
    request = ResultsRequest(input=_input(arguments), output=_outputs(arguments), keep=keep)
    return write_results(request, observer=observer, stop=stop)


def draw_results(
    results: "StrPath",
    save_images: "StrPath | None" = None,
    *,
    images: "StrPath | None" = None,
    save_crops: "StrPath | None" = None,
    results_format: str | None = None,
    ground_truth: "StrPath | None" = None,
    line_width: int | None = None,
    hide_labels: bool = False,
    hide_scores: bool = False,
    show_uncertainty: bool = False,
    font: "StrPath | None" = None,
    shard: "ShardLike | None" = None,
    if_exists: "IfExists" = "error",
    workers: int | None = None,
    strict: bool = False,
    max_failures: int | None = None,
    observer: "Observer | None" = None,
    stop: "StopSignal | None" = None,
) -> "RunStats":
    """Draw stored results on their images, as `detcli draw` does.

    results           file or folder of results
    save_images       folder for annotated images
    images            folder or archive of the images; None: where the results say they are
    save_crops        folder for crops of the detections
    results_format    format of `results`; None: by its suffix and first bytes
    ground_truth      COCO annotations with the names of the images, for COCO results
    line_width        in pixels; None: fitted to the image
    hide_labels       without class names and scores
    hide_scores       without scores
    show_uncertainty  a band along each edge, as wide as one standard deviation to both sides
    font              font file for class names
    shard             "2/8" or (2, 8): only the second of eight parts, every eighth image; `{shard}` in folders is the 2
    if_exists         "error", "overwrite" or "skip" outputs that exist
    workers           threads that read and write images; None: one per processor
    strict            raise TooManyFailuresError at the first image that cannot be drawn
    max_failures      raise it when more images cannot be drawn
    observer          gets the events; `on_result` gets a FailedFrame for an image that is missing or has another size
    stop              ends it between two images

    Returns the counts. Raises DetcliError for results that are invalid or cannot be read, before anything is written.
    """
    arguments = locals()
    from detcli.engine.requests.run_request import DrawingStyle, FailurePolicy, OutputSettings
    from detcli.engine.results.draw_results import draw_results as draw
    from detcli.engine.results.results_request import DrawRequest

    drawing = ("line_width", "hide_labels", "hide_scores", "font", "show_uncertainty")
    output = OutputSettings(
        **{name: arguments[name] for name in ("save_images", "save_crops", "if_exists")},
        drawing=DrawingStyle(**{name: arguments[name] for name in drawing}),
    )
    failures = FailurePolicy(strict=strict, max_failures=max_failures)
    request = DrawRequest(
        input=_input(arguments), output=output, failures=failures, workers=workers, shard=arguments["shard"]
    )
    return draw(request, observer=observer, stop=stop)


def report_results(
    results: "StrPath",
    output: "StrPath",
    *,
    images: "StrPath | None" = None,
    results_format: str | None = None,
    ground_truth: "StrPath | None" = None,
    score: float | None = None,
    thumbnail: int = 320,
    if_exists: "IfExists" = "error",
    workers: int | None = None,
    observer: "Observer | None" = None,
    stop: "StopSignal | None" = None,
) -> "RunStats":
    """Show stored results in an HTML gallery, as `detcli report` does.

    results         file or folder of results
    output          folder of the report; open its index.html
    images          folder of the images; None: where the results say they are
    results_format  format of `results`; None: by its suffix and first bytes
    ground_truth    COCO annotations: the results are evaluated, and the worst images come first
    score           with `ground_truth`: detections above it are shown, and count as errors; None: the threshold of the
                    results
    thumbnail       longer side of the images in pixels
    if_exists       "error", "overwrite" or "skip" a report that exists
    workers         threads that read images; None: one per processor
    observer        gets the events; `on_warning` names images that are missing or have another size
    stop            ends it between two images, and nothing is written

    Returns the counts; `failed` are images that cannot be shown. Raises DetcliError for results that are invalid or cannot
    be read or evaluated, before anything is written.
    """
    from pathlib import Path

    from detcli.argument_checks import check_path
    from detcli.engine.results.report.report_request import ReportRequest
    from detcli.engine.results.report.report_results import report_results as report

    request = ReportRequest(
        input=_input(locals()),
        output=Path(check_path("output", output)),
        score=score,
        thumbnail=thumbnail,
        if_exists=if_exists,
        workers=workers,
    )
    return report(request, observer=observer, stop=stop)


def _input(arguments: dict[str, Any]) -> "StoredInput":
    from detcli.engine.results.results_request import StoredInput

    names = ("results", "results_format", "images")
    return StoredInput(**{name: arguments[name] for name in names}, ground_truth=arguments.get("ground_truth"))


def _outputs(arguments: dict[str, Any]) -> "OutputSettings":
    from detcli.engine.requests.run_request import OutputSettings

    names = ("outputs", "format", "header", "csv_safe", "no_scores", "rows", "ground_truth", "if_exists")
    return OutputSettings(**{name: arguments[name] for name in names})
