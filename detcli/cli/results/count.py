"""`detcli count`: counts in stored results."""

from pathlib import Path
from typing import Any

import click

from detcli.cli.detect.video import counting_options
from detcli.cli.framework.command import Command, UsageExample, pass_console
from detcli.cli.framework.console import Console
from detcli.cli.framework.options import output_options, run_options
from detcli.cli.results import results_options


@click.command(
    cls=Command,
    examples=[
        UsageExample("the number of objects per image and class", "detcli count out.jsonl --counts counts.csv"),
        UsageExample("objects in a part of each image", "detcli count out.json --zone left=0,0,50%,0,50%,100%,0,100%"),
        UsageExample(
            "crossings of a line, from the results of 'detcli video --track'",
            "detcli count tracks.jsonl --line gate=0,60%,100%,60% --counts counts.csv --events events.csv",
        ),
    ],
)
@results_options.results_argument
@results_options.reading
@results_options.names_of_images
@counting_options.of_videos
@output_options.csv_safe
@output_options.replacing
@run_options.progress
@pass_console
def count(console: Console, /, results: Path, **given: Any) -> int:
    """Count objects in results, and those that cross lines or visit zones.

    RESULTS are a file or folder of results. Of images, the objects of each image are counted, by zone and class; of videos, those of
    each minute (--bin). Lines, visits and events need results with track ids. Without --counts and --events, the counts go to
    standard output, as CSV. No model is loaded.
    """
    from detcli.cli.results.count_view import run_count
    from detcli.engine.requests.run_request import OutputSettings
    from detcli.engine.results.count_results import CountRequest

    output = OutputSettings(
        counts=given["counts"],
        events=given["events"],
        csv_safe=given["csv_safe"],
        if_exists="overwrite" if given["yes"] else given["if_exists"],
        protected=() if console.config is None else (console.config,),
    )
    request = CountRequest(
        input=results_options.stored_input(given, results),
        counting=counting_options.count_settings(given),
        output=output,
    )
    return run_count(console, request)
