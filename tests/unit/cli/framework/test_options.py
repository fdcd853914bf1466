"""The options: one wording, checked values, and a page that fits every screen."""

import re
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from detcli.cli.detect.detect import detect as detect_command
from detcli.cli.detect.requests import image_request
from detcli.cli.detect.segment import segment as segment_command
from detcli.cli.docs.command_tree import read_tree
from detcli.cli.framework.command import Context, option_sections
from detcli.cli.main import COMMANDS, cli
from detcli.io.images.limits import DEFAULT_MAX_PIXELS
from tests.helpers.cli_runs import Run, options_read

BRANCHES = list(read_tree(cli, "detcli").walk())


def test_the_request_takes_every_option() -> None:
    for command in (detect_command, segment_command):
        read, options = options_read(command, image_request)
        assert read | {"dry_run"} == options


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


@pytest.mark.parametrize(
    "slip",
    [
        ("--threshold", "nan"),
        ("--threshold", "1.5"),
        ("--threshold", "inf"),
        ("--threshold", "dog=1.5"),
        ("--threshold", "dog=0.5,dog=0.6"),
        ("--nms", "0"),
        ("--nms", "2"),
        ("--nms", "nan"),
        ("--max-det", "0"),
        ("--batch", "0"),
        ("--batch", "many"),
        ("--batch", "1e9"),
        ("--device", "gpu"),
        ("--device", "cuda:x"),
        ("--workers", "0"),
        ("--classes", " , "),
        ("--imgsz", "wide"),
        ("--imgsz", "0"),
        ("--imgsz", "640x"),
        ("--imgsz", "640,640,640"),
        ("--device", "0,1"),
        ("--limit", "0"),
        ("--precision", "int8"),
        ("--max-pixels", "-1"),
        ("--format", "xml"),
    ],
    ids=" ".join,
)
def test_a_value_that_makes_no_sense_is_told_with_its_flag(detcli: Callable[..., Run], slip: tuple[str, ...]) -> None:
    run = detcli("detect", *slip, "a.jpg")
    assert (run.code, run.out) == (2, "")
    assert slip[0] in run.err


@pytest.mark.parametrize(
    "words",
    [
        "detect a.png -m shapes --save-images FILE",
        "detect a.png -m shapes --save-crops FILE",
        "segment a.png --save-images FILE",
        "segment a.png --save-masks FILE",
        "eval -m shapes --data shapes:1:3 --save-plots FILE",
        "eval -m shapes --data shapes:1:3 --save-worst FILE",
        "train --data shapes:0:5 -o FILE",
        "models convert a.png -o FILE",
        "demo -o FILE",
    ],
)
def test_a_file_where_a_folder_is_to_be_written_is_told_as_an_output(
    detcli: Callable[..., Run], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("FILE", "a.png"):
        Path(name).write_bytes(b"mine")
    run = detcli(*words.split(), "-y")
    assert (run.code, run.err) == (8, "detcli: cannot write 'FILE': it is a file\n")
    assert Path("FILE").read_bytes() == b"mine"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], None),
        (["-t", "0"], 0.0),
        (["-t", "0.4"], 0.4),
        (["-t", "0.4", "--conf", "0.5"], 0.5),
        (["-t", "0.4,person=0.6"], {"*": 0.4, "person": 0.6}),
        (["-t", "0.4", "-t", "person=0.6", "-t", "traffic light=0.1"], {"*": 0.4, "person": 0.6, "traffic light": 0.1}),
        (["-t", "person=0.6", "-t", "0.4,2=0.3"], {"*": 0.4, "person": 0.6, "2": 0.3}),
        (["-t", " person = 0.6 , 0.4 "], {"*": 0.4, "person": 0.6}),
        (["-t", "a=b=0.6"], {"a=b": 0.6}),
    ],
)
def test_thresholds_of_classes_are_separated_by_commas_or_repeated(words: list[str], expected: object) -> None:
    with detect_command.make_context("detect", ["a.jpg", *words]) as ctx:
        assert ctx.params["threshold"] == expected
