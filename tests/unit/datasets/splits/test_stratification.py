"""Iterative stratification: sizes, shares of classes, groups."""

from collections.abc import Sequence

import numpy as np
import pytest

from detcli.datasets.splits.stratification import ImageGroup, stratify


def groups_of(labels: Sequence[Sequence[int]], groups: Sequence[int] | None = None) -> list[ImageGroup]:
    """Groups of images with these labels; by default each image is one."""
    numbers = range(len(labels)) if groups is None else groups
    made = [ImageGroup() for _ in range(max(numbers) + 1)]
    for number, own in zip(numbers, labels, strict=True):
        made[number].add(own)
    return made


def long_tailed(images: int, classes: int, seed: int) -> list[list[int]]:
    """Labels of images, the first classes in most images and the last ones in few; some images have none but the last label."""
    random = np.random.default_rng(seed)
    present = random.random((images, classes)) < 0.5 / np.arange(1, classes + 1)
    return [np.flatnonzero(row).tolist() or [classes] for row in present]


def counts_of(labels: Sequence[Sequence[int]], parts: Sequence[int], part_count: int) -> np.ndarray:
    """Number of images of each part with each label."""
    counts = np.zeros((part_count, 1 + max(label for own in labels for label in own)), int)
    for own, part in zip(labels, parts, strict=True):
        counts[part, own] += 1
    return counts


@pytest.mark.parametrize("seed", range(8))
def test_single_images_fill_the_parts_exactly_with_shares_of_classes(seed: int) -> None:
    labels, sizes = long_tailed(400, 12, seed), [280, 80, 40]
    parts = stratify(groups_of(labels), sizes, seed=seed)
    assert np.bincount(parts, minlength=3).tolist() == sizes
    counts = counts_of(labels, parts, 3)
    wanted = np.outer(np.array(sizes) / 400, counts.sum(axis=0))
    rare = counts.sum(axis=0) < 60
    assert np.abs(counts - wanted)[:, rare].max() < 1
    assert np.abs(counts - wanted).max() < 8  # images of frequent classes and without objects make up the sizes


def test_classes_are_closer_to_their_shares_than_in_random_parts() -> None:
    sizes = [700, 200, 100]
    stratified: list[float] = []
    by_chance: list[float] = []
    for seed in range(10):
        labels = long_tailed(1000, 20, seed)
        shuffled = np.random.default_rng(seed).permutation(np.repeat(range(3), sizes)).tolist()
        for found, parts in ((stratified, stratify(groups_of(labels), sizes, seed=seed)), (by_chance, shuffled)):
            counts = counts_of(labels, parts, 3)
            found.append(np.abs(counts - np.outer(np.array(sizes) / 1000, counts.sum(axis=0))).mean())
    assert np.mean(stratified) < 0.25 * np.mean(by_chance)


def test_rare_classes_go_to_the_largest_part_or_to_all() -> None:
    labels = [[0]] * 60 + [[0, 1]] + [[0, 2]] * 3
    parts = stratify(groups_of(labels), [22, 21, 21], seed=3)
    assert parts[60] == 0
    assert sorted(parts[61:]) == [0, 1, 2]


@pytest.mark.parametrize("seed", range(6))
def test_groups_are_never_cut_and_sizes_are_close(seed: int) -> None:
    labels = long_tailed(600, 8, seed)
    numbers = np.sort(np.random.default_rng(seed).integers(0, 60, 600))
    numbers = np.unique(numbers, return_inverse=True)[1].tolist()
    parts = stratify(groups_of(labels, numbers), [420, 120, 60], seed=seed)
    of_images = [parts[number] for number in numbers]
    sizes = np.bincount(of_images, minlength=3)
    assert np.abs(sizes - [420, 120, 60]).max() <= 12  # a group has 10 images
    counts = counts_of(labels, of_images, 3)
    wanted = np.outer([0.7, 0.2, 0.1], counts.sum(axis=0))
    assert np.abs(counts - wanted).max() <= 14


@pytest.mark.parametrize("sizes", [[80, 20], [98, 1, 1]])
def test_no_part_is_empty_while_there_are_groups(sizes: list[int]) -> None:
    groups = [ImageGroup(100 // len(sizes), {0: 100 // len(sizes)}) for _ in sizes]
    groups[0].add([0] * (100 % len(sizes)))
    assert sorted(stratify(groups, sizes, seed=0)) == list(range(len(sizes)))


def test_the_seed_decides_and_nothing_else() -> None:
    labels = long_tailed(200, 5, 1)
    first, again, other = (stratify(groups_of(labels), [150, 50], seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first != other
