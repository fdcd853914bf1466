"""`detcli help`: the help page of a command, or the exit codes."""

import click

from detcli.cli.framework.command import Command, UsageExample
from detcli.cli.framework.help_page import HelpPage
from detcli.cli.framework.text import suggestion
from detcli.errors import EXIT_CODES

_EXIT_CODES = "exit-codes"


@click.command(
    "help",
    cls=Command,
    examples=[
        UsageExample("all commands", "detcli help"),
        UsageExample("one command", "detcli help detect"),
        UsageExample("a command of a group", "detcli help models convert"),
        UsageExample("what the exit codes mean", "detcli help exit-codes"),
    ],
)
@click.argument("names", nargs=-1, metavar="[COMMAND]...")
@click.pass_context
def show_help(ctx: click.Context, /, names: tuple[str, ...]) -> None:
    """Show the help of a command.

    The same page is shown by --help after the command. Without a name, the overview is shown. 'detcli help exit-codes'
    lists the exit codes of all commands.
    """
    if names == (_EXIT_CODES,):
        click.echo(_exit_codes(), color=ctx.color, nl=False)
        return
    page = ctx.find_root()
    for name in names:
        group = page.command
        if not isinstance(group, click.Group):
            raise click.UsageError(f"'{page.command_path}' has no commands, so '{name}' has no help", ctx)
        command = group.get_command(page, name)
        if command is None:
            known = [*group.list_commands(page), _EXIT_CODES]
            raise click.UsageError(f"unknown command '{name}'" + suggestion(name, known), ctx)
        page = command.context_class(command, info_name=command.name, parent=page)
    click.echo(page.get_help(), color=ctx.color)


def _exit_codes() -> str:
    page = HelpPage()
    with page.section("Exit codes"):
        page.write_dl(list(EXIT_CODES.items()))
    return page.getvalue()
