"""`count_results`: counts in stored results, as on the command line."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from detcli.argument_checks import StrPath
    from detcli.counting.count_settings import Anchor, Regions
    from detcli.engine.observer import Observer
    from detcli.io.outputs import IfExists
    from detcli.pipeline.statistics import RunStats
    from detcli.structures.stop_signal import StopSignal


def count_results(
    results: "StrPath",
    counts: "StrPath | None" = None,
    *,
    events: "StrPath | None" = None,
    lines: "Regions | None" = None,
    zones: "Regions | None" = None,
    anchor: "Anchor" = "bottom-center",
    margin: float = 0.1,
    bin: float = 60.0,  # noqa: A002 - the name of the option
    results_format: str | None = None,
    images: "StrPath | None" = None,
    ground_truth: "StrPath | None" = None,
    csv_safe: bool = False,
    if_exists: "IfExists" = "error",
    observer: "Observer | None" = None,
    stop: "StopSignal | None" = None,
) -> "RunStats":
    """Count objects in stored results, and those that cross lines or visit zones, as `detcli count` does.

    results         file or folder of results; lines and events need those of a video with tracks
    counts          table of counts: .csv or .jsonl
    events          table of crossings and visits, one by one: .csv or .jsonl
    lines           names and two points (x, y) in pixels, or text such as "0,60%,100%,60%" in percent of the frame; from the right
                    of a line to its left, as seen from its first point, is "in"
    zones           zones, in the same way, with three corners or more
    anchor          the point of a box that counts: "bottom-center" or "center"
    margin          how far beyond a line or zone an object must get, as a share of the size of its box; against jitter
    bin             seconds of video that each row is about
    results_format  format of `results`; None: by its suffix and first bytes
    images          folder of the images, for results without sizes, such as YOLO labels
    ground_truth    COCO annotations with names and sizes of images where results lack them
    csv_safe        CSV: keep spreadsheets from running cells as formulas
    if_exists       "error", "overwrite" or "skip" tables that exist
    observer        gets the events; `on_counts` the totals of videos
    stop            ends it between two images

    Returns the counts of images and boxes. Raises DetcliError for results that are invalid, or lack what is to be counted, before
    anything is written.
    """
    arguments = locals()
    from detcli.api.common_settings import count_settings
    from detcli.engine.requests.run_request import OutputSettings
    from detcli.engine.results.count_results import CountRequest
    from detcli.engine.results.count_results import count_results as count
    from detcli.engine.results.results_request import StoredInput

    output = OutputSettings(**{name: arguments[name] for name in ("counts", "events", "csv_safe", "if_exists")})
    stored = StoredInput(**{name: arguments[name] for name in ("results", "results_format", "images", "ground_truth")})
    request = CountRequest(input=stored, counting=count_settings(arguments), output=output)
    return count(request, observer=observer, stop=stop)
