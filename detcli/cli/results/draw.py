"""`detcli draw`: stored results on their images."""

from pathlib import Path
from typing import Any

import click

from detcli.cli.framework.command import Command, UsageExample, pass_console
from detcli.cli.framework.console import Console
from detcli.cli.framework.options import drawing_options, input_options, output_options, run_options, speed_options
from detcli.cli.results import results_options


@click.command(
    cls=Command,
    examples=[
        UsageExample("annotated images", "detcli draw out.json --images photos/ --save-images annotated/"),
        UsageExample("images where JSON Lines name them", "detcli draw out.jsonl --save-images annotated/"),
        UsageExample(
            "only boxes, thick lines", "detcli draw out.jsonl --save-images annotated/ --hide-labels --line-width 6"
        ),
    ],
)
@results_options.results_argument
@results_options.reading
@results_options.names_of_images
@input_options.shard
@drawing_options.drawing
@drawing_options.show_uncertainty
@speed_options.workers
@output_options.replacing
@run_options.failures
@run_options.progress
@pass_console
def draw(console: Console, /, results: Path, **given: Any) -> int:
    """Draw results on their images.

    RESULTS are a file or folder of results. Images are found in --images by their names, or where the results say they are. An
    image that is missing, or has another size than in the results, is named, and the others are drawn. No model is loaded.
    """
    from detcli.cli.results.results_view import run_draw
    from detcli.engine.requests.run_request import DrawingStyle, FailurePolicy, OutputSettings
    from detcli.engine.results.results_request import DrawRequest

    drawing = ("line_width", "hide_labels", "hide_scores", "font", "show_uncertainty")
    output = OutputSettings(
        save_images=given["save_images"],
        save_crops=given["save_crops"],
        if_exists="overwrite" if given["yes"] else given["if_exists"],
        drawing=DrawingStyle(**{name: given[name] for name in drawing}),
        protected=() if console.config is None else (console.config,),
    )
    request = DrawRequest(
        input=results_options.stored_input(given, results),
        output=output,
        failures=FailurePolicy(strict=given["strict"], max_failures=given["max_failures"]),
        workers=given["workers"],
        shard=given["shard"],
    )
    return run_draw(console, request)
