"""Iterative stratification: gives images, or groups of them, to parts so that each part has its share of each class.

The images of a class are divided before those of more frequent classes, since later choices can hardly correct what a rare
class got. Source: Sechidis, Tsoumakas and Vlahavas, "On the stratification of multi-label data", ECML PKDD 2011.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from detcli.structures.seeding import derive_seed


@dataclass(slots=True)
class ImageGroup:
    """Images that stay together.

    images  how many they are
    labels  label -> number of its images
    """

    images: int = 0
    labels: dict[int, int] = field(default_factory=dict)

    def add(self, labels: Sequence[int]) -> None:
        """Add an image with its distinct labels."""
        self.images += 1
        for label in labels:
            self.labels[label] = self.labels.get(label, 0) + 1


def stratify(groups: Sequence[ImageGroup], sizes: Sequence[int], *, seed: int) -> list[int]:
    """The part of each group, as an index into `sizes`. The same arguments always give the same parts.

    groups  each with at least one label
    sizes   number of images of each part; their sum is the number of images

    A part gets exactly its size if every group is one image. A part that could be filled is never left empty.
    """
    division = _Division(groups, sizes)
    random = np.random.default_rng(derive_seed(seed, "split"))
    order = sorted(random.permutation(len(groups)).tolist(), key=lambda index: -groups[index].images)
    members: dict[int, list[int]] = {}
    for index in order:
        for label in groups[index].labels:
            members.setdefault(label, []).append(index)
    while any(division.left.values()):
        rarest = min((count, label) for label, count in division.left.items() if count)[1]
        for index in members[rarest]:
            if division.parts[index] < 0:
                division.assign(index, division.best_part(index, rarest))
    return division.parts


class _Division:
    """What is still wanted while groups are assigned.

    parts   part of each group; -1: none yet
    left    number of images of each label that have no part yet
    room    number of images that each part still takes; negative if it has more than its size
    wanted  number of images of each label that each part still wants, times the number of all images: integers are exact
    """

    def __init__(self, groups: Sequence[ImageGroup], sizes: Sequence[int]) -> None:
        self._groups = groups
        self._total = sum(sizes)
        self._unassigned = len(groups)
        self.parts = [-1] * len(groups)
        self.left: dict[int, int] = {}
        for group in groups:
            for label, count in group.labels.items():
                self.left[label] = self.left.get(label, 0) + count
        self.room = list(sizes)
        self._empty = set(range(len(sizes)))
        self.wanted = {label: [size * count for size in sizes] for label, count in self.left.items()}

    def best_part(self, index: int, label: int) -> int:
        """The part that wants most images of a label among those with room for the group; then the one with most room."""
        candidates = range(len(self.room))
        if self._unassigned <= len(self._empty):  # the last groups are for the parts without any
            return max(self._empty, key=lambda part: (self.wanted[label][part], self.room[part], -part))
        images = self._groups[index].images
        with_room = [part for part in candidates if self.room[part] >= images]
        if not with_room:
            return max(candidates, key=lambda part: (self.room[part], -part))
        return max(with_room, key=lambda part: (self.wanted[label][part], self.room[part], -part))

    def assign(self, index: int, part: int) -> None:
        """Give a group to a part."""
        group = self._groups[index]
        self.parts[index] = part
        self._unassigned -= 1
        self._empty.discard(part)
        self.room[part] -= group.images
        for label, count in group.labels.items():
            self.left[label] -= count
            self.wanted[label][part] -= count * self._total
