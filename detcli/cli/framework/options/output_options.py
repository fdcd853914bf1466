"""Options of the section "Results": outputs, their formats, and what happens to those that exist."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import click

from detcli.cli.framework.option_types import FILE, NEW_FOLDER, FormatType, WordType
from detcli.cli.framework.options.help_sections import OUTPUT, group_of, option
from detcli.cli.framework.options.option import Decorator
from detcli.io.results.formats import suffixes_of, writable_formats


def output_option(
    *, metavar: str, description: str, folder: bool = False, required: bool = False, default: str | None = None
) -> Decorator:
    """Return --output of a command with one output, a file or a folder."""
    given: dict[str, Any] = {} if default is None else {"default": default}  # click takes an explicit None for a value
    return option(
        "-o",
        "--output",
        section=OUTPUT,
        required=required,
        standard=default,
        type=NEW_FOLDER if folder else None,
        metavar=metavar,
        help=description,
        **given,
    )


def format_option(names: Sequence[str], *, standard: str) -> Decorator:
    """Return --format of a command that prints a report, in one of a few fixed formats."""
    return option(
        "-f",
        "--format",
        "format_name",
        section=OUTPUT,
        type=click.Choice(names),
        metavar="NAME",
        standard=standard,
        help=f"Output format: {' or '.join(names)}.",
    )


def as_json_option(*, section: str = "Output") -> Decorator:
    """Return --json of a command that prints a table."""
    return option("--json", "as_json", section=section, is_flag=True, help="Print JSON.")


as_json = as_json_option()
replacing = group_of(
    option(
        "--if-exists",
        section=OUTPUT,
        type=WordType(["error", "overwrite", "skip"], meant={"replace": "overwrite", "fail": "error"}),
        metavar="WHAT",
        default="error",
        standard="error",
        help="If an output exists: error, overwrite or skip.",
    ),
    option("-y", "--yes", section=OUTPUT, is_flag=True, help="The same as --if-exists overwrite."),
)
resuming = group_of(
    option("--resume", section=OUTPUT, is_flag=True, help="Resume an interrupted run."),
    replacing,
)


csv_safe = option(
    "--csv-safe", section=OUTPUT, is_flag=True, help="CSV: prevent spreadsheets from running cells as formulas."
)
no_scores = option(
    "--no-scores",
    section=OUTPUT,
    is_flag=True,
    help="YOLO: a dataset without scores (data.yaml, images, labels) for labeling tools and training. VOC: no scores.",
)
rows = option(
    "--rows",
    section=OUTPUT,
    type=WordType(["images", "boxes"], meant={"image": "images", "box": "boxes", "detections": "boxes"}),
    metavar="WHAT",
    default="images",
    standard="images",
    help="Parquet: one row for each of the images or boxes.",
)
select = option(
    "--select",
    section=OUTPUT,
    metavar="RULE:N",
    standard="all images",
    help="Write results of only N images: uncertain:N (to label first), top:N (highest scores) or random:N[:SEED].",
)


def outputs(
    formats: Callable[[], tuple[str, ...]], standard: str = "a table on a terminal, JSON Lines in a pipe"
) -> Decorator:
    """The options for output files and their format. Arguments as of `results_as`."""
    return group_of(
        option(
            "-o",
            "--output",
            "outputs",
            section=OUTPUT,
            multiple=True,
            metavar="PATH",
            standard=standard,
            late_help=lambda: f"Output: {suffixes_of(formats())} or '-' (standard output); repeatable.",
        ),
        option(
            "-f",
            "--format",
            "format_name",
            section=OUTPUT,
            type=FormatType(lambda: (*formats(), "table")),
            metavar="NAME",
            late_help=lambda: f"Output format: {', '.join(formats())} or table.",
        ),
        option(
            "--header",
            section=OUTPUT,
            is_flag=True,
            help="JSON Lines: write model, version and arguments in the first line.",
        ),
    )


def results_as(
    formats: Callable[[], tuple[str, ...]],
    *,
    boxes: bool = True,
    standard: str = "a table on a terminal, JSON Lines in a pipe",
) -> Decorator:
    """Options for the outputs of a command.

    formats   returns the names of the formats that the command can write
    boxes     they hold boxes without masks
    standard  describes the default output
    """
    return group_of(
        outputs(formats, standard),
        csv_safe,
        *([no_scores] if boxes else []),
        rows,
        option(
            "--gt",
            section=OUTPUT,
            type=FILE,
            metavar="FILE",
            help="COCO annotations that define image and category ids.",
        ),
        resuming,
    )


BOX_FORMATS = partial(writable_formats, boxes=True)
results = results_as(BOX_FORMATS)
