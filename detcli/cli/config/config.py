"""`detcli config`: the settings of every command, and where they come from."""

import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict

import click
from click.core import ParameterSource

from detcli.cli.framework.command import Group, UsageExample, pass_console
from detcli.cli.framework.console import Console, escape, is_terminal
from detcli.cli.framework.options import output_options
from detcli.cli.framework.text import suggestion, wrapped


@click.group(
    cls=Group,
    no_args_is_help=True,
    examples=[
        UsageExample("every setting of a command and its origin", "detcli config show detect"),
        UsageExample("edit your own settings", '${EDITOR:-vi} "$(detcli config path)"'),
    ],
)
def config() -> None:
    """Show settings and where they come from."""


@config.command(
    shows_settings=True,
    examples=[
        UsageExample("all commands", "detcli config show"),
        UsageExample("one command", "detcli config show detect"),
        UsageExample(
            "what differs from the defaults",
            "detcli config show --json | jq '.commands[] | map_values(select(.origin != \"default\"))'",
        ),
    ],
)
@click.argument("names", nargs=-1, metavar="[COMMAND]...")
@output_options.as_json
@pass_console
@click.pass_context
def show(ctx: click.Context, console: Console, /, names: tuple[str, ...], *, as_json: bool) -> None:
    """Show every setting of a command, or of all commands, and its origin.

    An option on the command line has priority over all of them. Then follow the environment variable, the file of
    --config, ./detcli.toml, the user's file, the catalog of models, and the default. A value that is not set is '-'.
    Below the values of a command is what ./detcli.toml sets and may not: no command follows it.
    """
    from detcli.cli.config.effective_values import effective_values, leaf_contexts
    from detcli.cli.framework.settings import LOCAL_FILE, settings_files

    contexts = {" ".join(words): leaf for words, leaf in leaf_contexts(ctx.find_root())}
    wanted = " ".join(names)
    chosen = [name for name in contexts if not wanted or name == wanted or name.startswith(f"{wanted} ")]
    if not chosen:
        raise click.UsageError(f"unknown command '{wanted}'" + suggestion(wanted, list(contexts)), ctx)
    found = {name: effective_values(contexts[name], _config_of(contexts[name], ctx, console)) for name in chosen}
    files = [(file, file.path.is_file()) for file in reversed(settings_files(console.config))]
    if as_json:
        document = {
            "files": [{"origin": file.kind, "path": str(file.path), "exists": exists} for file, exists in files],
            "commands": {
                name: {value.key: _record(asdict(value)) for value in of_command}
                for name, (of_command, _) in found.items()
            },
            "refused": [
                {"command": name, "key": one.key, "value": one.value, "source": LOCAL_FILE, "reason": one.reason}
                for name, (_, refused) in found.items()
                for one in refused
            ],
        }
        click.echo(json.dumps(document, indent=2, default=str))  # dates of TOML
        return
    width = console.width(sys.stdout) if is_terminal(sys.stdout) else 10_000
    for file, exists in files:
        line = f"# {_FILES[file.kind]} {escape(str(file.path))}{'' if exists else ' (does not exist)'}"
        for part in wrapped(line, width, indent="#   "):
            click.echo(part)
    for name, (of_command, refused) in found.items():
        click.echo(f"\n[{name.replace(' ', '.')}]")
        rows = [
            (value.key, _shown(value.value, value.description), _origin(value.kind, value.source))
            for value in of_command
        ]
        for line in _aligned(rows, width):
            click.echo(line)
        for one in refused:
            shown = f"# refused: {one.key} = {json.dumps(one.value, default=str)} of {LOCAL_FILE}: {one.reason}"
            for part in wrapped(escape(shown), width, indent="#   "):
                click.echo(part)


@config.command(
    shows_settings=True, examples=[UsageExample("edit your own settings", '${EDITOR:-vi} "$(detcli config path)"')]
)
def path() -> None:
    """Print the path of the user's settings file, whether or not it exists."""
    from detcli.cli.framework.settings import user_file

    click.echo(os.fsencode(user_file()))


def _config_of(leaf: click.Context, ctx: click.Context, console: Console) -> str | None:
    """The settings file of a command: `--config`, else its own environment variable, else that of all commands."""
    typed = (one for one in (ctx, ctx.find_root()) if one.get_parameter_source("config") is ParameterSource.COMMANDLINE)
    if next(typed, None) is not None:
        return console.config
    return os.environ.get(f"{leaf.auto_envvar_prefix}_CONFIG") or console.config


_FILES = {"config": "--config", "folder": "this folder", "user": "user"}
_ORIGINS = {"config": "--config", "folder": "this folder", "user": "user settings", "default": "default"}


def _record(value: dict[str, object]) -> dict[str, object]:
    """A value in the JSON document."""
    return {"value": value["value"], "origin": value["kind"], "source": value["source"]}


def _shown(value: object, description: str | None) -> str:
    if value is None:
        return description or "-"
    if isinstance(value, list):
        return escape(", ".join(map(str, value))) or "-"
    if isinstance(value, dict):  # thresholds of classes, as they are typed
        return escape(",".join(f"{value:g}" if name == "*" else f"{name}={value:g}" for name, value in value.items()))
    return str(value).lower() if isinstance(value, bool) else escape(str(value))


def _origin(kind: str, source: str | None) -> str:
    if kind in ("environment", "catalog", "model"):
        return f"{kind} {escape(source or '')}"
    return _ORIGINS[kind] if source is None else f"{_ORIGINS[kind]} {escape(source)}"


def _aligned(rows: Sequence[tuple[str, str, str]], width: int) -> Iterator[str]:
    """Rows in three columns; on a narrow terminal, what does not fit is below its key."""
    keys = max(len(key) for key, _, _ in rows)
    values = min(max(len(value) for _, value, _ in rows), 40)
    for key, value, origin in rows:
        row = f"{key:<{keys}}  {value:<{values}}  {origin}"
        if len(row) <= width:
            yield row
            continue
        yield key
        yield from wrapped(f"    {value}", width, indent="    ")
        yield from wrapped(f"    {origin}", width, indent="    ")
