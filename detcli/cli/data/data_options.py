"""The options that the commands for datasets share."""

from collections.abc import Mapping
from typing import Any

import click

from detcli.cli.framework.option_types import FOLDER
from detcli.cli.framework.options.help_sections import INPUT, group_of, option
from detcli.cli.framework.options.model_options import imgsz_option, model_option
from detcli.cli.framework.options.option import Decorator

DATASET_HELP = (
    "DATA is a dataset as 'detcli train' takes it: a COCO annotation file, a folder of COCO, YOLO, Pascal VOC or "
    "LabelMe, XML of CVAT, or 'shapes'."
)
PARTS = ("train", "val", "test")
data = click.argument("data", metavar="DATA", type=click.Path())
images = option(
    "--images",
    section=INPUT,
    type=FOLDER,
    metavar="DIR",
    standard="found next to the annotations",
    help="Folder that the file names in DATA are relative to.",
)
part = option(
    "--part",
    section=INPUT,
    type=click.Choice(PARTS),
    metavar="NAME",
    standard="all that DATA has",
    help="Only this part of DATA: train, val or test.",
)
first_pixel = option(
    "--first-pixel",
    section=INPUT,
    type=click.Choice(["0", "1"]),
    metavar="N",
    standard="found in the files",
    help="Number of the first pixel in Pascal VOC: 0 or 1.",
)
val_images = option("--val-images", section=INPUT, type=FOLDER, metavar="DIR", help="The same for --val.")


def val_option(*, standard: str) -> Decorator:
    """Return --val: datasets for validation."""
    return option(
        "--val",
        section=INPUT,
        multiple=True,
        type=click.Path(),
        metavar="DATA",
        standard=standard,
        help="Validation data, which 'train' evaluates after each epoch; repeatable.",
    )


sizing_model = model_option(
    default=None, standard="images are stretched to --imgsz", description="Model that gives the input size."
)
imgsz = imgsz_option(
    section="Boxes",
    standard="640",
    description="Input size of the model that boxes are resized to: 640 (a square) or HxW.",
)
dataset = group_of(data, val_option(standard="the validation part of DATA"), images, val_images, part)
"""DATA, with its validation data, its folder of images, and the choice of a part."""


def dataset_fields(options: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a `DataRequest` from `dataset`."""
    return {name: options[name] for name in ("data", "val", "images", "val_images", "part")}
