"""The sizes of the parts of a dataset."""

import re
from typing import Any

import pytest

from detcli.datasets.splits.part_sizes import check_shares, part_sizes
from detcli.errors import UsageError


@pytest.mark.parametrize(
    ("shares", "images", "sizes"),
    [
        ({"val": 0.2}, 364, {"train": 291, "val": 73}),
        ({"val": 0.2, "test": 0.1}, 10, {"train": 7, "val": 2, "test": 1}),
        ({"val": 50}, 364, {"train": 314, "val": 50}),
        ({"val": 50, "test": 0.5}, 200, {"train": 50, "val": 50, "test": 100}),
        ({"train": 0.7, "val": 0.2, "test": 0.1}, 364, {"train": 255, "val": 73, "test": 36}),
        ({"train": 1, "val": 1, "test": 1}, 3, {"train": 1, "val": 1, "test": 1}),
        ({"a": 1 / 3, "b": 1 / 3, "c": 1 / 3}, 10, {"a": 4, "b": 3, "c": 3}),
        ({f"fold{n}": 0.2 for n in range(5)}, 12, {"fold0": 3, "fold1": 3, "fold2": 2, "fold3": 2, "fold4": 2}),
        ({"val": 0.5}, 3, {"train": 1, "val": 2}),
        ({"validation": 0.5}, 4, {"train": 2, "val": 2}),
    ],
)
def test_sizes_add_up_and_follow_the_shares(shares: Any, images: int, sizes: dict[str, int]) -> None:
    assert part_sizes(check_shares(shares), images) == sizes
    assert sum(sizes.values()) == images


@pytest.mark.parametrize("images", range(10, 400, 13))
def test_every_size_is_within_one_image_of_its_fraction(images: int) -> None:
    shares = {"train": 0.6, "val": 0.25, "test": 0.15}
    sizes = part_sizes(shares, images)
    assert sum(sizes.values()) == images
    assert all(abs(sizes[name] - share * images) < 1 for name, share in shares.items())


@pytest.mark.parametrize(
    ("shares", "images", "message"),
    [
        ({"val": 0.1}, 4, "the part 'val' would have no image: 0.1 of 4 images"),
        ({"val": 150}, 100, "the part 'train' would have no image: the rest after val=150 of 100 images"),
        ({"val": 4}, 4, "the part 'train' would have no image: the rest after val=4 of 4 images"),
        ({"val": 0.5, "test": 0.5}, 4, "the part 'train' would have no image: the rest after val=0.5, test=0.5"),
        ({"val": 0.6, "test": 0.6}, 100, "the fractions val=0.6, test=0.6 are more than 1 together"),
        ({"train": 0.7, "val": 0.2}, 100, "train=0.7, val=0.2 do not add up to 1 or to the 100 images"),
        ({"train": 80, "val": 30}, 100, "train=80, val=30 do not add up to 1 or to the 100 images"),
    ],
)
def test_sizes_that_are_impossible_are_refused(shares: Any, images: int, message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(message)):
        part_sizes(check_shares(shares), images)


@pytest.mark.parametrize(
    ("shares", "message"),
    [
        ({}, "names no part"),
        ({"train": 0.5}, "only 'train'"),
        ({"val": 0}, "'val' is 0"),
        ({"val": 1.0}, "'val' is 1.0"),
        ({"val": -0.1}, "'val' is -0.1"),
        ({"val": True}, "'val' is True"),
        ({"val": float("nan")}, "'val' is nan"),
        ({"val": "0.2"}, "'val' is 0.2"),
        ({"../val": 0.2}, "a part named '../val'"),
        ({"": 0.2}, "a part named ''"),
        ({3: 0.2}, "a part named '3'"),
        ({"val": 0.2, "VAL": 0.1}, "'val' and 'VAL', which would share a file"),
        ({"val": 0.2, "Valid": 0.1}, "'val' twice, as 'Valid' too"),
        ({"train2": 0.2}, "'train2', which would be read as 'train'"),
    ],
)
def test_shares_that_mean_nothing_are_refused(shares: Any, message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(message)):
        check_shares(shares)
