"""Options written once, worded the same in every command, in the sections of the help page."""

import math
import re
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import click

from detcli.cli.framework.command import Decorator, Option
from detcli.cli.framework.console import Console
from detcli.cli.framework.help_page import SCREEN
from detcli.io.results.formats import FORMATS, suffixes_of, writable_formats

INPUT, MODEL, DETECTION, SPEED, OUTPUT, IMAGES, RUN = (
    "Input",
    "Model",
    "What is kept",
    "Speed",
    "Results",
    "Images drawn",
    "Run",
)
DEFAULT_MODEL = "dfine-s"


class ScoreType(click.ParamType):  # type: ignore[type-arg]  # generic in newer clicks only
    """A number from 0 to 1; not NaN."""

    name = "score"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read it, or fail."""
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = math.nan
        if not 0 <= number <= 1:  # also NaN
            self.fail(f"{str(value)[:40]!r} is not a number from 0 to 1", param, ctx)
        return number


class PositiveIntType(click.IntRange):
    """A integer within bounds."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read it, or fail in words."""
        try:
            return int(super().convert(value, param, ctx))
        except click.BadParameter:
            bounds = f" from {self.min:,}" + (f" to {self.max:,}" if self.max is not None else "")
            self.fail(f"{str(value)[:40]!r} is not an integer{bounds}", param, ctx)


class CommaSeparatedType(click.ParamType):  # type: ignore[type-arg]  # generic in newer clicks only
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


class BatchSizeType(click.ParamType):  # type: ignore[type-arg]  # generic in newer clicks only
    """A number of images, or auto (None)."""

    name = "batch"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | None:
        """Read it, or fail."""
        if value == "auto":
            return None
        try:
            number = int(value)
        except ValueError:
            number = 0
        if not 1 <= number <= 4096:
            self.fail(f"{str(value)[:40]!r} is neither auto nor an integer from 1 to 4096", param, ctx)
        return number


class DeviceType(click.ParamType):  # type: ignore[type-arg]  # generic in newer clicks only
    """A name of a device; whether this machine has it is found out when the model is loaded."""

    name = "device"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Check its form."""
        if not re.fullmatch(r"auto|cpu|mps|cuda(:\d{1,3})?", value):
            self.fail(f"{value[:40]!r} is none of auto, cpu, cuda, cuda:0, mps", param, ctx)
        return str(value)


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


FOLDER = click.Path(path_type=Path, file_okay=False)
NEW_FOLDER = click.Path(path_type=Path)  # an output: that a file is in its place is told as of every output
FILE = click.Path(path_type=Path, dir_okay=False)


def model_or(default: str) -> Decorator:
    """The model, another one where none is named."""
    return option(
        "-m",
        "--model",
        section=MODEL,
        metavar="NAME",
        default=default,
        standard=default,
        help="A name from 'detcli models list', a Hub repository, a folder or a file.",
    )


model = model_or(DEFAULT_MODEL)
revision = option("--revision", section=MODEL, metavar="REV", help="Commit, branch or tag of the Hub repository.")
offline = option("--offline", section=MODEL, is_flag=True, help="Use what is on this machine; ask no network.")
cache_dir = option(
    "--cache-dir", section=MODEL, metavar="DIR", type=FOLDER, standard="as HF_HOME says", help="Where models are kept."
)
where_models_are = group_of(revision, offline, cache_dir)

sources = click.argument("sources", nargs=-1, metavar="[SOURCES]...")
max_pixels = option(
    "--max-pixels",
    section=INPUT,
    type=PositiveIntType(min=1),
    metavar="N",
    standard="250 million",
    help="Refuse larger images unread.",
)
inputs = group_of(
    option("--no-recursive", section=INPUT, is_flag=True, help="Stay out of the folders inside a folder."),
    option(
        "--ext",
        section=INPUT,
        type=CommaSeparatedType(),
        metavar="LIST",
        help="Suffixes taken in folders, such as jpg,png.",
    ),
    option("--exclude", section=INPUT, multiple=True, metavar="GLOB", help="Skip these names or paths; repeatable."),
    option("--files-from", section=INPUT, metavar="FILE", help="Read paths from a file; '-' is standard input."),
    option(
        "-0", "--null", "null_separated", section=INPUT, is_flag=True, help="Those paths end in NUL, not in a line end."
    ),
    option("--limit", section=INPUT, type=PositiveIntType(min=1), metavar="N", help="Take the first N images."),
    max_pixels,
)

classes = option(
    "--classes",
    section=DETECTION,
    type=CommaSeparatedType(),
    metavar="LIST",
    help="Keep these, by name or number: person,dog.",
)
imgsz = option(
    "--imgsz",
    section=DETECTION,
    nargs=2,
    type=PositiveIntType(min=1),
    metavar="H W",
    standard="the model's",
    help="Size of the network's input; shortest and longest side for models that keep proportions.",
)
max_det = option(
    "--max-det",
    section=DETECTION,
    type=PositiveIntType(1, 100_000),
    metavar="N",
    default=300,
    standard="300",
    help="Maximum detections per image.",
)
detection = group_of(
    option(
        "-t",
        "--threshold",
        "--conf",
        section=DETECTION,
        aliases=("--conf",),
        type=ScoreType(),
        metavar="SCORE",
        standard="0.4, or the model's; 0 for coco-results",
        help="Keep boxes that score above it; also --conf.",
    ),
    max_det,
    classes,
    imgsz,
)

device = option(
    "-d",
    "--device",
    section=SPEED,
    type=DeviceType(),
    metavar="NAME",
    default="auto",
    standard="auto",
    help="auto, cpu, cuda, cuda:0 or mps.",
)
precision = option(
    "--precision",
    section=SPEED,
    type=click.Choice(["auto", "fp32", "bf16", "fp16"]),
    metavar="TYPE",
    default="auto",
    standard="auto",
    help="What it computes in: auto, fp32, bf16 or fp16.",
)
workers = option(
    "-j",
    "--workers",
    section=SPEED,
    type=PositiveIntType(1, 256),
    metavar="N",
    standard="one a core",
    help="Threads that read images.",
)
speed = group_of(
    device,
    option(
        "-b",
        "--batch",
        section=SPEED,
        type=BatchSizeType(),
        metavar="N|auto",
        default="auto",
        standard="auto",
        help="Images at a time; halved when memory runs out.",
    ),
    option(
        "--pad",
        section=SPEED,
        is_flag=True,
        help="Let images of different sizes share a batch: faster on a GPU, results change a little (DC5: worse).",
    ),
    precision,
    option("--compile", section=SPEED, is_flag=True, help="Compile the network: a slow start for a faster long run."),
    workers,
    option("--no-optimize", section=SPEED, is_flag=True, help="Run the network as it was trained, nothing folded."),
    option("--deterministic", section=SPEED, is_flag=True, help="The same bytes from every run on this machine."),
)

replacing = group_of(
    option(
        "--if-exists",
        section=OUTPUT,
        type=click.Choice(["error", "overwrite", "skip"]),
        metavar="WHAT",
        default="error",
        standard="error",
        help="An output that is there: error, overwrite or skip.",
    ),
    option("-y", "--yes", section=OUTPUT, is_flag=True, help="The same as --if-exists overwrite."),
)
resuming = group_of(
    option("--resume", section=OUTPUT, is_flag=True, help="Continue with the run that was interrupted."),
    replacing,
)


class FormatType(click.Choice):  # type: ignore[type-arg]  # generic in newer clicks only
    """The name of a result format, built in or of a plug-in; the names are read when they are needed."""

    def __init__(self, names: Callable[[], Sequence[str]]) -> None:
        self._names = names
        super().__init__(())

    @property
    def choices(self) -> tuple[str, ...]:
        """The names of the formats."""
        return tuple(self._names())

    @choices.setter
    def choices(self, names: object) -> None:
        """Ignore the names that click sets."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Check the name. Raises UsageError with the reason for a plug-in that cannot be loaded."""
        if value in FORMATS.plug_ins():
            FORMATS[value]
        return super().convert(value, param, ctx)


def results_as(
    formats: Callable[[], tuple[str, ...]], *, standard: str = "a table on a terminal, JSON Lines in a pipe"
) -> Decorator:
    """Options for the outputs of a command.

    formats   returns the names of the formats that the command can write
    standard  describes the default output
    """
    return group_of(
        option(
            "-o",
            "--output",
            "outputs",
            section=OUTPUT,
            multiple=True,
            metavar="PATH",
            standard=standard,
            late_help=lambda: f"Where results go: {suffixes_of(formats())} or '-'; repeatable.",
        ),
        option(
            "-f",
            "--format",
            "format_name",
            section=OUTPUT,
            type=FormatType(lambda: (*formats(), "table")),
            metavar="NAME",
            late_help=lambda: f"Format of the one output: {', '.join(formats())} or table.",
        ),
        option(
            "--header", section=OUTPUT, is_flag=True, help="JSON Lines: model, version and arguments in a first line."
        ),
        option(
            "--csv-safe", section=OUTPUT, is_flag=True, help="CSV: keep spreadsheets from running cells as formulas."
        ),
        option(
            "--gt",
            section=OUTPUT,
            type=FILE,
            metavar="FILE",
            help="COCO annotations to take image and category ids from.",
        ),
        resuming,
    )


BOX_FORMATS = partial(writable_formats, boxes=True)
results = results_as(BOX_FORMATS)

save_images = option(
    "--save-images",
    section=IMAGES,
    type=NEW_FOLDER,
    metavar="DIR",
    help="Save each image with what was found drawn.",
)
save_crops = option(
    "--save-crops", section=IMAGES, type=NEW_FOLDER, metavar="DIR", help="Save what is inside each box."
)
drawing_style = group_of(
    option(
        "--line-width",
        section=IMAGES,
        type=PositiveIntType(1, 1000),
        metavar="N",
        standard="fitted to the image",
        help="Pixels of a line.",
    ),
    option("--hide-labels", section=IMAGES, is_flag=True, help="Draw neither names nor scores."),
    option("--hide-scores", section=IMAGES, is_flag=True, help="Draw names without scores."),
    option("--font", section=IMAGES, type=FILE, metavar="FILE", help="Font for the names."),
)
drawing = group_of(save_images, save_crops, drawing_style)

failures = group_of(
    option("--strict", section=RUN, is_flag=True, help="End at the first input that fails, with exit code 3."),
    option(
        "--max-failures",
        section=RUN,
        type=PositiveIntType(min=0),
        metavar="N",
        help="End when more than N inputs failed.",
    ),
)
dry_run = option("-n", "--dry-run", section=RUN, is_flag=True, help="List the images and say what would be done.")


def _set_progress(ctx: click.Context, param: click.Parameter, value: bool | None) -> None:
    if value is not None:
        ctx.ensure_object(Console).progress = value


progress = option(
    "--progress/--no-progress",
    section=SCREEN,
    default=None,
    expose_value=False,
    callback=_set_progress,
    standard="on a terminal",
    help="Show how far it is.",
)
as_json = option("--json", "as_json", section="Output", is_flag=True, help="Print JSON.")
