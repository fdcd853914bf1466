"""The options that only `detcli video` has, or has with another help text."""

import math
import re
from pathlib import Path
from typing import Any

import click

from detcli.cli.detect.video.seconds_type import SecondsType
from detcli.cli.framework.option_types import PositiveIntType
from detcli.cli.framework.options import drawing_options, input_options, output_options, run_options
from detcli.cli.framework.options.help_sections import DETECTION, IMAGES, INPUT, group_of, option


class FrameRateType(click.ParamType):  # type: ignore[type-arg]  # generic in newer clicks only
    """Frames per second: 5, 0.1, 29.97 or 30000/1001."""

    name = "rate"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Convert to frames per second, or fail."""
        numerator, _, denominator = str(value).partition("/")
        try:
            rate = float(numerator) / float(denominator or 1)
        except (ValueError, ZeroDivisionError):
            rate = math.nan
        if not 0 < rate <= 100_000:  # also NaN
            self.fail(f"{str(value)[:40]!r} is not a number of frames per second", param, ctx)
        return rate


class CameraSizeType(click.ParamType):  # type: ignore[type-arg]  # generic in newer clicks only
    """Width and height as in 1280x720; the value is (height, width)."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        """Convert to height and width, or fail."""
        if isinstance(value, tuple):
            return value
        match = re.fullmatch(r"(\d{1,5})[xX*](\d{1,5})", str(value), re.ASCII)
        if match is None or not all(int(side) for side in match.groups()):
            self.fail(f"{str(value)[:40]!r} is not a size such as 1280x720", param, ctx)
        return int(match[2]), int(match[1])


frames = group_of(
    input_options.shard,
    option(
        "--stride",
        section=INPUT,
        type=PositiveIntType(min=1),
        metavar="N",
        default=1,
        standard="1",
        help="Process every Nth frame.",
    ),
    option("--fps", section=INPUT, type=FrameRateType(), metavar="N", help="Process at most N frames per second."),
    option(
        "--start",
        section=INPUT,
        type=SecondsType(),
        metavar="TIME",
        default=0.0,
        standard="the start",
        help="Start time: seconds, or 1:30.",
    ),
    option(
        "--duration",
        section=INPUT,
        type=SecondsType(above_zero=True),
        metavar="TIME",
        help="Maximum duration: seconds, or 1:30.",
    ),
    option(
        "--max-frames",
        section=INPUT,
        type=PositiveIntType(min=1),
        metavar="N",
        help="Maximum number of frames.",
    ),
    option(
        "--live/--no-live",
        section=INPUT,
        default=None,
        standard="on for cameras and streams",
        help="Drop late frames to keep latency low; off: process every frame.",
    ),
    option("--no-reconnect", section=INPUT, is_flag=True, help="Stop when a stream or camera is lost."),
    option(
        "--camera-size",
        section=INPUT,
        type=CameraSizeType(),
        metavar="WxH",
        standard="the camera's",
        help="Camera resolution to request.",
    ),
    option(
        "--camera-rate",
        section=INPUT,
        type=FrameRateType(),
        metavar="N",
        standard="the camera's",
        help="Camera frame rate to request.",
    ),
    input_options.max_pixels,
)
tracking = group_of(
    option(
        "--track",
        section=DETECTION,
        is_flag=True,
        help="Track objects: the same number for an object in every frame. A track starts with a box 0.1 above the threshold; "
        "boxes down to 0.1 keep it alive. Boxes without a track, and boxes below the threshold, are dropped.",
    ),
    option(
        "--weak-boxes",
        section=DETECTION,
        is_flag=True,
        help="With --track, keep the boxes of tracks that score below the threshold.",
    ),
)
results = output_options.results_as(
    output_options.BOX_FORMATS, standard="progress only on a terminal, JSON Lines in a pipe"
)
dry_run = run_options.dry_run_option(description="Open the sources, and show what would be done and how long it takes.")
drawing = group_of(
    option(
        "--save-video",
        section=IMAGES,
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Save an annotated video: .mp4, .mkv, .mov or .webm; a folder for several.",
    ),
    option("--show", section=IMAGES, is_flag=True, help="Show the frames in a window; 'q' ends."),
    drawing_options.drawing,
)
