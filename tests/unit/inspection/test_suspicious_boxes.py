"""Boxes that are hardly right as a whole are found in images of several sizes, and right ones are not suspicious."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from detcli.inspection.box_table import BoxTable
from detcli.inspection.findings import DataPart
from detcli.inspection.suspicious_boxes import suspicious_boxes
from detcli.structures.frame import Origin

Boxes = npt.NDArray[np.float64]


class Named:
    """A dataset of which only the names matter."""

    def origin(self, index: int) -> Any:
        return Origin(index, f"{index}.png", f"{index}.png", str(index))


def checks(boxes: Boxes, sizes: Boxes, images: npt.NDArray[np.int64]) -> list[str]:
    """Names of what is found."""
    table = BoxTable(images, boxes, np.zeros(len(boxes), np.int64), sizes)
    return [finding.check for finding in suspicious_boxes(DataPart("train", Named()), table)]  # type: ignore[arg-type]


def right_boxes(seed: int, *, images: int = 30, each: int = 3) -> tuple[Boxes, Boxes, npt.NDArray[np.int64]]:
    """Boxes of any size and place in images of several sizes."""
    random = np.random.default_rng(seed)
    sizes = random.choice([480.0, 640.0, 800.0], (images, 2))
    rows = np.repeat(np.arange(images), each)
    first, second = random.uniform(0, 1, (2, len(rows), 2))
    fractions = np.concatenate((np.minimum(first, second), np.maximum(first, second) + 0.02), axis=1).clip(0, 1)
    return fractions * np.tile(sizes[rows], 2), sizes, rows


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("rounded", [False, True])
def test_right_boxes_are_not_suspicious(seed: int, rounded: bool) -> None:
    boxes, sizes, rows = right_boxes(seed)
    assert checks(np.round(boxes) if rounded else boxes, sizes, rows) == []


def test_few_boxes_are_not_suspicious() -> None:
    sizes = np.full((9, 2), 640.0)
    assert checks(np.tile([10.0, 10, 50, 50], (9, 1)), sizes, np.arange(9)) == []


FAULTS: dict[str, tuple[list[str], Callable[[Boxes, Boxes], Boxes]]] = {
    "one size in pixels": (["one-size"], lambda boxes, _: np.hstack((boxes[:, :2], boxes[:, :2] + 32))),
    "one part of the image": (["one-size"], lambda boxes, sizes: np.hstack((boxes[:, :2], boxes[:, :2] + 0.1 * sizes))),
    "one place": (["one-size", "one-place"], lambda boxes, _: np.tile([9.0, 20, 90, 300], (len(boxes), 1))),
    "one place of each image": (
        ["one-size", "one-place"],
        lambda boxes, sizes: np.hstack((0.25 * sizes, 0.5 * sizes)),
    ),
    "whole images": (["whole-images"], lambda boxes, sizes: np.hstack((0 * sizes, sizes))),
    "half the size": (["one-corner"], lambda boxes, _: boxes / 2),
    "top right": (["one-corner"], lambda boxes, sizes: boxes / 2 + np.hstack((sizes, sizes)) * [0.5, 0, 0.5, 0]),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_planted_faults_are_found(fault: str) -> None:
    expected, change = FAULTS[fault]
    boxes, sizes, rows = right_boxes(0)
    assert checks(change(boxes, sizes[rows]), sizes, rows) == expected


def test_objects_in_the_middle_are_no_corner() -> None:
    boxes, sizes, rows = right_boxes(0)
    assert checks(boxes / 2 + np.tile(sizes[rows], 2) / 4, sizes, rows) == []
