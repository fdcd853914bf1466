"""`detcli data`: the group of the commands for datasets."""

import click

from detcli.cli.framework.command import Entry, Group, UsageExample


@click.group(
    cls=Group,
    table={
        "check": Entry("detcli.cli.data.check:check", "Find mistakes in a dataset before training."),
        "stats": Entry("detcli.cli.data.stats:stats", "Count images, boxes and classes, and show their sizes."),
        "convert": Entry("detcli.cli.data.convert:convert", "Write a dataset in another format."),
        "split": Entry(
            "detcli.cli.data.split:split", "Divide a dataset into parts for training, validation and testing."
        ),
        "view": Entry("detcli.cli.data.view:view", "Show a dataset in an HTML gallery."),
    },
    no_args_is_help=True,
    examples=[
        UsageExample("mistakes in a dataset, and images that its parts share", "detcli data check dataset/"),
        UsageExample("classes and sizes of boxes, with plots", "detcli data stats dataset/ -o statistics/"),
        UsageExample("a fifth of the images for validation", "detcli data split dataset/ --val 0.2 -o parts/"),
        UsageExample("to look at it in a browser", "detcli data view dataset/ -o gallery/"),
        UsageExample("as a YOLO dataset", "detcli data convert dataset/ -f yolo -o yolo/"),
    ],
)
def data() -> None:
    """Look at a dataset before training."""
