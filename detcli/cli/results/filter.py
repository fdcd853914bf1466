"""`detcli filter`: which detections and images of stored results are kept."""

from pathlib import Path
from typing import Any

import click

from detcli.cli.detect import filter_options
from detcli.cli.framework.command import Command, UsageExample, pass_console
from detcli.cli.framework.console import Console
from detcli.cli.framework.option_types import PositiveFloatType, PositiveIntType, WordType
from detcli.cli.framework.options import output_options, run_options
from detcli.cli.framework.options.help_sections import DETECTION, option
from detcli.cli.results import results_options


@click.command(
    "filter",
    cls=Command,
    examples=[
        UsageExample(
            "a higher threshold, and a higher one for people", "detcli filter out.jsonl -t 0.5,person=0.7 -o best.jsonl"
        ),
        UsageExample("images with dogs", "detcli filter out.json --classes dog --only with -o dogs.json"),
        UsageExample(
            "the three best of each image that do not overlap",
            "detcli filter out.jsonl --nms 0.5 --max-det 3 -o few.jsonl",
        ),
        UsageExample(
            "the 100 images whose detections are the least certain, to label",
            "detcli filter out.jsonl --select uncertain:100 -f label-studio -o tasks.json",
        ),
        UsageExample(
            "small boxes in the left part of the images", "detcli filter out.csv --max-area 1024 --region 0,0,320,480"
        ),
    ],
)
@results_options.results_argument
@results_options.reading
@filter_options.threshold_option(standard="every score", description="Minimum score.")
@filter_options.classes
@option("--min-area", section=DETECTION, type=PositiveFloatType(), metavar="PIXELS", help="Smallest area of a box.")
@option("--max-area", section=DETECTION, type=PositiveFloatType(), metavar="PIXELS", help="Largest area of a box.")
@option(
    "--region",
    section=DETECTION,
    type=results_options.RegionType(),
    metavar="L,T,R,B",
    help="Boxes whose center is in this region: left, top, right, bottom in pixels.",
)
@filter_options.nms_option(standard="off")
@filter_options.nms_agnostic
@option(
    "--max-det",
    section=DETECTION,
    type=PositiveIntType(1, 100_000),
    metavar="N",
    standard="all",
    help="Maximum detections per image.",
)
@option(
    "--only",
    section=DETECTION,
    type=WordType(["with", "without"], meant={"yes": "with", "nonempty": "with", "no": "without", "empty": "without"}),
    metavar="WHAT",
    standard="all images",
    help="Images: only those with, or without, detections that are kept.",
)
@results_options.writing
@output_options.select
@run_options.progress
@pass_console
def filter_command(console: Console, /, results: Path, **given: Any) -> int:
    """Keep only some detections or images of results.

    RESULTS are a file or folder of results. Filters are applied in this order: threshold, classes, area and region, overlaps
    (--nms), the best, images (--only, --select). Indices and ids of images stay. No model is loaded.
    """
    from detcli.cli.results.results_view import run_results
    from detcli.engine.results.results_request import ResultsFilter, ResultsRequest

    names = ("threshold", "classes", "min_area", "max_area", "region", "nms", "nms_agnostic", "only", "select")
    request = ResultsRequest(
        input=results_options.stored_input(given, results),
        output=results_options.result_outputs(console, given),
        keep=ResultsFilter(**{name: given[name] for name in names}, max_detections=given["max_det"]),
    )
    return run_results(console, request)
