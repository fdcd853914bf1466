"""Options written once, worded the same in every command, in the sections of the help page."""

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from detcli.cli.command import Decorator, Option
from detcli.cli.console import Console

INPUT, MODEL, DETECTION, SPEED, OUTPUT, PICTURES, RUN = (
    "Input",
    "Model",
    "What is kept",
    "Speed",
    "Results",
    "Pictures drawn",
    "Run",
)
DEFAULT_MODEL = "dfine-s"
DEFAULT_MAX_PIXELS = 250_000_000  # held equal to sources' own by a test; importing that room would import numpy


class Score(click.ParamType):  # type: ignore[type-arg]  # generic in newer clicks only
    """A number from 0 to 1; not NaN."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read it, or fail."""
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = math.nan
        if not 0 <= number <= 1:  # also NaN
            self.fail(f"{str(value)[:40]!r} is not a number from 0 to 1", param, ctx)
        return number


class Words(click.ParamType):  # type: ignore[type-arg]  # generic in newer clicks only
    """Words with commas between them; a list in a settings file."""

    name = "list"
    takes_list = True

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        """Split it, or fail where nothing is named."""
        parts = value.split(",") if isinstance(value, str) else [str(part) for part in value]
        words = tuple(part.strip() for part in parts if part.strip())
        if not words:
            self.fail("names nothing", param, ctx)
        return words


class Batch(click.ParamType):  # type: ignore[type-arg]  # generic in newer clicks only
    """A number of pictures, or auto (None)."""

    name = "batch"
    takes_number = True

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | None:
        """Read it, or fail."""
        if value == "auto":
            return None
        try:
            number = int(value)
        except ValueError:
            number = 0
        if not 1 <= number <= 4096:
            self.fail(f"{str(value)[:40]!r} is neither auto nor a whole number from 1 to 4096", param, ctx)
        return number


class Device(click.ParamType):  # type: ignore[type-arg]  # generic in newer clicks only
    """A name of a device; whether this machine has it is found out when the model is loaded."""

    name = "device"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Check its form."""
        if not re.fullmatch(r"auto|cpu|mps|cuda(:\d{1,3})?", value):
            self.fail(f"{value[:40]!r} is none of auto, cpu, cuda, cuda:0, mps", param, ctx)
        return str(value)


class Formats(click.Choice[str]):
    """The result formats of the sinks' table, asked for when they are needed, and the table on a terminal."""

    def __init__(self) -> None:
        from detcli.sinks.sink import SINKS

        super().__init__([*SINKS, "table"])


def option(*names: str, section: str, **attributes: Any) -> Decorator:
    """Decorate a command with an option in a section of its help."""
    return click.option(*names, cls=Option, section=section, **attributes)


def group_of(*decorators: Decorator) -> Decorator:
    """Several options as one decorator, in the order in which help shows them."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return decorate


_PATH = click.Path(path_type=Path)
_FOLDER = click.Path(path_type=Path, file_okay=False)
_FILE = click.Path(path_type=Path, dir_okay=False)

model = option(
    "-m",
    "--model",
    section=MODEL,
    metavar="NAME",
    default=DEFAULT_MODEL,
    show_default=True,
    help="A name from 'detcli models list', a Hub repository, a folder or a file.",
)
revision = option("--revision", section=MODEL, metavar="REV", help="Commit, branch or tag of the Hub repository.")
offline = option("--offline", section=MODEL, is_flag=True, help="Use what is on this machine; ask no network.")
cache_dir = option(
    "--cache-dir", section=MODEL, metavar="DIR", type=_FOLDER, help="Where models are kept. [default: as HF_HOME says]"
)
where_models_are = group_of(revision, offline, cache_dir)

sources = click.argument("sources", nargs=-1, metavar="[SOURCES]...")
inputs = group_of(
    option("--no-recursive", section=INPUT, is_flag=True, help="Stay out of the folders inside a folder."),
    option("--ext", section=INPUT, type=Words(), metavar="LIST", help="Suffixes taken in folders, such as jpg,png."),
    option(
        "--exclude", section=INPUT, multiple=True, metavar="GLOB", help="Pass over these names or paths; repeatable."
    ),
    option("--files-from", section=INPUT, metavar="FILE", help="Read paths from a file; '-' is standard input."),
    option(
        "-0", "--null", "null_separated", section=INPUT, is_flag=True, help="Those paths end in NUL, not in a line end."
    ),
    option("--limit", section=INPUT, type=click.IntRange(min=1), metavar="N", help="Take the first N pictures."),
    option(
        "--max-pixels",
        section=INPUT,
        type=click.IntRange(min=1),
        metavar="N",
        default=DEFAULT_MAX_PIXELS,
        help="Refuse larger pictures unread. [default: 250 million]",
    ),
)

detection = group_of(
    option(
        "-t",
        "--threshold",
        "--conf",
        section=DETECTION,
        type=Score(),
        metavar="SCORE",
        help="Keep boxes that score above it. [default: 0.4, or the model's; 0 for coco-results]",
    ),
    option(
        "--max-det",
        section=DETECTION,
        type=click.IntRange(1, 100_000),
        metavar="N",
        default=300,
        show_default=True,
        help="Keep at most N boxes a picture.",
    ),
    option(
        "--classes", section=DETECTION, type=Words(), metavar="LIST", help="Keep these, by name or number: person,dog."
    ),
    option(
        "--imgsz",
        section=DETECTION,
        nargs=2,
        type=click.IntRange(min=1),
        metavar="H W",
        help="Size of the network's input. [default: the model's]",
    ),
)

device = option(
    "-d",
    "--device",
    section=SPEED,
    type=Device(),
    metavar="NAME",
    default="auto",
    show_default=True,
    help="auto, cpu, cuda, cuda:0 or mps.",
)
speed = group_of(
    device,
    option(
        "-b",
        "--batch",
        section=SPEED,
        type=Batch(),
        metavar="N|auto",
        default="auto",
        show_default=True,
        help="Pictures at a time; halved when memory runs out.",
    ),
    option(
        "--precision",
        section=SPEED,
        type=click.Choice(["auto", "fp32", "bf16", "fp16"]),
        default="auto",
        show_default=True,
        help="Numbers the network computes in.",
    ),
    option("--compile", section=SPEED, is_flag=True, help="Compile the network: a slow start for a faster long run."),
    option(
        "-j",
        "--workers",
        section=SPEED,
        type=click.IntRange(1, 256),
        metavar="N",
        help="Threads that read pictures. [default: one a core]",
    ),
    option("--no-optimize", section=SPEED, is_flag=True, help="Run the network as it was trained, nothing folded."),
    option("--deterministic", section=SPEED, is_flag=True, help="The same bytes from every run on this machine."),
)


def _set_progress(ctx: click.Context, param: click.Parameter, value: bool | None) -> None:
    if value is not None:
        ctx.ensure_object(Console).progress = value


progress = option(
    "--progress/--no-progress",
    section="Screen",
    default=None,
    expose_value=False,
    callback=_set_progress,
    help="Show how far it is. [default: on a terminal]",
)
yes = option("-y", "--yes", section=RUN, is_flag=True, help="Ask nothing.")
as_json = option("--json", "as_json", section="Output", is_flag=True, help="Print JSON.")
