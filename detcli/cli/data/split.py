"""`detcli data split`: divides a dataset into parts for training, validation and testing."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from detcli.cli.data import data_options, writing_options
from detcli.cli.framework.command import Command, UsageExample, pass_console
from detcli.cli.framework.console import Console, escape
from detcli.cli.framework.options import output_options, run_options, speed_options
from detcli.cli.framework.options.help_sections import option
from detcli.cli.framework.text import counted, number
from detcli.errors import UsageError

if TYPE_CHECKING:
    from detcli.engine.data.split_request import SplitPart

PARTS = "Parts"
_STANDARD = 0.2  # share of the validation part where none is given


@click.command(
    cls=Command,
    examples=[
        UsageExample("a fifth for validation", "detcli data split annotations.json -o parts/"),
        UsageExample("three parts", "detcli data split dataset/ --val 0.2 --test 0.1 -o parts/"),
        UsageExample("frames of a video stay together", "detcli data split d.json --group-by video_id -o parts/"),
        UsageExample("images of a scene, by their names", "detcli data split d/ --group-by '^(scene\\d+)_' -o parts/"),
        UsageExample("then", "detcli train --data parts/ -o run/"),
    ],
)
@data_options.data
@data_options.images
@writing_options.part
@data_options.first_pixel
@option(
    "--val",
    section=PARTS,
    type=writing_options.ShareType(),
    metavar="SHARE",
    standard=f"{_STANDARD:g}",
    help="Validation part: a fraction of the images, or their number.",
)
@option(
    "--test",
    section=PARTS,
    type=writing_options.ShareType(),
    metavar="SHARE",
    standard="no such part",
    help="Test part.",
)
@option(
    "--parts",
    section=PARTS,
    type=writing_options.SharesType(),
    metavar="LIST",
    help="All parts instead, such as train=0.7,val=0.2,test=0.1; train gets the rest if it is left out.",
)
@option(
    "--group-by",
    section=PARTS,
    metavar="RULE",
    help="Images that stay in one part: folder, a field of COCO images such as video_id, or a regular expression on file "
    "names, of which the groups in parentheses count.",
)
@option(
    "--near-duplicates",
    section=PARTS,
    is_flag=True,
    help="Keep images that look almost the same in one part, too; reads all images.",
)
@option("--seed", section=PARTS, type=click.IntRange(min=0), metavar="N", default=0, standard="0", help="Random seed.")
@writing_options.output
@speed_options.workers
@output_options.as_json
@run_options.progress
@pass_console
def split(console: Console, /, *, as_json: bool, **given: Any) -> int:
    """Divide a dataset into parts.

    DATA is a dataset as 'detcli train' takes it. Each class gets its share of each part (iterative stratification), and the
    same seed gives the same parts. DIR gets COCO annotations of each part with all fields of DATA, and links to the images:
    'detcli train --data DIR' trains on train and validates on val. DATA that is divided already needs --part: with all, it is
    divided anew.
    """
    from detcli.cli.data.data_view import DataView
    from detcli.engine.data.split_data import split_data
    from detcli.engine.data.split_request import SplitRequest

    request = SplitRequest(
        **writing_options.output_fields(console, given),
        parts=_parts(given),
        group_by=given["group_by"],
        near_duplicates=given["near_duplicates"],
        seed=given["seed"],
    )
    with DataView(console, first=f"reading data {request.data}") as view:
        report = split_data(request, observer=view)
    if report.skipped:
        return 0
    if as_json:
        click.echo(report.to_json(), nl=False)
    else:
        _show(report.parts)
    images = sum(part.images for part in report.parts)
    console.summary(
        f"{counted(images, 'image')} in {counted(len(report.parts), 'part')} -> {request.output}",
        images=images,
        parts={part.name: part.images for part in report.parts},
        output=str(request.output),
    )
    return 0


def _parts(given: dict[str, Any]) -> dict[str, int | float]:
    """The shares by name. Raises UsageError for --parts together with --val or --test."""
    single = {name: given[name] for name in ("val", "test") if given[name] is not None}
    if given["parts"] is None:
        return {"val": _STANDARD, **single}
    if single:
        raise UsageError(f"--parts names all parts: leave --{next(iter(single))} out")
    parts: dict[str, int | float] = given["parts"]
    return parts


def _show(parts: Sequence["SplitPart"]) -> None:
    """Print a table of the parts."""
    rows: list[tuple[str, ...]] = [("part", "images", "asked", "groups", "boxes", "annotations")]
    for part in parts:
        counts = (part.images, part.wanted, part.groups, part.boxes)
        rows.append((part.name, *map(number, counts), escape(str(part.annotations))))
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    for row in rows:
        cells = [
            row[0].ljust(widths[0]),
            *(cell.rjust(width) for cell, width in zip(row[1:5], widths[1:], strict=True)),
        ]
        click.echo("  ".join([*cells, row[5]]))
