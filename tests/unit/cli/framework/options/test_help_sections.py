"""The help pages: one wording, sections, true defaults, and a page that fits every screen."""

import re
from collections.abc import Callable

import click
import pytest

from detcli.cli.detect.detect import detect as detect_command
from detcli.cli.detect.segment import segment as segment_command
from detcli.cli.docs.command_tree import read_tree
from detcli.cli.framework.command import Context, option_sections
from detcli.cli.main import COMMANDS, cli
from detcli.io.images.limits import DEFAULT_MAX_PIXELS
from tests.helpers.cli_runs import Run

BRANCHES = list(read_tree(cli, "detcli").walk())


@pytest.mark.parametrize("branch", BRANCHES, ids=lambda branch: " ".join(branch.path))
def test_every_option_says_what_it_does(branch: object) -> None:
    for flag in branch.flags:  # type: ignore[attr-defined]
        assert re.fullmatch(r"[A-Za-z].*[.]", flag.help), flag.names
        assert "  " not in flag.help


# What these hold is the command's own business: yes to what was asked, the output of this command, and so on.
OWN_WORDS = (
    "--yes",
    "--output",
    "--format",
    "--model",
    "--data",
    "--gt",
    "--images",
    "--batch",
    "--threshold",
    "--imgsz",
    "--dry-run",
    "--precision",
    "--masks",
    "--val",
)


def test_the_same_word_means_the_same_everywhere() -> None:
    """Except in `bench`, which takes lists of values."""
    said: dict[tuple[str, bool], set[str]] = {}
    for branch in BRANCHES:
        for flag in branch.flags:
            if not set(OWN_WORDS) & set(flag.names):
                for name in flag.names:
                    said.setdefault((name, branch.path[-1] == "bench"), set()).add(flag.help)
    assert {name: texts for name, texts in said.items() if len(texts) > 1} == {}


@pytest.mark.parametrize("columns", [30, 40, 60, 80, 120, 200])
@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_help_fits_the_screen(detcli: Callable[..., Run], name: str, columns: int) -> None:
    page = detcli(*name.split(), "--help", env={"COLUMNS": str(columns)}).out
    prose = page.split("\nExamples\n")[0].replace("\n      --", "\n")
    longest_words = max(len(word) for word in prose.split())
    assert max(len(line) for line in prose.splitlines()) <= max(columns, longest_words + 12)


def test_examples_that_are_too_long_go_on_after_a_backslash(detcli: Callable[..., Run]) -> None:
    page = detcli("detect", "--help", env={"COLUMNS": "50"}).out
    assert "detcli detect images/ -o out.json \\\n      --save-images drawn/" in page


def test_options_are_in_sections_with_global_options_last() -> None:
    sections = list(option_sections(detect_command, Context(detect_command, info_name="detect")))
    assert sections == [
        "Input", "Model", "Filtering", "Counting", "Speed", "Results", "Visualization", "Run", "Global options",
    ]  # fmt: skip


def test_shown_defaults_are_the_real_ones() -> None:
    for param in (*detect_command.params, *segment_command.params):
        standard = getattr(param, "standard", None)
        if isinstance(param, click.Option) and isinstance(param.default, (str, int, float)) and standard:
            assert str(param.default) == standard, param.name
    (pixels,) = (param for param in detect_command.params if param.name == "max_pixels")
    assert pixels.standard == f"{DEFAULT_MAX_PIXELS // 1_000_000} million"  # type: ignore[attr-defined]
