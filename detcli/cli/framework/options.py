"""Options that several commands share, each with one definition, and the sections of the help page."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import click

from detcli.checkpoints.model_files import VARIANTS
from detcli.cli.framework.command import Decorator, Option
from detcli.cli.framework.console import Console
from detcli.cli.framework.help_page import GLOBAL_OPTIONS
from detcli.cli.framework.option_types import (
    BatchSizeType,
    CommaSeparatedType,
    DeviceType,
    FormatType,
    ImageSizeType,
    PositiveIntType,
    ShardType,
    WordType,
)
from detcli.io.results.formats import suffixes_of, writable_formats

INPUT, MODEL, DETECTION, COUNTING, SPEED, OUTPUT, IMAGES, RUN = (
    "Input",
    "Model",
    "Filtering",
    "Counting",
    "Speed",
    "Results",
    "Visualization",
    "Run",
)
DEFAULT_MODEL = "dfine-s"
_MODEL_HELP = "A name from 'detcli models list', a Hub repository, a folder or a file."
_IMGSZ_HELP = "Input size: 640 (a square), HxW or H W; shortest and longest edge for models that keep the aspect ratio."


def option(*names: str, section: str, kind: type[Option] = Option, **attributes: Any) -> Decorator:
    """Decorate a command with an option in a section of its help."""
    return click.option(*names, cls=kind, section=section, **attributes)


def group_of(*decorators: Decorator) -> Decorator:
    """Combine several options into one decorator, in the order of the help page."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return decorate


FOLDER = click.Path(path_type=Path, file_okay=False)
NEW_FOLDER = click.Path(path_type=Path)  # an output; an existing file is reported by the output checks
FILE = click.Path(path_type=Path, dir_okay=False)


def model_option(*, default: str | None, standard: str | None = None, description: str = _MODEL_HELP) -> Decorator:
    """Return --model with its default; `standard` describes the default in the help page."""
    return option(
        "-m", "--model", section=MODEL, metavar="NAME", default=default, standard=standard or default, help=description
    )


model = model_option(default=DEFAULT_MODEL)
revision = option("--revision", section=MODEL, metavar="REV", help="Commit, branch or tag of the Hub repository.")
offline = option("--offline", section=MODEL, is_flag=True, help="Use only downloaded models; no network access.")
cache_dir = option(
    "--cache-dir",
    section=MODEL,
    metavar="DIR",
    type=FOLDER,
    standard="the Hugging Face cache (HF_HOME)",
    help="Folder of downloaded models.",
)
VARIANT_HELP = "Of a .pth file: dfine, or deim (also for RT-DETRv4), which has other activations."
VARIANT = WordType(
    [*VARIANTS],
    meant={"d-fine": "dfine", "rtv4": "deim", "rtdetrv4": "deim", "rt-detrv4": "deim", "deim-d-fine": "deim"},
)
variant = option(
    "--variant",
    section=MODEL,
    type=VARIANT,
    metavar="NAME",
    standard="dfine, unless the file tells",
    help=VARIANT_HELP,
)
model_location = group_of(revision, variant, offline, cache_dir)

sources = click.argument("sources", nargs=-1, metavar="[SOURCES]...")
max_pixels = option(
    "--max-pixels",
    section=INPUT,
    type=PositiveIntType(min=1),
    metavar="N",
    standard="250 million",
    help="Reject images with more pixels.",
)
shard = option(
    "--shard",
    section=INPUT,
    type=ShardType(),
    metavar="I/N",
    standard="all",
    help="Process only part I of N (2/8: the second of eight): every Nth image or video. '{shard}' in outputs is I.",
)
inputs = group_of(
    option("--no-recursive", section=INPUT, is_flag=True, help="Do not recurse into subfolders."),
    option(
        "--ext",
        section=INPUT,
        type=CommaSeparatedType(),
        metavar="LIST",
        help="File suffixes to read in folders and archives, such as jpg,png.",
    ),
    option(
        "--exclude",
        section=INPUT,
        multiple=True,
        metavar="GLOB",
        help="Skip names or paths that match GLOB; repeatable.",
    ),
    option("--files-from", section=INPUT, metavar="FILE", help="Read paths from a file; '-' is standard input."),
    option(
        "-0",
        "--null",
        "null_separated",
        section=INPUT,
        is_flag=True,
        help="Paths in --files-from end with NUL, not with a newline.",
    ),
    option("--limit", section=INPUT, type=PositiveIntType(min=1), metavar="N", help="Process only the first N images."),
    shard,
    option(
        "--watch",
        section=INPUT,
        is_flag=True,
        help="Watch the folders: also process images that arrive later, until Ctrl-C. Needs watchfiles.",
    ),
    option(
        "--new-only", section=INPUT, is_flag=True, help="With --watch, skip the images that are there at the start."
    ),
    max_pixels,
)


def imgsz_option(
    *, section: str = DETECTION, standard: str | None = "the model's", description: str = _IMGSZ_HELP
) -> Decorator:
    """Return --imgsz: one number, or height and width."""
    return option(
        "--imgsz",
        section=section,
        type=ImageSizeType(),
        metavar="SIZE",
        standard=standard,
        help=description,
    )


def output_option(
    *, metavar: str, description: str, folder: bool = False, required: bool = False, default: str | None = None
) -> Decorator:
    """Return --output of a command with one output, a file or a folder."""
    given: dict[str, Any] = {} if default is None else {"default": default}  # click takes an explicit None for a value
    return option(
        "-o",
        "--output",
        section=OUTPUT,
        required=required,
        standard=default,
        type=NEW_FOLDER if folder else None,
        metavar=metavar,
        help=description,
        **given,
    )


def data_option(*, description: str, required: bool = False, multiple: bool = False) -> Decorator:
    """Return --data: a dataset in any layout that can be read, or several."""
    return option(
        "--data",
        section=INPUT,
        required=required,
        multiple=multiple,
        type=click.Path(),
        metavar="DATA",
        help=description,
    )


def format_option(names: Sequence[str], *, standard: str) -> Decorator:
    """Return --format of a command that prints a report, in one of a few fixed formats."""
    return option(
        "-f",
        "--format",
        "format_name",
        section=OUTPUT,
        type=click.Choice(names),
        metavar="NAME",
        standard=standard,
        help=f"Output format: {' or '.join(names)}.",
    )


def dry_run_option(*, description: str) -> Decorator:
    """Return --dry-run; `description` is its help text."""
    return option("-n", "--dry-run", section=RUN, is_flag=True, help=description)


imgsz = imgsz_option()


def uncertainty_option(section: str = DETECTION) -> Decorator:
    """`--uncertainty`, in a section of the help page."""
    return option(
        "--uncertainty",
        section=section,
        is_flag=True,
        help="Add the standard deviation of each edge of a box (D-FINE models).",
    )


show_uncertainty = option(
    "--show-uncertainty",
    section=IMAGES,
    is_flag=True,
    help="Draw the uncertainty of each edge as a band (D-FINE models).",
)


def device_option(*, several: bool) -> Decorator:
    """Return --device; `several`: the command takes several devices."""
    return option(
        "-d",
        "--device",
        section=SPEED,
        type=DeviceType(several=several),
        metavar="NAME",
        default="auto",
        standard="auto",
        help="auto, cpu, cuda, cuda:0 (or 0) or mps; detect, segment and train take several: 0,1, cuda:all or cpu:2.",
    )


device = device_option(several=False)
runtime = option(
    "--runtime",
    section=SPEED,
    type=WordType(
        ["auto", "torch", "openvino", "onnx"],
        meant={"pytorch": "torch", "ov": "openvino", "ort": "onnx", "onnxruntime": "onnx", "onnx-runtime": "onnx"},
    ),
    metavar="NAME",
    default="auto",
    standard="auto",
    help="What runs the network: auto, torch, openvino or onnx (ONNX Runtime).",
)
precision = option(
    "--precision",
    section=SPEED,
    type=WordType(
        ["auto", "fp32", "tf32", "bf16", "fp16"],
        meant={"half": "fp16", "float16": "fp16", "16": "fp16", "bfloat16": "bf16", "float32": "fp32", "32": "fp32"},
    ),
    metavar="TYPE",
    default="auto",
    standard="auto",
    help="Floating-point precision: auto (fp32), fp32, tf32, bf16 or fp16.",
)
workers = option(
    "-j",
    "--workers",
    section=SPEED,
    type=PositiveIntType(1, 256),
    metavar="N",
    standard="one per core",
    help="Number of threads that decode images.",
)
queries = option(
    "--queries",
    section=SPEED,
    type=PositiveIntType(1, 100_000),
    metavar="N",
    standard="the model's",
    help="Use only the N best queries: faster, fewer detections (D-FINE, RT-DETR, two-stage Deformable DETR).",
)
decoder_layers = option(
    "--decoder-layers",
    section=SPEED,
    type=PositiveIntType(1, 64),
    metavar="N",
    standard="the model's",
    help="Predict after N decoder layers: faster, less accurate.",
)
_rest_of_speed = group_of(
    runtime,
    option(
        "-b",
        "--batch",
        section=SPEED,
        type=BatchSizeType(),
        metavar="N|auto",
        default="auto",
        standard="auto",
        help="Batch size; halved when memory runs out.",
    ),
    option(
        "--pad",
        section=SPEED,
        is_flag=True,
        help="Pad images of different sizes into one batch: faster on a GPU, slightly different results (worse for DC5).",
    ),
    precision,
    queries,
    decoder_layers,
    option("--compile", section=SPEED, is_flag=True, help="Compile the network: slower start, faster long runs."),
    workers,
    option("--no-optimize", section=SPEED, is_flag=True, help="Do not fuse BatchNorm into convolutions."),
    option("--deterministic", section=SPEED, is_flag=True, help="Identical results from every run on this machine."),
)
cluster = group_of(
    option(
        "--cluster",
        section=SPEED,
        metavar="WHERE",
        standard="this process",
        help="Run on a Ray cluster: auto (the one of this machine), ray://HOST:PORT, or local (started for the run).",
    ),
    option(
        "--cluster-workers",
        section=SPEED,
        type=PositiveIntType(1, 10_000),
        metavar="N",
        standard="one per GPU, or per 4 CPUs",
        help="Number of worker processes on the cluster.",
    ),
    option(
        "--cluster-chunk",
        section=SPEED,
        type=PositiveIntType(1, 1_000_000),
        metavar="N",
        standard="8, rising to 1000, or 5000 with GPUs",
        help="Images that a worker takes at a time and writes as one part.",
    ),
)
speed = group_of(device, _rest_of_speed)
speed_on_devices = group_of(device_option(several=True), _rest_of_speed)

replacing = group_of(
    option(
        "--if-exists",
        section=OUTPUT,
        type=WordType(["error", "overwrite", "skip"], meant={"replace": "overwrite", "fail": "error"}),
        metavar="WHAT",
        default="error",
        standard="error",
        help="If an output exists: error, overwrite or skip.",
    ),
    option("-y", "--yes", section=OUTPUT, is_flag=True, help="The same as --if-exists overwrite."),
)
resuming = group_of(
    option("--resume", section=OUTPUT, is_flag=True, help="Resume an interrupted run."),
    replacing,
)


csv_safe = option(
    "--csv-safe", section=OUTPUT, is_flag=True, help="CSV: prevent spreadsheets from running cells as formulas."
)
no_scores = option(
    "--no-scores",
    section=OUTPUT,
    is_flag=True,
    help="YOLO: a dataset without scores (data.yaml, images, labels) for labeling tools and training. VOC: no scores.",
)
rows = option(
    "--rows",
    section=OUTPUT,
    type=WordType(["images", "boxes"], meant={"image": "images", "box": "boxes", "detections": "boxes"}),
    metavar="WHAT",
    default="images",
    standard="images",
    help="Parquet: one row for each of the images or boxes.",
)
select = option(
    "--select",
    section=OUTPUT,
    metavar="RULE:N",
    standard="all images",
    help="Write results of only N images: uncertain:N (to label first), top:N (highest scores) or random:N[:SEED].",
)


def results_as(
    formats: Callable[[], tuple[str, ...]],
    *,
    boxes: bool = True,
    standard: str = "a table on a terminal, JSON Lines in a pipe",
) -> Decorator:
    """Options for the outputs of a command.

    formats   returns the names of the formats that the command can write
    boxes     they hold boxes without masks
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
            late_help=lambda: f"Output: {suffixes_of(formats())} or '-' (standard output); repeatable.",
        ),
        option(
            "-f",
            "--format",
            "format_name",
            section=OUTPUT,
            type=FormatType(lambda: (*formats(), "table")),
            metavar="NAME",
            late_help=lambda: f"Output format: {', '.join(formats())} or table.",
        ),
        option(
            "--header",
            section=OUTPUT,
            is_flag=True,
            help="JSON Lines: write model, version and arguments in the first line.",
        ),
        csv_safe,
        *([no_scores] if boxes else []),
        rows,
        option(
            "--gt",
            section=OUTPUT,
            type=FILE,
            metavar="FILE",
            help="COCO annotations that define image and category ids.",
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
    help="Save annotated images.",
)
save_crops = option("--save-crops", section=IMAGES, type=NEW_FOLDER, metavar="DIR", help="Save a crop of each box.")
drawing_style = group_of(
    option(
        "--line-width",
        section=IMAGES,
        type=PositiveIntType(1, 1000),
        metavar="N",
        standard="fitted to the image",
        help="Line width in pixels.",
    ),
    option("--hide-labels", section=IMAGES, is_flag=True, help="Do not draw class names and scores."),
    option("--hide-scores", section=IMAGES, is_flag=True, help="Do not draw scores."),
    option("--font", section=IMAGES, type=FILE, metavar="FILE", help="Font file for class names."),
)
drawing = group_of(save_images, save_crops, drawing_style)

failures = group_of(
    option("--strict", section=RUN, is_flag=True, help="Stop at the first input that fails; exit code 3."),
    option(
        "--max-failures",
        section=RUN,
        type=PositiveIntType(min=0),
        metavar="N",
        help="Stop when more than N inputs failed.",
    ),
)
dry_run = dry_run_option(description="List the inputs, and show what would be done and how long it takes.")


def _set_progress(ctx: click.Context, param: click.Parameter, value: bool | None) -> None:
    if value is not None:
        ctx.ensure_object(Console).progress = value


progress = option(
    "--progress/--no-progress",
    section=GLOBAL_OPTIONS,
    default=None,
    expose_value=False,
    callback=_set_progress,
    standard="on a terminal",
    help="Show progress.",
)


def as_json_option(*, section: str = "Output") -> Decorator:
    """Return --json of a command that prints a table."""
    return option("--json", "as_json", section=section, is_flag=True, help="Print JSON.")


as_json = as_json_option()
