"""`detcli data check`: finds mistakes in a dataset."""

import sys
from typing import Any

import click

from detcli.cli.data import data_options
from detcli.cli.framework import options
from detcli.cli.framework.command import Command, UsageExample, pass_console
from detcli.cli.framework.console import Console, escape, is_terminal
from detcli.cli.framework.text import counted, wrapped
from detcli.errors import GateError


@click.command(
    cls=Command,
    examples=[
        UsageExample("a folder with a training and a validation part", "detcli data check dataset/"),
        UsageExample("two annotation files", "detcli data check train.json --val val.json"),
        UsageExample(
            "images of val that are in train, too",
            "detcli data check d/ --json | jq -r '.findings[] | select(.check == \"shared-images\") | .files[][1]'",
        ),
    ],
)
@data_options.dataset
@options.workers
@options.as_json
@options.progress
@pass_console
def check(console: Console, /, *, as_json: bool, workers: int | None, **given: Any) -> int:
    """Find mistakes in a dataset before training.

    DATA is a dataset as 'detcli train' takes it: a COCO annotation file, a folder with training and validation parts, a
    YOLO folder or its data.yaml, or 'shapes'.

    Exit code 10 if there is a warning; notes do not count. --json prints one document, with all images of each finding.
    """
    from detcli.cli.data.data_view import DataView
    from detcli.engine.data.check_data import check_data
    from detcli.engine.data.data_request import DataRequest

    request = DataRequest(**data_options.dataset_fields(given), workers=workers)
    with DataView(console, first=f"reading data {request.data}") as view:
        report = check_data(request, observer=view)
    if as_json:
        click.echo(report.to_json(), nl=False)
    else:
        width = console.width(sys.stdout) if is_terminal(sys.stdout) else 10_000
        for finding in report.findings:
            lines = [f"{finding.level}: {', '.join(finding.parts)}: {finding.sentence()}"]
            lines += [f"  {finding.advice}"] if finding.advice else []
            for line in lines:
                for piece in wrapped(escape(line), width, indent="    "):
                    click.echo(piece)
    images = sum(summary.images for _, summary in report.parts)
    console.summary(
        f"{counted(report.warnings, 'warning')} and {counted(report.notes, 'note')} in {counted(images, 'image')}",
        warnings=report.warnings,
        notes=report.notes,
        images=images,
    )
    return GateError.exit_code if report.warnings else 0
