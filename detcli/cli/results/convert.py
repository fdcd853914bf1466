"""`detcli convert`: stored results in another format."""

from pathlib import Path
from typing import Any

import click

from detcli.cli.framework.command import Command, UsageExample, pass_console
from detcli.cli.framework.console import Console
from detcli.cli.framework.options import run_options
from detcli.cli.results import results_options


@click.command(
    cls=Command,
    examples=[
        UsageExample("JSON Lines to COCO", "detcli convert out.jsonl -o out.json"),
        UsageExample("two formats at once", "detcli convert out.jsonl -o out.csv -o labels/"),
        UsageExample("YOLO labels to COCO, with the images", "detcli convert labels/ --images photos/ -o out.json"),
        UsageExample("results in a table", "detcli convert out.json -f table"),
    ],
)
@results_options.results_argument
@results_options.reading
@results_options.writing
@run_options.progress
@pass_console
def convert(console: Console, /, results: Path, **given: Any) -> int:
    """Convert results to another format.

    RESULTS are a file or folder that 'detcli detect', 'segment' or 'video' wrote, in any format that can be read. No model is
    loaded. What the new format cannot hold is said. Checkpoints are converted by 'detcli models convert'.
    """
    from detcli.cli.results.results_view import run_results
    from detcli.engine.results.results_request import ResultsRequest

    request = ResultsRequest(
        input=results_options.stored_input(given, results), output=results_options.result_outputs(console, given)
    )
    return run_results(console, request)
