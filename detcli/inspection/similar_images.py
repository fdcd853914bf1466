"""Findings about images that look almost the same, in one part or in two, and about images that cannot be read."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np

from detcli.inspection.findings import DataPart, Finding, first_names
from detcli.inspection.image_files import ImageKey
from detcli.inspection.near_duplicates import ImagePrints, similar_pairs
from detcli.inspection.thumbnails import ReadImages
from detcli.text import counted

MOST_COMPARED = 300_000  # images; all pairs of them take some minutes
_EXAMPLES = 3


def unreadable_findings(parts: Sequence[DataPart], images: ReadImages) -> Iterator[Finding]:
    """Findings about images that cannot be read."""
    for number, part in enumerate(parts):
        failed = [(key, frame) for key, frame in images.failed if key[0] == number]
        if failed:
            yield Finding(
                "unreadable-images",
                "warning",
                (part.name,),
                f"{counted(len(failed), 'image')} cannot be read",
                len(failed),
                tuple(f"'{frame.origin.relative}' ({frame.message})" for _, frame in failed[:_EXAMPLES]),
                "replace the files, or remove them from the annotations",
                tuple((frame.origin.file,) for _, frame in failed),
            )


def similar_image_findings(
    parts: Sequence[DataPart], images: ReadImages, same: Sequence[Sequence[ImageKey]], *, within_parts: bool = True
) -> Iterator[Finding]:
    """Findings about images that look almost the same, without those whose content is the same.

    same          groups of images with the same content, as `same_contents` returns them
    within_parts  also images that look alike in one part
    """
    if len(images.keys) > MOST_COMPARED:
        yield _too_many(parts, len(images.keys))
        return
    prints = ImagePrints.of(images.thumbnails)
    of_part = [_rows(images.keys, number) for number in range(len(parts))]
    first_of = {key: group[0] for group in same for key in group}

    def is_same(one: int, other: int) -> bool:
        first, second = images.keys[one], images.keys[other]
        return first_of.get(first, first) == first_of.get(second, second)

    for first, second in combinations(range(len(parts)), 2):
        shared = {key for group in same if any(key[0] == first for key in group) for key in group}
        rows = [row for row in of_part[second].tolist() if images.keys[row] not in shared]
        pairs = similar_pairs(prints, np.array(rows, np.int64), of_part[first])
        if pairs:
            yield _leak(parts, first, second, images.keys, pairs)
    for number, part in enumerate(parts if within_parts else ()):
        pairs = [pair for pair in similar_pairs(prints, of_part[number]) if not is_same(*pair)]
        if pairs:
            yield _alike(part, images.keys, pairs)


def _too_many(parts: Sequence[DataPart], count: int) -> Finding:
    return Finding(
        "similar-images",
        "note",
        tuple(part.name for part in parts),
        f"{count:,} images are too many to compare all pairs: only files with the same content were searched",
        count,
        advice=f"check parts of at most {MOST_COMPARED:,} images",
    )


def _rows(keys: Sequence[ImageKey], part: int) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    return np.array([row for row, key in enumerate(keys) if key[0] == part], np.int64)


def _leak(
    parts: Sequence[DataPart], first: int, second: int, keys: Sequence[ImageKey], pairs: Sequence[tuple[int, int]]
) -> Finding:
    by_image: dict[int, int] = {}
    for row, other in pairs:
        by_image.setdefault(row, other)
    datasets = (parts[first].dataset, parts[second].dataset)
    here, there = parts[first].name, parts[second].name
    origins = [
        (datasets[0].origin(keys[other][1]), datasets[1].origin(keys[row][1]))
        for row, other in sorted(by_image.items())
    ]
    count = len(origins)
    return Finding(
        "similar-images-in-parts",
        "warning",
        (here, there),
        f"{counted(count, 'image')} of {there} {'looks' if count == 1 else 'look'} almost like images of {here}, so metrics "
        f"on {there} are too high",
        count,
        first_names([f"{one.relative}' and '{other.relative}" for one, other in origins]),
        "look at them; move such images into one part, as with 'detcli data split'",
        tuple((one.file, other.file) for one, other in origins),
    )


def _alike(part: DataPart, keys: Sequence[ImageKey], pairs: Sequence[tuple[int, int]]) -> Finding:
    groups = _groups(pairs)
    count = sum(len(group) - 1 for group in groups)
    origins = [[part.dataset.origin(keys[row][1]) for row in group] for group in groups]
    return Finding(
        "similar-images",
        "note",
        (part.name,),
        f"{counted(count, 'image looks', 'images look')} almost like another one",
        count,
        first_names([f"{group[0].relative}' and '{group[1].relative}" for group in origins]),
        "keep one of each if they are no video frames that are meant; never split them between train and val",
        tuple(tuple(origin.file for origin in group) for group in origins),
    )


def _groups(pairs: Sequence[tuple[int, int]]) -> list[list[int]]:
    """Sets of rows that are connected by pairs, each sorted."""
    parent: dict[int, int] = {}

    def root(row: int) -> int:
        while parent.setdefault(row, row) != row:
            parent[row] = row = parent[parent[row]]
        return row

    for one, other in pairs:
        one, other = sorted((root(one), root(other)))
        parent[other] = one
    groups: dict[int, list[int]] = defaultdict(list)
    for row in sorted(parent):
        groups[root(row)].append(row)
    return [groups[row] for row in sorted(groups)]
