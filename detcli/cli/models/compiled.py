"""`detcli models compiled`: the networks that OpenVINO compiled, which are kept for later runs."""

import json
import sys
from datetime import datetime
from typing import TYPE_CHECKING

import click

from detcli.cli.framework.command import Command, UsageExample, pass_console
from detcli.cli.framework.console import Console, escape
from detcli.cli.framework.options import output_options
from detcli.cli.framework.options.help_sections import RUN
from detcli.cli.framework.options.option import Option
from detcli.cli.framework.text import counted, megabytes
from detcli.errors import UsageError

if TYPE_CHECKING:
    from detcli.engine.model_files.compiled_networks import CompiledCache, StoredNetwork


@click.command(
    cls=Command,
    examples=[
        UsageExample("folder, sizes and last use of the compiled networks", "detcli models compiled"),
        UsageExample("free the disk space; later runs compile again", "detcli models compiled --clear"),
        UsageExample("the folder, for a script", "detcli models compiled --json | jq -r .folder"),
    ],
)
@click.option("--clear", cls=Option, section=RUN, is_flag=True, help="Remove all of them.")
@output_options.as_json
@pass_console
def compiled(console: Console, *, clear: bool, as_json: bool) -> None:
    """List the networks that OpenVINO compiled, or remove them.

    They are kept so that later runs start fast: one file for each model, setting, version and CPU. The folder is
    ~/.cache/detcli/runtimes ($XDG_CACHE_HOME), or the one that DETCLI_RUNTIME_CACHE names; it is limited to 4 GiB, and
    the files that were not used for longest are removed first.
    """
    from detcli.engine.model_files.compiled_networks import MAX_TOTAL_BYTES, cache_of_environment

    cache = cache_of_environment()
    if clear:
        if as_json:
            raise UsageError("--json cannot be combined with --clear")
        _clear(console, cache)
        return
    stored = [] if cache is None else cache.stored()
    if as_json:
        entries = [{"name": one.name, "bytes": one.size, "used": _day(one)} for one in stored]
        document = {"folder": None if cache is None else str(cache.folder), "max_bytes": MAX_TOTAL_BYTES}
        click.echo(json.dumps({**document, "entries": entries}, indent=2))
        return
    width = max((len(one.name) for one in stored), default=0)
    for one in stored:
        click.echo(f"{escape(one.name).ljust(width)}  {megabytes(one.size).rjust(8)}  used {_day(one)}")
    if sys.stdout is not None:
        sys.stdout.flush()  # before the line on standard error
    console.say(summary(cache))


def summary(cache: "CompiledCache | None") -> str:
    """Where the networks are, how many, and how large."""
    from detcli.engine.model_files.compiled_networks import VARIABLE

    if cache is None:
        return f"compiled networks are not kept: {VARIABLE} is empty"
    stored = cache.stored()
    return f"{cache.folder}: {counted(len(stored), 'compiled network')}, {megabytes(sum(one.size for one in stored))}"


def _clear(console: Console, cache: "CompiledCache | None") -> None:
    removed = [] if cache is None else cache.clear()
    size = sum(one.size for one in removed)
    console.say(
        f"removed {counted(len(removed), 'compiled network')}: {megabytes(size)} freed",
        entries=len(removed),
        bytes=size,
    )


def _day(one: "StoredNetwork") -> str:
    return datetime.fromtimestamp(one.used).astimezone().date().isoformat()
