"""The options of `detcli train` that no other command has, and what they ask for as one typed record."""

from dataclasses import dataclass
from pathlib import Path

import click

from detcli.cli.framework.options import (
    FILE,
    FOLDER,
    INPUT,
    MODEL,
    NEW_FOLDER,
    OUTPUT,
    PositiveIntType,
    ScoreType,
    device,
    group_of,
    option,
    precision,
    resuming,
    workers,
)
from detcli.io.outputs import IfExists

RECIPE = "Recipe"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainRequest:
    """What the command line, the environment and the settings files ask of `train`; named as the options."""

    data: str
    val: str | None
    images: Path | None
    val_images: Path | None
    model: str
    scratch: bool
    revision: str | None
    offline: bool
    cache_dir: Path | None
    recipe: Path | None
    epochs: int | None
    step_images: int | None
    accumulate: int | None
    masks: bool
    lr: float | None
    imgsz: tuple[int, int] | None
    mosaic: float | None
    seed: int | None
    precision: str
    evaluate_every: int | None
    changes: tuple[str, ...]
    device: str
    workers: int | None
    output: Path | None
    resume: bool
    if_exists: IfExists
    yes: bool
    dry_run: bool


data = group_of(
    option(
        "--data",
        section=INPUT,
        required=True,
        type=click.Path(),
        metavar="DATA",
        help="What to learn from: COCO annotations (.json), panoptic ones too, a folder of them, a YOLO folder, or shapes.",
    ),
    option(
        "--val",
        section=INPUT,
        type=click.Path(),
        metavar="DATA",
        standard="the part of --data for it",
        help="What to evaluate by after each epoch.",
    ),
    option("--images", section=INPUT, type=FOLDER, metavar="DIR", help="Folder that file names of --data start from."),
    option("--val-images", section=INPUT, type=FOLDER, metavar="DIR", help="The same for --val."),
)
scratch = option(
    "--scratch", section=MODEL, is_flag=True, help="Begin with random weights; the model may be a config.json."
)
recipe = group_of(
    option(
        "--recipe",
        section=RECIPE,
        type=FILE,
        metavar="FILE",
        standard="the model's published one",
        help="Numbers of the run from a TOML file.",
    ),
    option(
        "--epochs",
        section=RECIPE,
        type=PositiveIntType(min=1),
        metavar="N",
        help="Skips the images.",
    ),
    option(
        "-b",
        "--batch",
        "step_images",
        section=RECIPE,
        type=PositiveIntType(min=1),
        metavar="N",
        help="Images a step, over all processes; the learning rates scale with it.",
    ),
    option(
        "--accumulate",
        section=RECIPE,
        type=PositiveIntType(min=1),
        metavar="N",
        help="Parts that a step is computed in, where memory is short.",
    ),
    option(
        "--lr",
        section=RECIPE,
        type=click.FloatRange(min=0),
        metavar="RATE",
        help="Learning rate of the batch at hand; the backbone's moves along.",
    ),
    option(
        "--imgsz",
        section=RECIPE,
        nargs=2,
        type=PositiveIntType(min=1),
        metavar="H W",
        help="Size of the network's input; shortest and longest side for models that keep proportions.",
    ),
    option(
        "--mosaic",
        section=RECIPE,
        type=ScoreType(),
        metavar="CHANCE",
        help="How often four images become one, from 0 to 1.",
    ),
    option(
        "--masks",
        section=RECIPE,
        is_flag=True,
        help="Give a DETR that finds boxes a mask head, and train that alone.",
    ),
    option(
        "--seed",
        section=RECIPE,
        type=PositiveIntType(min=0),
        metavar="N",
        help="What all random numbers follow from.",
    ),
    option(
        "--evaluate-every",
        section=RECIPE,
        type=PositiveIntType(min=1),
        metavar="N",
        help="Evaluate after every N epochs.",
    ),
    option(
        "--set",
        "changes",
        section=RECIPE,
        multiple=True,
        metavar="NAME=VALUE",
        help="Any number of the recipe, such as clip=0.5; repeatable.",
    ),
)
speed = group_of(device, precision, workers)
output = group_of(
    option(
        "-o",
        "--output",
        section=OUTPUT,
        type=NEW_FOLDER,
        metavar="RUN",
        help="Folder of the run: the models best and last, metrics, curves, and what --resume needs.",
    ),
    resuming,
)
