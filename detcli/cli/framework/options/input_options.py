"""Options of the section "Input": what is read, and which part of it."""

import click

from detcli.cli.framework.option_types import CommaSeparatedType, PositiveIntType, ShardType
from detcli.cli.framework.options.help_sections import INPUT, group_of, option
from detcli.cli.framework.options.option import Decorator

sources = click.argument("sources", nargs=-1, metavar="[SOURCES]...")
max_pixels = option(
    "--max-pixels",
    section=INPUT,
    type=PositiveIntType(min=1),
    metavar="N",
    standard="250 million",
    help="Reject images with more pixels.",
)
shard = option(
    "--shard",
    section=INPUT,
    type=ShardType(),
    metavar="I/N",
    standard="all",
    help="Process only part I of N (2/8: the second of eight): every Nth image or video. '{shard}' in outputs is I.",
)
inputs = group_of(
    option("--no-recursive", section=INPUT, is_flag=True, help="Do not recurse into subfolders."),
    option(
        "--ext",
        section=INPUT,
        type=CommaSeparatedType(),
        metavar="LIST",
        help="File suffixes to read in folders and archives, such as jpg,png.",
    ),
    option(
        "--exclude",
        section=INPUT,
        multiple=True,
        metavar="GLOB",
        help="Skip names or paths that match GLOB; repeatable.",
    ),
    option("--files-from", section=INPUT, metavar="FILE", help="Read paths from a file; '-' is standard input."),
    option(
        "-0",
        "--null",
        "null_separated",
        section=INPUT,
        is_flag=True,
        help="Paths in --files-from end with NUL, not with a newline.",
    ),
    option("--limit", section=INPUT, type=PositiveIntType(min=1), metavar="N", help="Process only the first N images."),
    shard,
    option(
        "--watch",
        section=INPUT,
        is_flag=True,
        help="Watch the folders: also process images that arrive later, until Ctrl-C. Needs watchfiles.",
    ),
    option(
        "--new-only", section=INPUT, is_flag=True, help="With --watch, skip the images that are there at the start."
    ),
    max_pixels,
)


def data_option(*, description: str, required: bool = False, multiple: bool = False) -> Decorator:
    """Return --data: a dataset in any layout that can be read, or several."""
    return option(
        "--data",
        section=INPUT,
        required=required,
        multiple=multiple,
        type=click.Path(),
        metavar="DATA",
        help=description,
    )
