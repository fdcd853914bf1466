"""`detcli data view`: a dataset as a gallery of HTML pages."""

from pathlib import Path
from typing import Any

import click

from detcli.cli.data import data_options
from detcli.cli.framework.command import Command, UsageExample, pass_console
from detcli.cli.framework.console import Console
from detcli.cli.framework.options import output_options, run_options, speed_options
from detcli.cli.results import results_options


@click.command(
    cls=Command,
    examples=[
        UsageExample("a gallery of a dataset", "detcli data view dataset/ -o gallery/"),
        UsageExample(
            "only its validation part, with larger images", "detcli data view d/ --part val --thumbnail 800 -o val/"
        ),
    ],
)
@data_options.dataset
@output_options.output_option(folder=True, required=True, metavar="DIR", description="Folder of the gallery.")
@results_options.thumbnail
@output_options.replacing
@speed_options.workers
@run_options.progress
@pass_console
def view(console: Console, /, output: Path, **given: Any) -> int:
    """Show a dataset in an HTML gallery.

    DATA is a dataset as 'detcli train' takes it. Open index.html of the folder in a browser: images with their ground truth,
    boxes and masks, sorted and filtered by class, number of boxes and size, and histograms. The page is that of 'detcli
    report': the folder can be moved and copied, and needs no server and no network. An image that is missing, or has another
    size than its annotations say, is named, and shown without pixels.
    """
    from detcli.cli.data.gallery_view import run_gallery
    from detcli.engine.data.data_request import DataRequest
    from detcli.engine.data.gallery.view_request import ViewRequest

    request = ViewRequest(
        data=DataRequest(**data_options.dataset_fields(given), workers=given["workers"]),
        output=output,
        thumbnail=given["thumbnail"],
        if_exists="overwrite" if given["yes"] else given["if_exists"],
        protected=() if console.config is None else (str(console.config),),
    )
    return run_gallery(console, request)
