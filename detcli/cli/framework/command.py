"""Command classes: options in sections, examples below the help, suggestions for typing errors.

Depends only on click, so that it imports quickly.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, cast

import click
from click.core import ParameterSource

from detcli.cli.faults import check_memory_limit
from detcli.cli.framework.console import Console
from detcli.cli.framework.help_page import GLOBAL_OPTIONS, HelpPage
from detcli.cli.framework.options.global_options import SETTINGS, global_options
from detcli.cli.framework.options.option import Option
from detcli.cli.framework.text import long_name, suggestion
from detcli.cli.framework.translate import option_names
from detcli.errors import UsageError

_WIDEST_TERM = 26  # columns of the option names; the description of a longer one starts on the next line

pass_console = click.make_pass_decorator(Console, ensure=True)


@dataclass(frozen=True, slots=True)
class UsageExample:
    """A valid command line and its purpose."""

    purpose: str
    line: str


# Commands that import torch, or a runtime of exported models.
_WORDS = ("detect", "video", "segment", "train", "eval", "demo", "models info", "models convert")
_NEED_TORCH = frozenset(f"detcli {words}" for words in _WORDS)


class Context(click.Context):
    """click's context with HelpPage; no color with NO_COLOR or TERM=dumb."""

    formatter_class = HelpPage

    def __init__(self, *args: Any, **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        if self.color is None and (os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"):
            self.color = False


class Command(click.Command):
    """A command whose help has its options in sections, then the global options, then examples.

    shows_settings  it shows settings, also those that are refused, and follows none of them
    """

    context_class = Context

    def __init__(
        self, *args: Any, examples: Sequence[UsageExample] = (), shows_settings: bool = False, **attributes: Any
    ) -> None:
        attributes["context_settings"] = {
            "help_option_names": ["-h", "--help"],
            **attributes.get("context_settings", {}),
        }
        super().__init__(*args, **attributes)
        self.examples, self.shows_settings = tuple(examples), shows_settings
        self.params.extend(global_options(reads_settings=not isinstance(self, click.Group)))

    def get_help_option_names(self, ctx: click.Context) -> list[str]:
        """Return the names of the help option in their order, which click before 8.5 does not keep."""
        return sorted(super().get_help_option_names(ctx), key=ctx.help_option_names.index)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse as click does; what other programs call otherwise is answered with the option of detcli."""
        try:
            if not ctx.resilient_parsing and not isinstance(self, click.Group):
                from detcli.cli.framework.arguments import prepare_arguments  # the overview does not need it

                args = prepare_arguments(self, ctx, args)
            rest = super().parse_args(ctx, list(args))
            _refuse_settings(self, ctx)
            return rest
        except click.NoSuchOption as error:
            if not error.option_name.startswith("--"):
                raise click.UsageError(f"unknown option '{error.option_name}'", ctx) from None
            from detcli.cli.framework.foreign.foreign_answers import explain_unknown_options

            raise click.UsageError(explain_unknown_options(self, ctx, args, error.option_name), ctx) from None
        except click.UsageError as error:
            if isinstance(error, click.MissingParameter):  # the current folder's file may not set it
                _refuse_settings(self, ctx)
            if isinstance(error, click.BadParameter) and isinstance(error.param, Option):
                is_variable = ctx.get_parameter_source(error.param.name or "") is ParameterSource.ENVIRONMENT
                error.param_hint = error.param.variable(ctx) if is_variable else error.param_hint
            if error.ctx is None:  # of click's parser: the message points to the help of this command
                error.ctx = ctx
            raise

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; from now on the console translates argument names to its options."""
        console = ctx.ensure_object(Console)
        console.option_names, console.command = option_names(self.params), ctx.command_path
        if not isinstance(self, click.Group):
            _warn_of_variables(self, ctx, console)
            if not self.shows_settings:
                _say_settings(ctx, console)
            _check_epoch()
            if console.command in _NEED_TORCH:
                check_memory_limit()
        return super().invoke(ctx)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options by section, in the order in which the sections first appear."""
        sections = {
            section: [cast("tuple[str, str]", option.get_help_record(ctx)) for option in options]
            for section, options in option_sections(self, ctx).items()
        }
        column = max(len(term) for rows in sections.values() for term, _ in rows)
        for section, rows in sections.items():
            with formatter.section(section):
                cast("HelpPage", formatter).write_dl(rows, col_max=min(column, _WIDEST_TERM), col_min=column)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples."""
        cast("HelpPage", formatter).write_examples([(example.purpose, example.line) for example in self.examples])
        super().format_epilog(ctx, formatter)


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a command table.

    target   "module:attribute", imported when the command is used
    help     the first sentence of the command's own help
    section  heading in the overview
    """

    target: str
    help: str
    section: str = "Commands"


class Group(Command, click.Group):
    """A group that imports its commands on use and suggests similar names for unknown ones.

    table    name -> entry, in the order of the overview; commands added by `@group.command()` follow
    aliases  other name -> name
    """

    command_class = Command

    def __init__(
        self,
        *args: Any,
        table: Mapping[str, Entry] | None = None,
        aliases: Mapping[str, str] | None = None,
        **attributes: Any,
    ) -> None:
        super().__init__(*args, **attributes)
        self.table = dict(table or {})
        self.aliases = dict(aliases or {})

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names, in the order of the overview."""
        return [*self.table, *(name for name in self.commands if name not in self.table)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of a name or an alias, or None."""
        name = self.aliases.get(cmd_name, cmd_name)
        if name in self.table and name not in self.commands:
            module, _, attribute = self.table[name].target.partition(":")
            self.commands[name] = getattr(import_module(module), attribute)
        return self.commands.get(name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command named by the first word, its name (not an alias), and the other words."""
        command = self.get_command(ctx, args[0])
        if command is not None or ctx.resilient_parsing:
            return (command.name if command else None), command, args[1:]
        from detcli.cli.framework.foreign.foreign_answers import explain_grammar, explain_unknown_command

        known = [*self.list_commands(ctx), *self.aliases]
        message = explain_grammar(self, ctx, args) or explain_unknown_command(self, ctx, args, known)
        raise click.UsageError(message, ctx)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands by section, from the table alone."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for name in self.list_commands(ctx):
            entry = self.table.get(name)
            text = entry.help if entry else self.commands[name].get_short_help_str(limit=200)
            sections.setdefault(entry.section if entry else "Commands", []).append((name, text))
        column = max((len(name) for rows in sections.values() for name, _ in rows), default=0)
        for section, rows in sections.items():
            with formatter.section(section):
                cast("HelpPage", formatter).write_dl(rows, col_min=column)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands first, then the options."""
        self.format_commands(ctx, formatter)
        Command.format_options(self, ctx, formatter)


def option_sections(command: click.Command, ctx: click.Context) -> dict[str, list[click.Parameter]]:
    """The visible options by section, global options last."""
    sections: dict[str, list[click.Parameter]] = {}
    for option in command.get_params(ctx):
        if isinstance(option, click.Option) and not option.hidden:
            sections.setdefault(getattr(option, "section", GLOBAL_OPTIONS), []).append(option)
    if GLOBAL_OPTIONS in sections:
        sections[GLOBAL_OPTIONS] = sections.pop(GLOBAL_OPTIONS)
    return sections


LIBRARY_VARIABLES = ("DETCLI_CUDA_GRAPHS", "DETCLI_RUNTIME_CACHE")  # of no option: the Python package reads them, too


def _warn_of_variables(command: click.Command, ctx: click.Context, console: Console) -> None:
    """Warn of environment variables that are named like options of the command, and are none; nor those of another one."""
    known = [*_variables(command, ctx), *LIBRARY_VARIABLES]
    named = _named_like(ctx)
    group = ctx.parent
    while group is not None and isinstance(group.command, click.Group):
        others = tuple(
            f"{group.auto_envvar_prefix}_{name.replace('-', '_').upper()}_"
            for name in group.command.list_commands(group)
        )
        known += _variables(group.command, group)
        named += [name for name in _named_like(group) if name not in named and not name.startswith(others)]
        group = group.parent
    for name in named:
        if name not in known:
            console.warning(f"the environment variable {name} names no option" + suggestion(name, known))


def _variables(command: click.Command, ctx: click.Context) -> list[str]:
    return [str(option.variable(ctx)) for option in command.params if isinstance(option, Option)]


def _named_like(ctx: click.Context) -> list[str]:
    """Environment variables with the beginning of those of a command."""
    prefix = ctx.auto_envvar_prefix
    return [name for name in os.environ if name.startswith(f"{prefix}_")] if prefix is not None else []


def _check_epoch() -> None:
    """Check SOURCE_DATE_EPOCH before the command works: results have it at their end."""
    if os.environ.get("SOURCE_DATE_EPOCH"):
        from detcli.structures.run_info import now

        now()


def _refuse_settings(command: Command, ctx: click.Context) -> None:
    """Raise UsageError for settings of the current folder's file that it may not have, and that nothing else sets."""
    settings = ctx.meta.get(SETTINGS, ())
    if command.shows_settings or not any(file.refused for file in settings):
        return
    from detcli.cli.framework.settings import explain_refusals, refusals

    given = (ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT)
    places = (ctx, ctx.find_root())
    refused = [
        one for one in refusals(settings) if not any(place.get_parameter_source(one.name) in given for place in places)
    ]
    if refused:
        raise UsageError(explain_refusals(refused))


def _say_settings(ctx: click.Context, console: Console) -> None:
    """Say in one line which settings files have an effect, and which settings of each."""
    used: dict[str, list[str]] = {}
    for option in ctx.command.params:
        name = option.name or ""
        if isinstance(option, Option) and ctx.get_parameter_source(name) is ParameterSource.DEFAULT_MAP:
            file = next(one.file for one in reversed(ctx.meta[SETTINGS]) if name in one.values)
            used.setdefault(str(file.path), []).append(long_name(option.opts))
    if used:
        files = [f"'{path}' ({', '.join(keys)})" for path, keys in used.items()]
        console.say(f"settings of {' and '.join(files)}", settings=used)
