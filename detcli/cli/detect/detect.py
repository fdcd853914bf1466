"""`detcli detect`: boxes in images."""

from typing import Any

import click

from detcli.cli.detect import filter_options
from detcli.cli.detect.video import counting_options
from detcli.cli.framework.command import Command, UsageExample, pass_console
from detcli.cli.framework.console import Console
from detcli.cli.framework.options import (
    drawing_options,
    input_options,
    model_options,
    output_options,
    run_options,
    speed_options,
)


@click.command(
    cls=Command,
    examples=[
        UsageExample("boxes in one image, as a table", "detcli detect street.jpg"),
        UsageExample(
            "a folder into COCO, with annotated images", "detcli detect images/ -o out.json --save-images drawn/"
        ),
        UsageExample(
            "a larger model, a higher threshold, two classes",
            "detcli detect images/ -m dfine-x -t 0.6 --classes person,dog",
        ),
        UsageExample(
            "paths from another program, print the files with dogs",
            "find . -name '*.jpg' -print0 | detcli detect -0 --files-from - "
            "| jq -r 'select(any(.detections[]?; .label==\"dog\")) | .file'",
        ),
        UsageExample(
            "tasks for Label Studio, of the 100 images that are the least certain",
            "detcli detect images/ -f label-studio --select uncertain:100 -o tasks.json",
        ),
        UsageExample("the number of objects per image and class", "detcli detect images/ --counts counts.csv"),
        UsageExample("resume an interrupted run", "detcli detect big/ -o out.jsonl --resume"),
        UsageExample("list what would be read, without running", "detcli detect 'photos/**/*.png' --dry-run"),
    ],
)
@input_options.sources
@input_options.inputs
@model_options.model
@model_options.model_location
@filter_options.detection
@model_options.uncertainty_option()
@counting_options.of_images
@speed_options.speed_on_devices
@speed_options.cluster
@output_options.results
@output_options.select
@drawing_options.drawing
@drawing_options.show_uncertainty
@run_options.failures
@run_options.dry_run
@run_options.progress
@pass_console
def detect(console: Console, /, **given: Any) -> int:
    """Detect objects in images.

    SOURCES are images, folders, archives (.tar, .tar.gz, .zip), globs, ranges of names ('shard-{000..127}.tar'),
    http(s) URLs, object stores (s3://bucket/photos/), or '-': a list of paths or the bytes of one image on standard input. Folders and archives are
    searched with the folders inside them; archives in folders are not opened.

    Results go to standard output or to each --output; messages go to standard error. An image that cannot be read
    becomes a record with the reason, and the run continues.
    """
    from detcli.cli.detect.requests import image_request
    from detcli.cli.detect.run_images import run_images

    return run_images(console, image_request(console, given), dry_run=given["dry_run"])
