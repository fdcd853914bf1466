import numpy as np
import pytest

from detcli.structures.masks import Rle
from detcli.structures.rle import check, runs


def drawn(seed: int) -> np.ndarray:
    """Masks of every kind: noise, rectangles, all, nothing."""
    random = np.random.default_rng(seed)
    height, width = random.integers(1, 40, 2)
    mask = np.zeros((height, width), np.bool_)
    if seed % 4 == 0:
        return random.random((height, width)) < random.random()
    if seed % 4 == 1:
        (top, bottom), (left, right) = (
            np.sort(random.integers(0, height + 1, 2)),
            np.sort(random.integers(0, width + 1, 2)),
        )
        mask[top:bottom, left:right] = True
    if seed % 4 == 2:
        mask[:] = True
    return mask


@pytest.mark.parametrize("seed", range(200))
def test_runs_filled_column_by_column_are_the_mask(seed: int) -> None:
    mask = drawn(seed)
    flat = np.zeros(mask.size, np.bool_)
    for start, stop in zip(*runs(Rle.of(mask)), strict=True):
        assert stop > start
        flat[start:stop] = True
    np.testing.assert_array_equal(flat.reshape(mask.shape[::-1]).T, mask)


@pytest.mark.parametrize(
    "counts",
    [
        "",
        "0",
        ";",  # eleven zeros, and twelve would fill it
        "P",  # says that another character follows
        "PPPPPPPPPPPPPPP0",
        " <",
        "ÿ",
        "\x00",
        "=O",  # thirteen zeros and less than nothing
    ],
)
def test_counts_that_do_not_match_the_size_are_refused(counts: str) -> None:
    with pytest.raises(ValueError, match=r"runs"):
        check(Rle((3, 4), counts))


def test_an_empty_mask_has_no_runs() -> None:
    assert [len(part) for part in runs(Rle((3, 4), "<"))] == [0, 0]
