"""The command tree as plain data, the source of manual pages and completion scripts."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

import click

from detcli.checkpoints.catalog import CATALOG
from detcli.cli.framework.command import Command, Context, Group, UsageExample, option_sections
from detcli.cli.framework.options.option import Option

Kind = Literal["nothing", "words", "files", "folders", "models"]

_MODEL_NAMES = ("model", "models", "name", "names")
_DEVICES = ("auto", "cpu", "cuda", "mps")


@dataclass(frozen=True, slots=True)
class ValueChoices:
    """Values of an option or argument: fixed words, a file, a folder, a model name, or anything."""

    kind: Kind
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FlagInfo:
    """An option.

    names     as it is shown; aliases come last
    metavars  one a value; none for a switch
    standard  its default as people say it, or None
    repeats   it may be given more than once
    """

    section: str
    names: tuple[str, ...]
    term: str
    metavars: tuple[str, ...]
    help: str
    standard: str | None
    values: ValueChoices
    repeats: bool


@dataclass(frozen=True, slots=True)
class CommandNode:
    """A command: its path of names, help, options, arguments and subcommands."""

    path: tuple[str, ...]
    summary: str
    help: str
    usage: str
    flags: tuple[FlagInfo, ...]
    places: tuple[ValueChoices, ...]
    examples: tuple[UsageExample, ...]
    children: tuple["CommandNode", ...] = ()
    aliases: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The last word of the path."""
        return self.path[-1]

    def walk(self) -> Iterator["CommandNode"]:
        """Iterate over the command and all its subcommands."""
        yield self
        for child in self.children:
            yield from child.walk()


def read_tree(command: click.Command, name: str, parent: click.Context | None = None) -> CommandNode:
    """The tree of a command; imports all its subcommands."""
    ctx = Context(command, info_name=name, parent=parent, **command.context_settings)
    children = []
    aliases: dict[str, list[str]] = {}
    if isinstance(command, Group):
        for alias, meant in command.aliases.items():
            aliases.setdefault(meant, []).append(alias)
        for child_name in command.list_commands(ctx):
            child = command.get_command(ctx, child_name)
            assert child is not None  # noqa: S101 - it is listed
            branch = read_tree(child, child_name, ctx)
            children.append(replace(branch, aliases=tuple(aliases.get(child_name, ()))))
    flags = tuple(
        _flag(section, option, ctx)
        for section, options in option_sections(command, ctx).items()
        for option in options
        if isinstance(option, click.Option)
    )
    return CommandNode(
        path=tuple(ctx.command_path.split()),
        summary=command.get_short_help_str(limit=200),
        help=command.help or "",
        usage=" ".join(command.collect_usage_pieces(ctx)),
        flags=flags,
        places=tuple(_place(argument) for argument in command.params if isinstance(argument, click.Argument)),
        examples=command.examples if isinstance(command, Command) else (),
        children=tuple(children),
    )


def _flag(section: str, option: click.Option, ctx: click.Context) -> FlagInfo:
    record = option.get_help_record(ctx)
    takes = not (option.is_flag or option.count)
    metavar = option.make_metavar(ctx) if takes else ""
    help_text = option.help or ""
    return FlagInfo(
        section=section,
        names=(*option.opts, *option.secondary_opts),
        term=record[0].strip() if record else "",
        metavars=tuple(metavar.split()) if option.nargs > 1 else (metavar,) if takes else (),
        help=help_text,
        standard=option.standard if isinstance(option, Option) else None,
        values=_values(option) if takes else ValueChoices("nothing"),
        repeats=option.multiple,
    )


def _values(option: click.Option) -> ValueChoices:
    if isinstance(option.type, click.Choice):
        return ValueChoices("words", tuple(str(choice) for choice in option.type.choices))
    if option.name in ("model", "teacher"):
        return ValueChoices("models", tuple(CATALOG))
    if option.name == "device":
        return ValueChoices("words", _DEVICES)
    if option.name == "batch":
        return ValueChoices("words", ("auto", "1", "2", "4", "8", "16", "32"))
    if option.metavar == "DIR":
        return ValueChoices("folders")
    if option.metavar in ("FILE", "PATH") or isinstance(option.type, click.Path):
        return ValueChoices("files")
    return ValueChoices("nothing")


def _place(argument: click.Argument) -> ValueChoices:
    if isinstance(argument.type, click.Choice):
        return ValueChoices("words", tuple(str(choice) for choice in argument.type.choices))
    if argument.name in _MODEL_NAMES:
        return ValueChoices("models", tuple(CATALOG))
    return ValueChoices("files")
