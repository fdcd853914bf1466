"""The options that say which detections are kept."""

import click

from detcli.cli.framework.assignments import ThresholdOption
from detcli.cli.framework.option_types import CommaSeparatedType, NmsType, PositiveIntType
from detcli.cli.framework.options import model_options
from detcli.cli.framework.options.help_sections import DETECTION, group_of, option
from detcli.cli.framework.options.option import Decorator

_CLASS_SCORES = "CLASS=SCORE is for one class: 0.4,person=0.6; repeatable; also --conf."


def threshold_option(*, standard: str, description: str) -> Decorator:
    """Return --threshold, also --conf; `standard` describes its default."""
    return option(
        "-t",
        "--threshold",
        "--conf",
        kind=ThresholdOption,
        section=DETECTION,
        aliases=("--conf",),
        metavar="SCORE",
        standard=standard,
        help=f"{description} {_CLASS_SCORES}",
    )


def nms_option(*, standard: str) -> Decorator:
    """Return --nms; `standard` describes its default."""
    return option(
        "--nms",
        section=DETECTION,
        type=NmsType(),
        metavar="IOU",
        standard=standard,
        help="Remove boxes that overlap a better one of their class by more than IOU; off: none.",
    )


classes = option(
    "--classes",
    section=DETECTION,
    type=CommaSeparatedType(),
    metavar="LIST",
    help="Keep only these classes, by name or class index: person,dog.",
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
nms_agnostic = option(
    "--nms-agnostic", section=DETECTION, is_flag=True, help="With --nms, also remove boxes of other classes."
)
tiles = group_of(
    option(
        "--tile",
        section=DETECTION,
        type=PositiveIntType(32, 100_000),
        metavar="SIZE",
        standard="off",
        help="Cut larger images into tiles of SIZE x SIZE pixels, for small objects; --max-det is then for each tile.",
    ),
    option(
        "--tile-overlap",
        section=DETECTION,
        type=click.FLOAT,
        metavar="SHARE",
        standard="0.2",
        help="Least overlap of tiles, as a share of SIZE from 0 to 0.9.",
    ),
    option(
        "--tile-and-full",
        section=DETECTION,
        is_flag=True,
        help="With --tile, also detect in the whole image, for objects larger than a tile.",
    ),
)
detection = group_of(
    threshold_option(standard="0.4, or the model's; 0 for coco-results", description="Minimum score."),
    nms_option(standard="off, or the model's (0.7 of shapes); off for coco-results"),
    nms_agnostic,
    max_det,
    classes,
    model_options.imgsz,
    tiles,
)
