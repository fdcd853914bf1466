"""The options that say which detections are kept."""

from detcli.cli.framework import options
from detcli.cli.framework.assignments import ThresholdOption
from detcli.cli.framework.command import Decorator
from detcli.cli.framework.option_types import CommaSeparatedType, NmsType, PositiveIntType
from detcli.cli.framework.options import DETECTION, group_of, option

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
detection = group_of(
    threshold_option(standard="0.4, or the model's; 0 for coco-results", description="Minimum score."),
    nms_option(standard="off, or the model's (0.7 of shapes); off for coco-results"),
    nms_agnostic,
    max_det,
    classes,
    options.imgsz,
)
