"""Findings about images that a dataset has several times, in one part or in two."""

from collections.abc import Iterator, Sequence
from itertools import combinations

from detcli.inspection.findings import DataPart, Finding, first_names
from detcli.inspection.image_files import ImageKey
from detcli.text import counted


def same_image_findings(
    parts: Sequence[DataPart], groups: Sequence[Sequence[ImageKey]], *, within_parts: bool = True
) -> Iterator[Finding]:
    """Findings about images with the same content.

    groups        images with the same content, as `same_contents` returns them
    within_parts  also images that one part has several times
    """
    for first, second in combinations(range(len(parts)), 2):
        shared = [group for group in groups if {first, second} <= {number for number, _ in group}]
        if shared:
            yield _shared(parts, first, second, shared)
    for number, part in enumerate(parts if within_parts else ()):
        own = [[key for key in group if key[0] == number] for group in groups]
        if repeated := [group for group in own if len(group) > 1]:
            yield _repeated(parts, part, repeated)


def _shared(parts: Sequence[DataPart], first: int, second: int, groups: Sequence[Sequence[ImageKey]]) -> Finding:
    pairs = [[next(key for key in group if key[0] == number) for number in (first, second)] for group in groups]
    names = [tuple(_name(parts, key) for key in pair) for pair in pairs]
    shown = [name if name == other else f"{name}' is '{other}" for name, other in names]
    here, there = parts[first].name, parts[second].name
    return Finding(
        "shared-images",
        "warning",
        (here, there),
        f"{counted(len(pairs), 'image is', 'images are')} in both {here} and {there}, so metrics on {there} are too high",
        len(pairs),
        first_names(shown),
        f"remove them from {there}, or from {here}",
        tuple(tuple(_file(parts, key) for key in pair) for pair in pairs),
    )


def _repeated(parts: Sequence[DataPart], part: DataPart, groups: Sequence[Sequence[ImageKey]]) -> Finding:
    count = sum(len(group) - 1 for group in groups)
    shown = [" = ".join(_name(parts, key) for key in group[:2]) for group in groups]
    return Finding(
        "repeated-images",
        "warning",
        (part.name,),
        f"{counted(count, 'image has', 'images have')} the same content as another one",
        count,
        first_names(shown),
        "keep one of each, with the boxes of all",
        tuple(tuple(_file(parts, key) for key in group) for group in groups),
    )


def _name(parts: Sequence[DataPart], key: ImageKey) -> str:
    return parts[key[0]].dataset.origin(key[1]).relative


def _file(parts: Sequence[DataPart], key: ImageKey) -> str:
    return parts[key[0]].dataset.origin(key[1]).file
