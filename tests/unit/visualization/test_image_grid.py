"""Images side by side: each is complete and in its place."""

import numpy as np
import pytest

from detcli.visualization.image_grid import GAP, image_grid


def image(value: int, size_hw: tuple[int, int] = (3, 5)) -> np.ndarray:
    return np.full((*size_hw, 3), value, np.uint8)


@pytest.mark.parametrize(
    ("count", "rows", "columns"), [(1, 1, 1), (2, 1, 2), (3, 2, 2), (5, 2, 3), (9, 3, 3), (16, 4, 4)]
)
def test_there_are_about_as_many_columns_as_rows(count: int, rows: int, columns: int) -> None:
    grid = image_grid([image(number) for number in range(count)])
    assert grid.shape == (rows * 3 + (rows - 1) * GAP, columns * 5 + (columns - 1) * GAP, 3)
    for number in range(count):
        top, left = number // columns * (3 + GAP), number % columns * (5 + GAP)
        assert (grid[top : top + 3, left : left + 5] == number).all()


def test_smaller_images_lie_in_cells_of_the_largest() -> None:
    grid = image_grid([image(1, (2, 6)), image(2, (4, 3))])
    assert grid.shape == (4, 12 + GAP, 3)
    assert (grid[:2, :6] == 1).all()
    assert (grid[:4, 6 + GAP : 9 + GAP] == 2).all()
    assert len(np.unique(grid[2:, :6])) == 1, "the rest of the cell is empty"
