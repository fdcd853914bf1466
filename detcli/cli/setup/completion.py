"""`detcli completion`: the script that lets a shell complete commands, options and their values."""

import click

from detcli.cli.framework.command import Command, UsageExample


@click.command(
    cls=Command,
    examples=[
        UsageExample("bash, permanently: add it to ~/.bashrc", "source <(detcli completion bash)"),
        UsageExample("zsh, permanently: add it to ~/.zshrc, after compinit", "source <(detcli completion zsh)"),
        UsageExample("fish, permanently", "detcli completion fish > ~/.config/fish/completions/detcli.fish"),
    ],
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script for a shell.

    The script holds every command, option and model name; pressing TAB does not start detcli.
    """
    from detcli.cli.docs.command_tree import read_tree
    from detcli.cli.docs.completion_scripts import SHELLS
    from detcli.cli.main import cli

    click.echo(SHELLS[shell](read_tree(cli, "detcli")), nl=False)
