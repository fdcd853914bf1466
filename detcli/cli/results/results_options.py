"""The options of the commands on stored results, and the records they make."""

from pathlib import Path
from typing import Any

import click

from detcli.cli.framework.console import Console
from detcli.cli.framework.option_types import FILE, FormatType, PositiveIntType
from detcli.cli.framework.options import output_options
from detcli.cli.framework.options.help_sections import INPUT, OUTPUT, group_of, option
from detcli.engine.requests.run_request import OutputSettings
from detcli.engine.results.results_request import StoredInput
from detcli.io.results.formats import readable_formats, writable_formats

results_argument = click.argument("results", type=click.Path(path_type=Path))
results_format = option(
    "--results-format",
    section=INPUT,
    type=FormatType(readable_formats),
    metavar="NAME",
    standard="by suffix and first bytes",
    late_help=lambda: f"Format of RESULTS: {', '.join(readable_formats())}.",
)
images = option(
    "--images",
    section=INPUT,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder or archive of the images: for YOLO labels and other results without sizes.",
)
names_of_images = option(
    "--gt",
    section=INPUT,
    type=FILE,
    metavar="FILE",
    help="COCO annotations with the names of the images, for COCO results.",
)
thumbnail = option(
    "--thumbnail",
    section=OUTPUT,
    type=PositiveIntType(32, 4096),
    metavar="PIXELS",
    default=320,
    standard="320",
    help="Longer side of the images in the report.",
)
reading = group_of(results_format, images)
writing = group_of(
    output_options.outputs(writable_formats),
    output_options.csv_safe,
    output_options.no_scores,
    output_options.rows,
    option(
        "--gt",
        section=OUTPUT,
        type=FILE,
        metavar="FILE",
        help="COCO annotations that define image and category ids, and names and sizes of images.",
    ),
    output_options.replacing,
)


class RegionType(click.ParamType):  # type: ignore[type-arg]  # generic in newer clicks only
    """Left, top, right, bottom in pixels, separated by commas; a list in a settings file."""

    name = "region"
    takes_list = True

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, float, float, float]:
        """Read the numbers, or fail."""
        parts = value.split(",") if isinstance(value, str) else list(value)
        try:
            left, top, right, bottom = (float(part) for part in parts)
        except (TypeError, ValueError):
            self.fail(f"{str(value)[:40]!r} is not a region: use left,top,right,bottom in pixels", param, ctx)
        return left, top, right, bottom


def stored_input(given: dict[str, Any], *paths: Path) -> StoredInput:
    """The results that are read."""
    return StoredInput(
        results=tuple(str(path) for path in paths),
        results_format=given["results_format"],
        images=given["images"],
        ground_truth=given.get("gt"),
    )


def result_outputs(console: Console, given: dict[str, Any]) -> OutputSettings:
    """Where results are written."""
    return OutputSettings(
        outputs=given["outputs"],
        format=given["format_name"],
        header=given["header"],
        csv_safe=given["csv_safe"],
        no_scores=given["no_scores"],
        rows=given["rows"],
        ground_truth=given["gt"],
        if_exists="overwrite" if given["yes"] else given["if_exists"],
        protected=() if console.config is None else (console.config,),
    )
