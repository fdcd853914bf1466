"""Findings about classes: without boxes, rare, or not the same in two parts."""

from collections.abc import Iterator, Sequence

from detcli.inspection.findings import DataPart, Finding, first_names
from detcli.structures.class_labels import plain_name
from detcli.text import counted

_RARE_SHARE = 0.01  # of the boxes of the most frequent class
_RARE_BOXES, _RARE_OF_FEW = 20, 0.25  # fewer boxes than 20, if they are less than a quarter of the most frequent class


def class_findings(parts: Sequence[DataPart]) -> Iterator[Finding]:
    """Findings about the classes of each part, and about those that only one part has."""
    for part in parts:
        yield from _without_boxes(part)
    if parts[0].name != "val":  # rare classes matter for training
        yield from _rare(parts[0])
    for part in parts[1:]:
        yield from _unknown(parts[0], part)
        yield from _only_one(parts[0], part)
        yield from _only_one(part, parts[0])


def _without_boxes(part: DataPart) -> Iterator[Finding]:
    boxes_of = part.dataset.report.boxes_of
    names = [name for name in part.dataset.labels.names if not boxes_of.get(name)]
    if not names:
        return
    all_names = part.dataset.labels.names
    at_end = len(names) == 1 and len(all_names) > 2 and names[0] in (all_names[0], all_names[-1])
    place = "the first" if names[0] == all_names[0] else "the last"
    yield Finding(
        "unused-classes",
        "warning",
        (part.name,),
        f"{counted(len(names), 'class has', 'classes have')} no box"
        + (f", and it is {place} one: class ids may be off by one" if at_end else ""),
        len(names),
        first_names(names),
        "look at some boxes with 'detcli data view', whether their classes are right"
        if at_end
        else "add images of it, or remove it from the classes",
    )


def _rare(part: DataPart) -> Iterator[Finding]:
    counts = {name: count for name, count in part.dataset.report.boxes_of.items() if count}
    most = max(counts.values(), default=0)
    limit = max(_RARE_SHARE * most, min(_RARE_BOXES, _RARE_OF_FEW * most))
    rare = {name: count for name, count in counts.items() if count < limit}
    if rare:
        names = sorted(rare, key=lambda name: rare[name])
        yield Finding(
            "rare-classes",
            "note",
            (part.name,),
            f"{counted(len(names), 'class has', 'classes have')} few boxes; the most frequent one has {most:,}",
            len(names),
            tuple(f"'{name}' {rare[name]:,}" for name in names[:3]),
            "add images of it, or show its images more often in training",
        )


def _unknown(train: DataPart, other: DataPart) -> Iterator[Finding]:
    """Classes with boxes that the training part does not have at all: training refuses them."""
    known = {plain_name(name) for name in train.dataset.labels.names}
    boxes_of = other.dataset.report.boxes_of
    names = [name for name in other.dataset.labels.names if plain_name(name) not in known and boxes_of.get(name)]
    if names:
        yield Finding(
            "unknown-classes",
            "warning",
            (other.name,),
            f"{counted(len(names), 'class is', 'classes are')} not among the classes of {train.name}: training refuses it",
            len(names),
            first_names(names),
            "give classes the same names in all parts; 'detcli train' can map one name to another",
        )


def _only_one(part: DataPart, other: DataPart) -> Iterator[Finding]:
    """Classes that have boxes in one part, and none in the other one, which has the class."""
    boxes = {plain_name(name): count for name, count in other.dataset.report.boxes_of.items()}
    counts = part.dataset.report.boxes_of
    names = [name for name in part.dataset.labels.names if counts.get(name) and boxes.get(plain_name(name)) == 0]
    if names:
        yield Finding(
            "classes-of-one-part",
            "warning",
            (part.name, other.name),
            f"{counted(len(names), 'class has', 'classes have')} boxes in {part.name} and none in {other.name}",
            len(names),
            first_names(names),
            "split the images so that each class is in both parts",
        )
