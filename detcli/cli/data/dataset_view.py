"""Describes a dataset on the screen: its size, its classes, its files and its issues."""

from detcli.cli.framework.console import Console
from detcli.cli.framework.text import counted, number
from detcli.datasets.dataset import DatasetSummary

_MAX_CLASSES_SHOWN = 12


def show_dataset(console: Console, part: str, report: DatasetSummary, *, issues: bool = True) -> None:
    """Print the size and classes of a dataset, and its issues if they are wanted."""
    boxes = sorted(report.boxes_of.items(), key=lambda entry: -entry[1])
    classes = ", ".join(f"{name} {number(count)}" for name, count in boxes[:_MAX_CLASSES_SHOWN])
    more = f" and {len(boxes) - _MAX_CLASSES_SHOWN} more" if len(boxes) > _MAX_CLASSES_SHOWN else ""
    empty = f" ({number(report.empty)} without boxes)" if report.empty else ""
    crowd = f", {counted(report.crowd, 'crowd')}" if report.crowd else ""
    console.say(
        f"{part}: '{report.name}', {counted(report.images, 'image')}{empty}, "
        f"{counted(report.boxes, 'box', 'boxes')}{crowd}; "
        f"{counted(len(report.boxes_of), 'class', 'classes')}: {classes}{more}",
        images=report.images,
        boxes=report.boxes,
        empty=report.empty,
        crowd=report.crowd,
        boxes_of=dict(report.boxes_of),
    )
    if report.files:
        console.say(f"{part}: {report.files}", annotations=report.annotations, image_folders=list(report.image_folders))
    for issue in report.issues if issues else ():
        console.warning(f"{part}: {issue}")
