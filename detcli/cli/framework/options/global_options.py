"""The options that every command accepts, before and after its name, and what they do to the console and the settings."""

from typing import Any, cast

import click
from click.core import ParameterSource

from detcli.cli.framework.console import Console
from detcli.cli.framework.help_page import GLOBAL_OPTIONS
from detcli.cli.framework.options.option import Option

SETTINGS = "detcli.settings"  # key in the context: what the settings files say

# Priority of the sources of a value, for a global option that is set more than once.
_RANKS = {ParameterSource.DEFAULT_MAP: 1, ParameterSource.ENVIRONMENT: 2, ParameterSource.COMMANDLINE: 3}


def global_options(*, reads_settings: bool) -> list[click.Parameter]:
    """The options; those of a command, or of a group, which reads no settings."""

    def shared(*names: str, **attributes: Any) -> Option:
        return Option(
            names, section=GLOBAL_OPTIONS, is_eager=True, expose_value=False, callback=_set_on_console, **attributes
        )

    return [  # all eager: the message format must be known before the first error
        Option(
            ("--config",),
            section=GLOBAL_OPTIONS,
            metavar="FILE",
            expose_value=False,
            is_eager=True,
            callback=_read_settings if reads_settings else _set_on_console,
            help="Settings file (TOML), fully trusted; before ./detcli.toml (limited) and the user's settings.",
        ),
        shared("-q", "--quiet", is_flag=True, help="Print errors only."),
        shared("-v", "--verbose", is_flag=True, help="Print more: model, device and every failure."),
        shared(
            "--color",
            type=click.Choice(["auto", "always", "never"]),
            metavar="WHEN",
            default="auto",
            standard="auto",
            help="Colors: auto, always or never.",
        ),
        shared(
            "--log-format",
            type=click.Choice(["text", "json"]),
            metavar="FORMAT",
            default="text",
            standard="text",
            help="Message format: text, or json with one object per line.",
        ),
        shared("--debug", is_flag=True, help="Show tracebacks."),
    ]


def _set_on_console(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    rank = _RANKS.get(cast("ParameterSource", ctx.get_parameter_source(param.name or "")), 0)
    if rank:
        ctx.ensure_object(Console).configure(param.name or "", value, rank)
        if param.name == "color":
            ctx.color = {"always": True, "never": False}.get(value)


def _read_settings(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
    _set_on_console(ctx, param, value)
    if ctx.resilient_parsing:
        return
    from detcli.cli.framework.settings import read_settings

    settings = read_settings(ctx, ctx.ensure_object(Console).config)
    ctx.meta[SETTINGS] = settings
    ctx.default_map = {name: value for file in settings for name, value in file.values.items()}
