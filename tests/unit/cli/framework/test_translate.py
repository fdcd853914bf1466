"""Arguments in library messages become options on the command line."""

import click
import pytest

from detcli.cli.framework.translate import option_names, translate
from detcli.cli.main import cli

NAMES = option_names(
    [
        click.Option(["--max-det", "max_det"]),
        click.Option(["-m", "--model"]),
        click.Option(["-t", "--threshold", "--conf"]),
        click.Option(["--pad"], is_flag=True),
    ]
)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("`pad` cannot be combined with `model`", "--pad cannot be combined with --model"),
        ("`image_size` must be positive", "--imgsz must be positive"),
        ("`max_detections` is 0", "--max-det is 0"),
        ("use `threshold=0.3`", "use --threshold 0.3"),
        ("use `model='x'`", "use --model x"),
        ("`images` is not an option here", "images is not an option here"),
        ("a name with a ` in it stays", "a name with a ` in it stays"),
        ("'it`s' and 'a`b'", "'it`s' and 'a`b'"),
    ],
)
def test_arguments_become_options(message: str, expected: str) -> None:
    assert translate(message, NAMES) == expected


def test_names_of_every_command_are_the_long_options() -> None:
    context = click.Context(cli)
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        assert command is not None
        for option in option_names(command.params).values():
            assert option.startswith("--") or option == "eval"
