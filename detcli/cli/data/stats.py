"""`detcli data stats`: counts and sizes of images, boxes and classes."""

import sys
from typing import Any

import click

from detcli.cli.data import data_options
from detcli.cli.framework.command import Command, UsageExample, pass_console
from detcli.cli.framework.console import Console, is_terminal
from detcli.cli.framework.options import output_options
from detcli.cli.framework.text import counted


@click.command(
    cls=Command,
    examples=[
        UsageExample("a table of all parts", "detcli data stats dataset/"),
        UsageExample("plots, too, for a model with a smaller input", "detcli data stats d/ --imgsz 320 -o statistics/"),
        UsageExample("boxes as a model gets them", "detcli data stats d/ -m dfine-s"),
        UsageExample(
            "boxes of each class of the first part",
            "detcli data stats d/ --json | jq '.parts[0].classes[] | {name, boxes}'",
        ),
    ],
)
@data_options.dataset
@data_options.sizing_model
@data_options.imgsz
@output_options.output_option(
    folder=True, metavar="FOLDER", description="Write classes.png, boxes.png, images.png and statistics.json."
)
@output_options.replacing
@output_options.as_json
@pass_console
def stats(console: Console, /, *, as_json: bool, **given: Any) -> None:
    """Count images, boxes and classes, and show their sizes.

    DATA is a dataset as 'detcli train' takes it: a COCO annotation file, a folder of COCO, YOLO, Pascal VOC or LabelMe,
    XML of CVAT, or 'shapes'.

    Sizes are medians, with the range of nine in ten in parentheses. Small, medium and large boxes are those of COCO, in
    the pixels of the images and at the input size. Crowds are not counted.
    """
    from detcli.cli.data.data_view import DataView
    from detcli.cli.data.statistics_table import statistics_table
    from detcli.engine.data.data_request import DataRequest
    from detcli.engine.data.data_statistics import StatisticsRequest, compute_statistics

    request = StatisticsRequest(
        data=DataRequest(**data_options.dataset_fields(given)),
        output=given["output"],
        if_exists="overwrite" if given["yes"] else given["if_exists"],
        image_size=given["imgsz"],
        model=given["model"],
    )
    with DataView(console, first=f"reading data {request.data.data}") as view:
        statistics = compute_statistics(request, observer=view)
    if as_json:
        click.echo(statistics.to_json(), nl=False)
    else:
        width = console.width(sys.stdout) if is_terminal(sys.stdout) else 10_000
        for line in statistics_table(statistics, width=width, bold=console.uses_color(sys.stdout)):
            click.echo(line, color=True)
    if request.output is not None:
        boxes = sum(part.boxes for part in statistics.parts)
        console.summary(
            f"statistics of {counted(boxes, 'box', 'boxes')} -> {request.output}", output=str(request.output)
        )
