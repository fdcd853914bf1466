"""`detcli data`: the group of the commands for datasets."""

import click

from detcli.cli.framework.command import Entry, Group, UsageExample


@click.group(
    cls=Group,
    table={
        "check": Entry("detcli.cli.data.check:check", "Find mistakes in a dataset before training."),
        "stats": Entry("detcli.cli.data.stats:stats", "Count images, boxes and classes, and show their sizes."),
        "split": Entry(
            "detcli.cli.data.split:split", "Divide a dataset into parts for training, validation and testing."
        ),
        "view": Entry("detcli.cli.data.view:view", "Show a dataset in an HTML gallery."),
    },
    no_args_is_help=True,
    examples=[
        UsageExample("mistakes in a dataset, and images that train and val share", "detcli data check dataset/"),
        UsageExample("classes and sizes of boxes, with plots", "detcli data stats dataset/ -o statistics/"),
    ],
)
def data() -> None:
    """Look at a dataset before training."""
