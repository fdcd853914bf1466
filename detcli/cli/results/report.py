"""`detcli report`: stored results as a gallery of HTML pages."""

from pathlib import Path
from typing import Any

import click

from detcli.cli.evaluate import evaluate_options
from detcli.cli.framework.command import Command, UsageExample, pass_console
from detcli.cli.framework.console import Console
from detcli.cli.framework.options import output_options, run_options, speed_options
from detcli.cli.framework.options.help_sections import INPUT, option
from detcli.cli.results import results_options


@click.command(
    cls=Command,
    examples=[
        UsageExample("a gallery of the results", "detcli report out.jsonl -o report/"),
        UsageExample(
            "with metrics and the worst images first",
            "detcli report out.json --gt annotations.json --images photos/ -o report/",
        ),
        UsageExample("larger images", "detcli report out.jsonl --images photos/ --thumbnail 800 -o report/"),
    ],
)
@results_options.results_argument
@results_options.reading
@option(
    "--gt",
    section=INPUT,
    type=click.Path(path_type=Path),
    metavar="DATA",
    help="COCO annotations or any dataset: evaluate the results, and show the worst images first.",
)
@evaluate_options.score_option(INPUT)
@output_options.output_option(folder=True, required=True, metavar="DIR", description="Folder of the report.")
@results_options.thumbnail
@output_options.replacing
@speed_options.workers
@run_options.progress
@pass_console
def report(console: Console, /, results: Path, **given: Any) -> int:
    """Show results in an HTML gallery.

    RESULTS are a file or folder of results. Open index.html of the report in a browser: images with their boxes, sorted and
    filtered by class, score, size and failures, histograms, and with --gt metrics, curves and the worst images. The folder
    can be moved and copied; it needs no server and no network. Images are found in --images by their names, or where the
    results say they are. An image that is missing, or has another size than in the results, is named, and shown without pixels.
    """
    from detcli.cli.results.results_view import run_report
    from detcli.engine.results.report.report_request import ReportRequest

    request = ReportRequest(
        input=results_options.stored_input(given, results),
        output=given["output"],
        score=given["score"],
        thumbnail=given["thumbnail"],
        if_exists="overwrite" if given["yes"] else given["if_exists"],
        workers=given["workers"],
        protected=() if console.config is None else (console.config,),
    )
    return run_report(console, request)
