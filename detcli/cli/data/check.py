"""`detcli data check`: finds mistakes in a dataset."""

import sys
from typing import Any

import click

from detcli.cli.data import data_options
from detcli.cli.framework.command import Command, UsageExample, pass_console
from detcli.cli.framework.console import Console, escape, is_terminal
from detcli.cli.framework.options import output_options, run_options, speed_options
from detcli.cli.framework.options.help_sections import SPEED, option
from detcli.cli.framework.text import counted, wrapped
from detcli.cli.framework.translate import translate
from detcli.errors import DataError, GateError
from detcli.inspection.findings import DataReport


@click.command(
    cls=Command,
    examples=[
        UsageExample("a folder with parts for training, validation and testing", "detcli data check dataset/"),
        UsageExample("two annotation files", "detcli data check train.json --val val.json"),
        UsageExample("boxes that are tiny for a model", "detcli data check dataset/ -m dfine-s"),
        UsageExample(
            "images of val that are in train, too",
            "detcli data check d/ --json | jq -r '.findings[] | select(.check == \"shared-images\") | .files[][1]'",
        ),
    ],
)
@data_options.dataset
@data_options.sizing_model
@data_options.imgsz
@option(
    "--decode",
    section=SPEED,
    type=click.Choice(["none", "small", "full"]),
    metavar="HOW",
    default="small",
    standard="small",
    help="Read images small (a JPEG at a fraction of its size), full (as training does) or not at all (none).",
)
@speed_options.workers
@output_options.as_json
@run_options.progress
@pass_console
def check(console: Console, /, *, as_json: bool, **given: Any) -> int:
    """Find mistakes in a dataset before training.

    DATA is a dataset as 'detcli train' takes it: a COCO annotation file, a folder of COCO, YOLO, Pascal VOC or LabelMe,
    XML of CVAT, or 'shapes'.

    Warnings are mistakes that cost accuracy or make metrics wrong: images that two parts share, also mirrored, resized or saved
    again; broken images; boxes that were dropped, or that are hardly right as a whole; classes without boxes. Notes may be
    meant: near-duplicates in one part, tiny boxes, rare classes.

    Exit code 10 if there is a warning, 4 if a part cannot be used at all; notes do not count. --json prints one document
    with all images of each finding.
    """
    from detcli.cli.data.data_view import DataView
    from detcli.engine.data.check_data import check_data
    from detcli.engine.data.data_request import CheckRequest, DataRequest

    data = DataRequest(**data_options.dataset_fields(given), workers=given["workers"])
    request = CheckRequest(data=data, decode=given["decode"], image_size=given["imgsz"], model=given["model"])
    with DataView(console, first=f"reading data {data.data}") as view:
        report = check_data(request, observer=view)
    if as_json:
        click.echo(report.to_json(), nl=False)
    else:
        _print_findings(console, report)
    images = sum(summary.images for _, summary in report.parts)
    errors = f"{counted(report.errors, 'error')}, " if report.errors else ""
    console.summary(
        f"{errors}{counted(report.warnings, 'warning')} and {counted(report.notes, 'note')} in {counted(images, 'image')}",
        errors=report.errors,
        warnings=report.warnings,
        notes=report.notes,
        images=images,
    )
    if report.errors:
        return DataError.exit_code
    return GateError.exit_code if report.warnings else 0


def _print_findings(console: Console, report: DataReport) -> None:
    """Two lines for each finding: what it is, and what to do."""
    width = console.width(sys.stdout) if is_terminal(sys.stdout) else 10_000
    for finding in report.findings:
        lines = [f"{finding.level}: {', '.join(finding.parts)}: {finding.sentence()}"]
        lines += [f"    {finding.advice}"] if finding.advice else []
        for line in lines:
            for piece in wrapped(escape(translate(line, console.option_names)), width, indent="    "):
                click.echo(piece)
