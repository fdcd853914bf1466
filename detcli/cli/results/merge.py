"""`detcli merge`: the parts of a run as one."""

from pathlib import Path
from typing import Any

import click

from detcli.cli.framework.command import Command, UsageExample, pass_console
from detcli.cli.framework.console import Console
from detcli.cli.framework.options import run_options
from detcli.cli.framework.options.help_sections import INPUT, option
from detcli.cli.results import results_options


@click.command(
    cls=Command,
    examples=[
        UsageExample("parts of one input", "detcli merge part-*.jsonl -o out.jsonl"),
        UsageExample(
            "results of different folders, one after the other", "detcli merge a.jsonl b.jsonl --renumber -o out.json"
        ),
    ],
)
@click.argument("parts", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="PARTS...")
@results_options.reading
@option(
    "--renumber",
    section=INPUT,
    is_flag=True,
    help="The parts are of different inputs: number their images in the order of the parts.",
)
@results_options.writing
@run_options.progress
@pass_console
def merge(console: Console, /, parts: tuple[Path, ...], **given: Any) -> int:
    """Merge the results of several runs into those of one run.

    PARTS are results of one model with the same arguments, in any order and format. Images come in the order of the input,
    by the index that each has. Parts of other models or inputs, images that are in two parts, and images that are in none are
    refused.
    """
    from detcli.cli.results.results_view import run_results
    from detcli.engine.results.results_request import ResultsRequest

    request = ResultsRequest(
        input=results_options.stored_input(given, *parts),
        output=results_options.result_outputs(console, given),
        renumber=given["renumber"],
    )
    return run_results(console, request)
