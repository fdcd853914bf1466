"""Visible parts of boxes equal those that are counted pixel by pixel."""

import numpy as np
import pytest

from detcli.datasets.transforms.visible_parts import visible_parts

SIDE = 40


def draw(rng: np.random.Generator, count: int) -> np.ndarray:
    """Random boxes with integer corners."""
    starts = rng.integers(0, SIDE - 2, (count, 2))
    return np.concatenate([starts, np.minimum(starts + rng.integers(1, 25, (count, 2)), SIDE)], axis=1)


@pytest.mark.parametrize("inside", [True, False])
@pytest.mark.parametrize("seed", range(30))
def test_parts_and_shares_equal_those_of_counted_pixels(seed: int, inside: bool) -> None:
    rng = np.random.default_rng(seed)
    boxes, rectangles = draw(rng, 12), draw(rng, int(rng.integers(1, 5)))
    pasted = np.zeros((SIDE, SIDE), np.bool_)
    for left, top, right, bottom in rectangles:
        pasted[top:bottom, left:right] = True
    parts, shares = visible_parts(boxes.astype(np.float64), rectangles, inside=inside)
    for box, part, share in zip(boxes, parts, shares, strict=True):
        left, top, right, bottom = box
        visible = pasted[top:bottom, left:right] == inside
        assert share == pytest.approx(visible.mean())
        if visible.any():
            rows, columns = np.nonzero(visible)
            seen = [left + columns.min(), top + rows.min(), left + columns.max() + 1, top + rows.max() + 1]
            assert part.tolist() == seen
        else:
            assert part.tolist() == box.tolist()


def test_boxes_that_nothing_touches_keep_every_bit() -> None:
    boxes = np.array([[0.1, 0.2, 9.7, 9.9], [20.3, 20.3, 30.1, 30.7]])
    parts, shares = visible_parts(boxes, np.array([[10, 0, 20, 20]]), inside=False)
    assert parts.tobytes() == boxes.tobytes()
    assert shares.tolist() == [1, 1]
    assert visible_parts(boxes, np.array([[10, 0, 20, 20]]), inside=True)[1].tolist() == [0, 0]


def test_fractions_of_a_pixel_count() -> None:
    parts, shares = visible_parts(np.array([[0.5, 0.0, 4.5, 4.0]]), np.array([[2, 0, 9, 9]]), inside=False)
    assert parts.tolist() == [[0.5, 0.0, 2.0, 4.0]]
    assert shares.tolist() == [1.5 / 4]


def test_no_boxes_have_no_parts() -> None:
    parts, shares = visible_parts(np.zeros((0, 4)), np.array([[2, 0, 9, 9]]), inside=True)
    assert (parts.shape, shares.shape) == ((0, 4), (0,))
