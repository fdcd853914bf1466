"""Options of the section "Run", and progress: dry runs, and runs with failures."""

import click

from detcli.cli.framework.console import Console
from detcli.cli.framework.help_page import GLOBAL_OPTIONS
from detcli.cli.framework.option_types import PositiveIntType
from detcli.cli.framework.options.help_sections import RUN, group_of, option
from detcli.cli.framework.options.option import Decorator


def dry_run_option(*, description: str) -> Decorator:
    """Return --dry-run; `description` is its help text."""
    return option("-n", "--dry-run", section=RUN, is_flag=True, help=description)


dry_run = dry_run_option(description="List the inputs, and show what would be done and how long it takes.")
failures = group_of(
    option("--strict", section=RUN, is_flag=True, help="Stop at the first input that fails; exit code 3."),
    option(
        "--max-failures",
        section=RUN,
        type=PositiveIntType(min=0),
        metavar="N",
        help="Stop when more than N inputs failed.",
    ),
)


def _set_progress(ctx: click.Context, param: click.Parameter, value: bool | None) -> None:
    if value is not None:
        ctx.ensure_object(Console).progress = value


progress = option(
    "--progress/--no-progress",
    section=GLOBAL_OPTIONS,
    default=None,
    expose_value=False,
    callback=_set_progress,
    standard="on a terminal",
    help="Show progress.",
)
