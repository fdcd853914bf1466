"""The options of counting, and what they make of a request."""

from typing import Any

import click

from detcli.cli.detect.video.seconds_type import SecondsType
from detcli.cli.framework.option_types import NEW_FOLDER, WordType
from detcli.cli.framework.options.help_sections import COUNTING, group_of, option
from detcli.counting.count_settings import ANCHORS, DEFAULT_BIN_S, DEFAULT_MARGIN, CountSettings

zones = option(
    "--zone",
    "zones",
    section=COUNTING,
    multiple=True,
    metavar="NAME=X,Y,...",
    help="A zone with three corners or more, in pixels or percent: yard=10%,50%,90%,50%,50%,100%; repeatable.",
)
lines = option(
    "--line",
    "lines",
    section=COUNTING,
    multiple=True,
    metavar="NAME=X1,Y1,X2,Y2",
    help="A line for tracked objects to cross, in pixels or percent of the frame; repeatable. From right to left, seen from the "
    "first point to the second, is 'in'.",
)
anchor = option(
    "--anchor",
    section=COUNTING,
    type=WordType(ANCHORS, meant={"bottom": "bottom-center", "middle": "center", "bottom_center": "bottom-center"}),
    metavar="POINT",
    default=ANCHORS[0],
    standard=ANCHORS[0],
    help="The point of a box that counts: bottom-center or center.",
)
margin = option(
    "--margin",
    section=COUNTING,
    type=click.FLOAT,
    metavar="SHARE",
    default=DEFAULT_MARGIN,
    standard=f"{DEFAULT_MARGIN:g}",
    help="How far beyond a line or zone an object must get, as a share of the size of its box; against jitter.",
)
bins = option(
    "--bin",
    "bin",
    section=COUNTING,
    type=SecondsType(above_zero=True),
    metavar="TIME",
    default=DEFAULT_BIN_S,
    standard="60 (a minute)",
    help="Time that each row of --counts is about: seconds, or 1:30.",
)
events = option(
    "--events",
    section=COUNTING,
    type=NEW_FOLDER,
    metavar="FILE",
    help="Table of crossings and visits, one by one: .csv or .jsonl.",
)
counts = option(
    "--counts",
    section=COUNTING,
    type=NEW_FOLDER,
    metavar="FILE",
    help="Table of counts, per image or interval, line, zone and class: .csv or .jsonl.",
)
of_images = group_of(counts, zones, anchor)
of_videos = group_of(lines, zones, counts, events, anchor, margin, bins)


def count_settings(options: dict[str, Any]) -> CountSettings:
    """What is counted; an option that a command does not have keeps its default."""
    return CountSettings(
        lines=options.get("lines", ()),
        zones=options.get("zones", ()),
        anchor=options.get("anchor", ANCHORS[0]),
        margin=options.get("margin", DEFAULT_MARGIN),
        bin_s=options.get("bin", DEFAULT_BIN_S),
    )
