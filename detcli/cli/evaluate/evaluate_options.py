"""The options of `detcli eval` that no other command has, and what they ask for as one typed record."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import click

from detcli.cli.framework.options import (
    DETECTION,
    FILE,
    FOLDER,
    IMAGES,
    INPUT,
    MODEL,
    NEW_FOLDER,
    OUTPUT,
    FormatType,
    PositiveIntType,
    ScoreType,
    group_of,
    option,
)
from detcli.io.outputs import IfExists
from detcli.io.results.formats import readable_formats


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateRequest:
    """What the command line, the environment and the settings files ask of `eval`; named as the options."""

    results: Path | None
    gt: Path | None
    results_format: str | None
    data: str | None
    images: Path | None
    model: str | None
    revision: str | None
    offline: bool
    cache_dir: Path | None
    threshold: float | None
    max_det: int
    iou_type: Literal["bbox", "segm", "panoptic"]
    imgsz: tuple[int, int] | None
    device: str
    batch: int | None
    pad: bool
    precision: str
    compile: bool
    workers: int | None
    no_optimize: bool
    deterministic: bool
    output: str | None
    format_name: str | None
    save_plots: Path | None
    if_exists: IfExists
    yes: bool
    save_worst: Path | None
    worst: int
    score: float
    min_map: float | None


results = click.argument("results", required=False, metavar="[RESULTS]", type=click.Path(path_type=Path))
ground_truth = group_of(
    option("--gt", section=INPUT, type=FILE, metavar="FILE", help="COCO annotations to evaluate RESULTS against."),
    option(
        "--results-format",
        section=INPUT,
        type=FormatType(readable_formats),
        metavar="NAME",
        standard="by suffix and first bytes",
        late_help=lambda: f"Format of RESULTS: {', '.join(readable_formats())}.",
    ),
    option(
        "--data",
        section=INPUT,
        type=click.Path(),
        metavar="DATA",
        help="Evaluate a model on this: COCO annotations (.json), a folder of them, a YOLO folder, or shapes.",
    ),
    option(
        "--images",
        section=INPUT,
        type=FOLDER,
        metavar="DIR",
        standard="found next to the annotations",
        help="Folder that file names of --gt or --data start from.",
    ),
)
model = option(
    "-m",
    "--model",
    section=MODEL,
    metavar="NAME",
    standard="dfine-s, with --data",
    help="The model to evaluate: a name from 'detcli models list', a Hub repository, a folder or a file.",
)
kept = group_of(
    option(
        "-t",
        "--threshold",
        "--conf",
        section=DETECTION,
        aliases=("--conf",),
        type=ScoreType(),
        metavar="SCORE",
        standard="0; for panoptic quality the model's",
        help="Keep what scores above it; anything but 0 lowers AP.",
    ),
    option(
        "--max-det",
        section=DETECTION,
        type=PositiveIntType(1, 100_000),
        metavar="N",
        default=300,
        standard="300",
        help="Keep at most N of the best an image.",
    ),
    option(
        "--iou-type",
        section=DETECTION,
        type=click.Choice(["bbox", "segm", "panoptic"]),
        metavar="NAME",
        default="bbox",
        standard="bbox",
        help="Evaluate boxes (bbox), masks of instances (segm), or by panoptic quality (panoptic).",
    ),
    option(
        "--imgsz",
        section=DETECTION,
        nargs=2,
        type=PositiveIntType(min=1),
        metavar="H W",
        standard="the model's",
        help="Size of the network's input; shortest and longest side for models that keep proportions.",
    ),
)
report = group_of(
    option("-o", "--output", section=OUTPUT, metavar="FILE", help="Write a report with every figure as JSON."),
    option(
        "-f",
        "--format",
        "format_name",
        section=OUTPUT,
        type=click.Choice(["table", "json"]),
        metavar="NAME",
        standard="table on a terminal, json in a pipe",
        help="What is printed: table or json.",
    ),
    option(
        "--save-plots",
        section=OUTPUT,
        type=NEW_FOLDER,
        metavar="DIR",
        help="Save pr_curves.png and confusion.png.",
    ),
    option(
        "--min-map",
        section=OUTPUT,
        type=ScoreType(),
        metavar="AP",
        help="End with exit code 10 if AP (IoU 0.50 to 0.95) is below it.",
    ),
)
mistakes = group_of(
    option(
        "--score",
        section=IMAGES,
        type=ScoreType(),
        metavar="SCORE",
        default=0.25,
        standard="0.25",
        help="Boxes above it count in the confusion matrix and as mistakes.",
    ),
    option(
        "--save-worst",
        section=IMAGES,
        type=NEW_FOLDER,
        metavar="DIR",
        help="Save the images with the most mistakes, drawn.",
    ),
    option(
        "--worst",
        section=IMAGES,
        type=PositiveIntType(1, 10_000),
        metavar="N",
        default=20,
        standard="20",
        help="So many of them.",
    ),
)
