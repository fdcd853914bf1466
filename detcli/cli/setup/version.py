"""`detcli version`: the version of detcli."""

import click

from detcli.cli.framework.command import Command, UsageExample
from detcli.version import __version__


@click.command(cls=Command, examples=[UsageExample("for a bug report", "detcli version && detcli doctor")])
def version() -> None:
    """Show the version.

    The same as --version and -V.
    """
    click.echo(f"detcli {__version__}")
