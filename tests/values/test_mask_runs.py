import numpy as np
import pytest

from detcli.values.mask_runs import check, window
from detcli.values.masks import Rle


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
def test_the_window_put_back_is_the_mask(seed: int) -> None:
    mask = drawn(seed)
    left, top, part = window(Rle.of(mask))
    again = np.zeros_like(mask)
    again[top : top + part.shape[0], left : left + part.shape[1]] = part
    np.testing.assert_array_equal(again, mask)
    if part.size:
        assert all(edge.any() for edge in (part[0], part[-1], part[:, 0], part[:, -1])), "the tightest box"


def test_nothing_has_an_empty_window() -> None:
    assert window(Rle.of(np.zeros((3, 4), np.bool_)))[2].shape == (0, 0)


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
def test_counts_that_are_no_mask_of_the_size_are_refused(counts: str) -> None:
    with pytest.raises(ValueError, match=r"runs"):
        check(Rle((3, 4), counts))


def test_true_counts_pass() -> None:
    check(Rle((3, 4), "<"))
    check(Rle.of(np.eye(30, 40, dtype=np.bool_)))
