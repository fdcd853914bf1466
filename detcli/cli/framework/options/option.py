"""An option with its section of the help page and its environment variable."""

import os
from collections.abc import Callable, Sequence
from typing import Any

import click

from detcli.cli.framework.text import long_name

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


class Option(click.Option):
    """An option with its section of the help page.

    standard  description of the default for the help page, or None
    aliases   accepted names that the help page does not show
    late_help computes the help text when a page is shown, because it depends on installed plug-ins
    """

    def __init__(
        self,
        *args: Any,
        section: str = "Options",
        standard: str | None = None,
        aliases: Sequence[str] = (),
        late_help: Callable[[], str] | None = None,
        **attributes: Any,
    ) -> None:
        super().__init__(*args, **attributes)
        self.section, self.standard = section, standard
        self._late_help = late_help
        self.shown = [name for name in self.opts if name not in aliases]

    def resolve_envvar_value(self, ctx: click.Context) -> str | None:
        """Its value from the environment, such as `DETCLI_DETECT_MAX_DET` for `--max-det`, or None."""
        variable = self.variable(ctx)
        return (os.environ.get(variable) or None) if variable is not None else None

    def variable(self, ctx: click.Context) -> str | None:
        """The name of its environment variable."""
        name = long_name(self.opts)
        if not name or ctx.auto_envvar_prefix is None:
            return None
        return f"{ctx.auto_envvar_prefix}_{name.replace('-', '_').upper()}"

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """The name column and the description; long names are aligned with each other."""
        if self.hidden:
            return None
        if self._late_help is not None:
            self.help = self._late_help()
        names = ["--[no-]" + self.shown[0][2:]] if self.secondary_opts else self.shown
        term = ", ".join(names) if names[0][1] != "-" else "    " + ", ".join(names)
        if not self.is_flag:
            term += " " + self.make_metavar(ctx)
        return term, (self.help or "") + (f" [default: {self.standard}]" if self.standard is not None else "")
