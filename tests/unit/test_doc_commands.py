"""Every command line in README and documentation is accepted by the parser; every Python block compiles."""

import re
from pathlib import Path

import click
import pytest

from detcli.cli.docs.command_tree import read_tree
from detcli.cli.framework.console import Console
from detcli.cli.main import ALIASES, cli
from tests.helpers.markdown_pages import code_blocks, command_lines, commands_of, name_of, pages, text_of

PAGES = pages()
COMMANDS = {command.path: command for command in read_tree(cli, "detcli").walk()}


def parse(words: list[str]) -> None:
    """Parse a command line as the command does, and run nothing. Raises click.UsageError."""
    context = cli.make_context("detcli", list(words), obj=Console(), auto_envvar_prefix="DETCLI")
    command: click.Command = cli
    rest = [*context._protected_args, *context.args]
    while isinstance(command, click.Group) and rest:
        name, found, rest = command.resolve_command(context, rest)
        assert found is not None
        command, context = found, found.make_context(name, rest, parent=context)
        rest = [*context._protected_args, *context.args] if isinstance(command, click.Group) else []


def filled(word: str) -> str:
    """A word with 1 in the place of shell variables with a number, and of the `{}` of xargs and parallel."""
    return re.sub(r"\$\(\(.*?\)\)|\$[A-Z_]+|\{\}", "1", word)


def added_commands(page: Path) -> list[str]:
    """Commands that a page shows how to add."""
    return re.findall(r'^\+? *"(\w+)": Entry\(', text_of(page), re.MULTILINE)


def is_usage(words: list[str]) -> bool:
    """Whether a line shows the form of a command, not a command."""
    return not words or "[OPTIONS]" in words or words[0] == "COMMAND"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_command_lines_of_a_page_are_accepted(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # without settings
    for words in command_lines(text_of(page)):
        if is_usage(words) or words[0] in added_commands(page):
            continue
        try:
            parse([filled(word) for word in words])
        except click.exceptions.Exit:  # --help and --version
            continue
        except click.UsageError as error:
            pytest.fail(f"{name_of(page)}: detcli {' '.join(words)}: {error.format_message()}")


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_and_options_in_a_sentence_exist(page: Path) -> None:
    blocks = re.compile(r"^ *```.*?^ *```$", re.DOTALL | re.MULTILINE)
    for code in re.findall(r"`(detcli [a-z][^`\n]*)`", blocks.sub("", text_of(page))):
        for words in commands_of(code):
            if is_usage(words) or words[0] in added_commands(page):
                continue
            path = ("detcli", *words)
            path = ("detcli", ALIASES.get(path[1], path[1]), *path[2:])
            node = COMMANDS.get(path[:3]) or COMMANDS.get(path[:2])
            assert node is not None, f"unknown command: {code}"
            known = {name for flag in node.flags for name in flag.names}
            assert {word for word in words if re.fullmatch(r"--[a-z][a-z-]+", word)} <= known, code


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_python_blocks_of_a_page_compile(page: Path) -> None:
    for number, block in enumerate(code_blocks(text_of(page))):
        if block.language == "python":
            compile(block.text, f"{name_of(page)}, block {number}", "exec")


def test_a_wrong_option_and_a_wrong_command_are_found() -> None:
    for line in (
        "detcli detect a.jpg --no-such",
        "detcli nothing",
        "detcli eval --iou-type x",
        "detcli detect -t high a",
    ):
        [words] = commands_of(line)
        with pytest.raises(click.UsageError):
            parse(words)


def test_commands_are_found_in_lines_of_a_shell() -> None:
    line = (
        "$ A=1 detcli detect 'a b' -o - | jq . > x && python -m detcli eval r < y; ls \"$(detcli models path s)\"  # no"
    )
    assert list(commands_of(line)) == [["models", "path", "s"], ["detect", "a b", "-o", "-"], ["eval", "r"]]
    assert list(commands_of("source <(detcli completion bash)")) == [["completion", "bash"]]
