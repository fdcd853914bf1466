"""Position encodings against their definition, also with masks."""

import math

import pytest
import torch
from torch import Tensor

from detcli.errors import UnsupportedModelError
from detcli.models.layers.position import LearnedPositions, sine_boxes, sine_positions

CPU = torch.device("cpu")


def positions(size_hw: tuple[int, int], mask: Tensor | None = None, shift: float = 0.0, channels: int = 8) -> Tensor:
    return sine_positions(size_hw, mask, channels=channels, shift=shift, device=CPU, dtype=torch.float64)


@pytest.mark.parametrize("shift", [0.0, -0.5])
def test_row_encodings_come_before_column_encodings(shift: float) -> None:
    grid = positions((3, 5), shift=shift).view(3, 5, 8)
    for row in range(3):
        for column in range(5):
            down = 2 * math.pi * (row + 1 + shift) / (3 + 1e-6)
            across = 2 * math.pi * (column + 1 + shift) / (5 + 1e-6)
            angles = [down, down / 100, across, across / 100]
            expected = [wave(angle) for angle in angles for wave in (math.sin, math.cos)]
            torch.testing.assert_close(grid[row, column], torch.tensor(expected, dtype=torch.float64))


@pytest.mark.parametrize("shift", [0.0, -0.5])
def test_a_mask_without_padding_changes_no_positions(shift: float) -> None:
    complete = positions((4, 3), torch.ones(2, 4, 3, dtype=torch.bool), shift)
    torch.testing.assert_close(complete, positions((4, 3), shift=shift).expand(2, -1, -1))


def test_padding_does_not_change_positions_of_the_image() -> None:
    mask = torch.zeros(1, 6, 7, dtype=torch.bool)
    mask[:, :4, :5] = True
    padded = positions((6, 7), mask, -0.5).view(6, 7, 8)[:4, :5]
    torch.testing.assert_close(padded, positions((4, 5), shift=-0.5).view(4, 5, 8))


def test_box_encodings_are_those_of_each_coordinate() -> None:
    box = torch.tensor([0.1, 0.2, 0.3, 0.4], dtype=torch.float64)
    angles = [angle / slower for angle in (box * 2 * math.pi).tolist() for slower in (1, 100)]
    expected = [wave(angle) for angle in angles for wave in (math.sin, math.cos)]
    torch.testing.assert_close(sine_boxes(box, 4), torch.tensor(expected, dtype=torch.float64))


def test_learned_positions_are_the_columns_then_the_rows() -> None:
    learned = LearnedPositions(6)
    grid = learned((2, 4)).view(2, 4, 6)
    torch.testing.assert_close(grid[1, 2], torch.cat((learned.columns.weight[2], learned.rows.weight[1])))


def test_an_image_beyond_learned_positions_is_rejected() -> None:
    with pytest.raises(UnsupportedModelError, match=r"51 x 2 cells.*learned positions for 50 x 50"):
        LearnedPositions(4)((51, 2))
