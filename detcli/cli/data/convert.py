"""`detcli data convert`: writes a dataset in another format."""

from typing import Any

import click

from detcli.cli.data import data_options, writing_options
from detcli.cli.framework.command import Command, UsageExample, pass_console
from detcli.cli.framework.console import Console
from detcli.cli.framework.options import run_options, speed_options
from detcli.cli.framework.options.help_sections import OUTPUT, option
from detcli.cli.framework.text import counted

_FORMATS = ("coco", "yolo", "voc", "label-studio")


@click.command(
    name="convert",
    cls=Command,
    examples=[
        UsageExample("COCO annotations as a YOLO dataset", "detcli data convert annotations.json -f yolo -o yolo/"),
        UsageExample("copies of the images instead of links", "detcli data convert d/ -f coco --copy-images -o coco/"),
        UsageExample("to correct in Label Studio", "detcli data convert dataset/ -f label-studio -o tasks/"),
    ],
)
@data_options.data
@data_options.images
@writing_options.part
@data_options.first_pixel
@option(
    "-f",
    "--format",
    "format_name",
    section=OUTPUT,
    required=True,
    type=click.Choice(_FORMATS),
    metavar="NAME",
    help=f"Format of the new dataset: {', '.join(_FORMATS)}.",
)
@writing_options.output
@option("--no-masks", section=OUTPUT, is_flag=True, help="Write only boxes, also where DATA has masks.")
@speed_options.workers
@run_options.progress
@pass_console
def convert(console: Console, /, **given: Any) -> int:
    """Write a dataset in another format.

    DATA is a dataset as 'detcli train' takes it, in any format that it reads; the parts train, val and test stay apart. DIR gets
    the annotations, and links to the images, and is read by 'detcli train --data DIR'. Names of classes and their order are
    kept, in COCO also their ids. Masks become polygons in YOLO, VOC and Label Studio. What a format cannot hold is said.
    """
    from detcli.cli.data.data_view import DataView
    from detcli.engine.data.convert_data import convert_data
    from detcli.engine.data.convert_request import ConvertRequest

    request = ConvertRequest(
        **writing_options.output_fields(console, given), format=given["format_name"], masks=not given["no_masks"]
    )
    with DataView(console, first=f"reading data {request.data}") as view:
        report = convert_data(request, observer=view)
    if report.skipped:
        return 0
    images, boxes = sum(part.images for part in report.parts), sum(part.boxes for part in report.parts)
    parts = ", ".join(f"{part.name} {part.images:,}" for part in report.parts if part.name != "data")
    console.summary(
        f"{counted(images, 'image')}{f' ({parts})' if parts else ''}, {counted(boxes, 'box', 'boxes')} -> {request.output}",
        images=images,
        boxes=boxes,
        parts={part.name: part.images for part in report.parts},
        output=str(request.output),
    )
    return 0
