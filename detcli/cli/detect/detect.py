"""`detcli detect`: boxes in pictures."""

from typing import Any

import click

from detcli.cli.detect.run_images import look
from detcli.cli.framework import options
from detcli.cli.framework.command import Command, Example, pass_console
from detcli.cli.framework.console import Console
from detcli.engine.request import PictureWish


@click.command(
    cls=Command,
    examples=[
        Example("boxes in one picture, as a table", "detcli detect street.jpg"),
        Example(
            "a folder into COCO, with pictures to look at", "detcli detect images/ -o out.json --save-images drawn/"
        ),
        Example(
            "a larger model, surer boxes, two classes", "detcli detect images/ -m dfine-x -t 0.6 --classes person,dog"
        ),
        Example(
            "paths from another program, files with dogs out",
            "find . -name '*.jpg' -print0 | detcli detect -0 --files-from - "
            "| jq -r 'select(any(.detections[]?; .label==\"dog\")) | .file'",
        ),
        Example("go on with a long run that was interrupted", "detcli detect big/ -o out.jsonl --resume"),
        Example("see what would be read, and do nothing", "detcli detect 'photos/**/*.png' --dry-run"),
    ],
)
@options.sources
@options.inputs
@options.model
@options.where_models_are
@options.detection
@options.speed
@options.results
@options.drawing
@options.failures
@options.dry_run
@options.progress
@pass_console
def detect(console: Console, /, **given: Any) -> int:
    """Find objects in pictures.

    SOURCES are pictures, folders, globs, http(s) addresses, or '-': a list of paths or the bytes of one picture on
    standard input. Folders are walked.

    Results go to standard output or to each --output; messages go to standard error. A picture that cannot be read
    becomes a record with the reason, and the run goes on.
    """
    return look(console, PictureWish(**given))
