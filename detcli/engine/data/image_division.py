"""Which part each image of a dataset gets: images that stay together are grouped, and groups divided by class."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from detcli.datasets.coco.coco_subset import Document, image_entries
from detcli.datasets.dataset import Dataset
from detcli.datasets.splits.image_groups import (
    FOLDER,
    Key,
    is_field,
    keys_of_field,
    keys_of_names,
    keys_of_pairs,
    united_groups,
)
from detcli.datasets.splits.part_sizes import part_sizes
from detcli.datasets.splits.stratification import ImageGroup, stratify
from detcli.engine.data.split_request import SplitRequest
from detcli.errors import UsageError
from detcli.inspection.findings import DataPart
from detcli.inspection.image_files import same_contents
from detcli.inspection.near_duplicates import ImagePrints, similar_pairs
from detcli.inspection.thumbnails import read_thumbnails
from detcli.text import counted


@dataclass(frozen=True, slots=True)
class ImageDivision:
    """The parts of a dataset.

    sizes    number of images that each part should have, by name
    members  indices of the images of each part, by name, in the order of the dataset
    groups   number of groups of each part, by name
    """

    sizes: dict[str, int]
    members: dict[str, list[int]]
    groups: dict[str, int]


def divide(
    request: SplitRequest, dataset: Dataset, indices: Sequence[int], keys: Sequence[Sequence[Key]]
) -> ImageDivision:
    """Divide images of a dataset.

    indices  of the images
    keys     for each rule, the key of each of the images; images with the same key are in one part

    Raises UsageError if a part would be empty.
    """
    sizes = part_sizes(request.parts, len(indices))
    numbers = united_groups([[dataset.origin(index).file for index in indices], *keys])
    groups = [ImageGroup() for _ in range(max(numbers) + 1)]
    for number, index in zip(numbers, indices, strict=True):
        groups[number].add(_labels(dataset, index))
    if len(groups) < len(sizes):
        raise UsageError(
            f"the {counted(len(indices), 'image')} of '{request.data}' are {counted(len(groups), 'group')} of images that stay "
            f"together, which are not enough for {len(sizes)} parts"
        )
    parts = stratify(groups, list(sizes.values()), seed=request.seed)
    members: dict[str, list[int]] = {name: [] for name in sizes}
    names = list(sizes)
    for number, index in zip(numbers, indices, strict=True):
        members[names[parts[number]]].append(index)
    return ImageDivision(sizes, members, {name: parts.count(place) for place, name in enumerate(names)})


def _labels(dataset: Dataset, index: int) -> list[int]:
    """The distinct classes of an image; one label more stands for images without objects."""
    return sorted(set(dataset.box_classes(index).tolist())) or [len(dataset.labels)]


def group_keys(
    request: SplitRequest,
    dataset: Dataset,
    indices: Sequence[int],
    document: Document | None,
    warn: Callable[[str], None],
) -> list[Key]:
    """The key of each image by `group_by`, or None.

    document  with the entries of the images; None: the dataset is not in COCO annotations
    warn      gets a sentence about images without a key

    Raises UsageError if no image has one.
    """
    rule = request.group_by or FOLDER
    if is_field(rule):
        if document is None:
            raise UsageError(
                f"`group_by` names the field '{rule}', which only COCO annotations can have, and '{request.data}' is none; use "
                f"'folder' or a regular expression with a group, such as '({rule})'"
            )
        entries = image_entries(document)
        keys = keys_of_field(rule, [entries[dataset.image_id(index)] for index in indices])
        if all(key is None for key in keys):
            fields = ", ".join(sorted({field for entry in entries.values() for field in entry})[:12])
            raise UsageError(
                f"`group_by`: no image of '{request.data}' has the field '{rule}'; they have {fields}. For a regular expression "
                f"write a group, such as '({rule})'"
            )
        without = "no field '" + rule + "'"
    else:
        names = [dataset.origin(index).relative for index in indices]
        keys = keys_of_names(rule, names)
        if all(key is None for key in keys):
            raise UsageError(f"`group_by`: '{rule}' matches no file name; the first one is '{names[0]}'")
        without = f"no match of '{rule}' in {'its name' if keys.count(None) == 1 else 'their names'}"
    if alone := keys.count(None):
        verb = "has" if alone == 1 else "have"
        warn(f"{counted(alone, 'image')} {verb} {without}: each is a group of its own")
    return keys


def near_duplicate_keys(
    request: SplitRequest, dataset: Dataset, indices: Sequence[int], on_progress: Callable[[str, int, int], None]
) -> list[Key]:
    """The key of each image by its look: images that look almost the same, or have the same content, have one key."""
    parts = [DataPart("data", dataset)]
    images = read_thumbnails(
        parts,
        workers=request.workers,
        on_progress=lambda done: on_progress("comparing images", done, len(dataset)),
    )
    numbers = [index for _, index in images.keys]
    rows = similar_pairs(ImagePrints.of(images.thumbnails), np.arange(len(numbers))) if numbers else []
    pairs = [(numbers[one], numbers[other]) for one, other in rows]
    for group in same_contents(parts, workers=request.workers):
        pairs += [(group[0][1], index) for _, index in group[1:]]
    places = {index: place for place, index in enumerate(indices)}
    known = [(places[one], places[other]) for one, other in pairs if one in places and other in places]
    return keys_of_pairs(len(indices), known)
