"""The options of `detcli train` that no other command has."""

from typing import Any

import click

from detcli.cli.data import data_options
from detcli.cli.framework.option_types import (
    FILE,
    FOLDER,
    NEW_FOLDER,
    CommaSeparatedType,
    PositiveFloatType,
    PositiveIntType,
    ScoreType,
)
from detcli.cli.framework.options import input_options, model_options, output_options
from detcli.cli.framework.options.help_sections import INPUT, MODEL, OUTPUT, SPEED, group_of, option
from detcli.cli.framework.options.output_options import resuming
from detcli.cli.framework.options.speed_options import device_option, precision, workers

RECIPE = "Recipe"


class TotalBatchType(PositiveIntType):
    """A number of images from 1, or auto."""

    name = "batch"

    def __init__(self) -> None:
        super().__init__(min=1)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read the value, or fail."""
        if value == "auto":
            return value
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            self.fail(f"{str(value)[:40]!r} is neither auto nor an integer from 1", param, ctx)


data = group_of(
    input_options.data_option(
        required=True,
        multiple=True,
        description="Training data: COCO annotations (.json), panoptic ones too, a folder of COCO, YOLO, Pascal VOC or LabelMe, XML of CVAT, "
        "JSON of Label Studio, .tar of WebDataset, .parquet, or shapes; repeatable, classes are united by name.",
    ),
    data_options.val_option(standard="the validation part of --data"),
    option(
        "--train-classes",
        section=INPUT,
        type=CommaSeparatedType(),
        metavar="LIST",
        standard="all",
        help="Train only these classes (comma-separated); boxes of others are left out.",
    ),
    option(
        "--map",
        "map_classes",
        section=INPUT,
        multiple=True,
        metavar="OLD=NEW",
        help="Train the class OLD of the data as NEW; repeatable.",
    ),
    option(
        "--images",
        section=INPUT,
        type=FOLDER,
        metavar="DIR",
        help="Folder that the file names in --data are relative to.",
    ),
    data_options.val_images,
)
scratch = option("--scratch", section=MODEL, is_flag=True, help="Train from scratch; the model may be a config.json.")
teacher = option(
    "--teacher",
    section=MODEL,
    metavar="NAME",
    help="Also learn from this trained model, usually a larger one, with all classes of the data.",
)
recipe = group_of(
    option(
        "--recipe",
        section=RECIPE,
        type=FILE,
        metavar="FILE",
        standard="the published recipe of the model",
        help="Training recipe (TOML).",
    ),
    option(
        "--epochs",
        section=RECIPE,
        type=PositiveIntType(min=1),
        metavar="N",
        help="Number of epochs.",
    ),
    option(
        "-b",
        "--batch",
        "batch_size",
        section=RECIPE,
        type=TotalBatchType(),
        metavar="N|auto",
        help="Total batch size; the learning rates scale with it. auto: the largest up to the recipe's that fits into memory.",
    ),
    option(
        "--accumulate",
        section=RECIPE,
        type=PositiveIntType(min=1),
        metavar="N",
        help="Gradient accumulation steps.",
    ),
    option(
        "--lr",
        section=RECIPE,
        type=PositiveFloatType(),
        metavar="RATE",
        help="Learning rate for this batch size; scales the backbone's rate too.",
    ),
    model_options.imgsz_option(section=RECIPE, standard=None),
    option(
        "--mosaic",
        section=RECIPE,
        type=ScoreType(),
        metavar="PROBABILITY",
        help="Mosaic probability, from 0 to 1.",
    ),
    option(
        "--masks",
        section=RECIPE,
        is_flag=True,
        help="Add a mask head to a DETR detector, and train only that.",
    ),
    option(
        "--seed",
        section=RECIPE,
        type=PositiveIntType(min=0),
        metavar="N",
        help="Random seed.",
    ),
    option(
        "--evaluate-every",
        section=RECIPE,
        type=PositiveIntType(min=1),
        metavar="N",
        help="Evaluate every N epochs.",
    ),
    option(
        "--patience",
        section=RECIPE,
        type=PositiveIntType(min=1),
        metavar="N",
        help="End training after N epochs without a higher AP.",
    ),
    option(
        "--freeze",
        section=RECIPE,
        type=CommaSeparatedType(),
        metavar="PARTS",
        help="Do not train these: backbone, encoder, all-but-heads, or the start of parameter names (comma-separated).",
    ),
    option(
        "--set",
        "changes",
        section=RECIPE,
        multiple=True,
        metavar="NAME=VALUE",
        help="Any field of the recipe, such as clip=0.5; repeatable.",
    ),
)
speed = group_of(
    device_option(several=True),
    precision,
    workers,
    option(
        "--max-hours",
        section=SPEED,
        type=PositiveFloatType(),
        metavar="HOURS",
        help="End the run before it takes longer; --resume continues it.",
    ),
)
find_lr = option(
    "--find-lr",
    section=OUTPUT,
    type=NEW_FOLDER,
    metavar="PLOT",
    help="Find a learning rate: save the plot of a short trial as PNG, and print the recipe with the rate. Do not train.",
)
show_batch = group_of(
    option(
        "--show-batch",
        section=OUTPUT,
        type=NEW_FOLDER,
        metavar="FILE",
        help="Save the first augmented images with their boxes, masks and class names, as the network gets them (.jpg, .png). Do not train.",
    ),
    option(
        "--show-images",
        section=OUTPUT,
        type=PositiveIntType(min=1, max=100),
        metavar="N",
        help="Number of images of --show-batch.",
        standard="16",
    ),
    option(
        "--show-epoch",
        section=OUTPUT,
        type=PositiveIntType(min=1),
        metavar="N",
        help="Epoch of --show-batch, counted from 1.",
        standard="1",
    ),
)
output = group_of(
    output_options.output_option(
        folder=True,
        metavar="RUN",
        description="Run folder: the models best and last, metrics, curves, and the state for --resume.",
    ),
    option(
        "--log-to",
        section=OUTPUT,
        type=CommaSeparatedType(),
        metavar="LOGGERS",
        standard="tensorboard, where it is installed",
        help="Also log to these: tensorboard, wandb, mlflow, clearml (comma-separated), or none.",
    ),
    resuming,
)
