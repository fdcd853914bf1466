"""The options of `detcli video` that `detect` has not, or words in another way."""

import math
import re
from pathlib import Path
from typing import Any

import click

from detcli.cli.framework import options
from detcli.cli.framework.options import DETECTION, IMAGES, INPUT, RUN, group_of, option


class SecondsType(click.ParamType):  # type: ignore[type-arg]  # generic in newer clicks only
    """A length of time: 90, 1.5, 1:30 or 1:02:03.5.

    above_zero  whether nothing at all is refused
    """

    name = "time"

    def __init__(self, *, above_zero: bool = False) -> None:
        self._above_zero = above_zero

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read it as seconds, or fail."""
        match = re.fullmatch(r"(?:(?:(\d{1,6}):)?(\d{1,6}):)?(\d{1,12}(?:\.\d*)?|\.\d+)s?", str(value), re.ASCII)
        if match is None:
            self.fail(f"{str(value)[:40]!r} is no time: 90, 1.5, 1:30 and 1:02:03 are", param, ctx)
        hours, minutes, seconds = (float(part or 0) for part in match.groups())
        if (match[1] and minutes >= 60) or (match[2] and seconds >= 60):
            self.fail(
                f"{str(value)[:40]!r} is no time: minutes and seconds behind a colon are less than 60", param, ctx
            )
        if self._above_zero and not hours + minutes + seconds:
            self.fail("no time at all is nothing to look at", param, ctx)
        return 3600 * hours + 60 * minutes + seconds


class FrameRateType(click.ParamType):  # type: ignore[type-arg]  # generic in newer clicks only
    """Frames a second: 5, 0.1, 29.97 or 30000/1001."""

    name = "rate"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read it, or fail."""
        over, _, under = str(value).partition("/")
        try:
            rate = float(over) / float(under or 1)
        except (ValueError, ZeroDivisionError):
            rate = math.nan
        if not 0 < rate <= 100_000:  # also NaN
            self.fail(f"{str(value)[:40]!r} is not a number of frames a second", param, ctx)
        return rate


class ImageSizeType(click.ParamType):  # type: ignore[type-arg]  # generic in newer clicks only
    """Width and height as everybody writes them, 1280x720; held as height and width."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        """Read it, or fail."""
        if isinstance(value, tuple):
            return value
        match = re.fullmatch(r"(\d{1,5})[xX*](\d{1,5})", str(value), re.ASCII)
        if match is None or not all(int(side) for side in match.groups()):
            self.fail(f"{str(value)[:40]!r} is no size such as 1280x720", param, ctx)
        return int(match[2]), int(match[1])


frames = group_of(
    option(
        "--stride",
        section=INPUT,
        type=options.PositiveIntType(min=1),
        metavar="N",
        default=1,
        standard="1",
        help="Look at every Nth frame.",
    ),
    option("--fps", section=INPUT, type=FrameRateType(), metavar="N", help="Look at N frames a second at most."),
    option(
        "--start",
        section=INPUT,
        type=SecondsType(),
        metavar="TIME",
        default=0.0,
        standard="the beginning",
        help="Begin there: seconds, or 1:30.",
    ),
    option(
        "--duration",
        section=INPUT,
        type=SecondsType(above_zero=True),
        metavar="TIME",
        help="End after so long: seconds, or 1:30.",
    ),
    option("--max-frames", section=INPUT, type=options.PositiveIntType(min=1), metavar="N", help="End after N frames."),
    option(
        "--live/--no-live",
        section=INPUT,
        default=None,
        standard="on for cameras and streams",
        help="Drop frames that wait, rather than fall behind; off: look at every one.",
    ),
    option("--no-reconnect", section=INPUT, is_flag=True, help="End when a stream or camera is lost."),
    option(
        "--camera-size",
        section=INPUT,
        type=ImageSizeType(),
        metavar="WxH",
        standard="the camera's",
        help="Ask a camera for it.",
    ),
    option(
        "--camera-rate",
        section=INPUT,
        type=FrameRateType(),
        metavar="N",
        standard="the camera's",
        help="Ask a camera for N frames a second.",
    ),
    options.max_pixels,
)
tracking = option(
    "--track",
    section=DETECTION,
    is_flag=True,
    help="Follow each object: the same number in every frame it is seen in. It begins with a box 0.1 above the threshold "
    "and goes on with boxes down to 0.1; boxes of none are dropped.",
)
results = options.results_as(options.BOX_FORMATS, standard="the status line alone on a terminal, JSON Lines in a pipe")
dry_run = option("-n", "--dry-run", section=RUN, is_flag=True, help="Look at the sources and say what would be done.")
drawing = group_of(
    option(
        "--save-video",
        section=IMAGES,
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Save an annotated video: .mp4, .mkv, .mov or .webm; a folder for several.",
    ),
    option("--show", section=IMAGES, is_flag=True, help="Show the frames in a window; 'q' ends."),
    options.drawing,
)
