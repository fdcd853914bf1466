"""Synthetic sequences of moving shapes with track ids: shapes cross, hide each other, enter and leave.

A sequence depends only on its level and its seed. Frames can be rendered independently, in any order.
"""

from functools import cached_property

import numpy as np

from benchmarks.synthetic.motion import LEVELS, choose_movers
from detcli.datasets.shapes.backgrounds import background
from detcli.datasets.shapes.camera_effects import photograph
from detcli.datasets.shapes.render import MIN_CONTRAST, contrasting_colors, paint_shape
from detcli.datasets.shapes.scene_layout import CLASSES, VERSION, Shape, cells_of, clipped_extent
from detcli.datasets.shapes.shape_colors import Colors
from detcli.structures.class_labels import ClassLabels
from detcli.structures.frame import Frame, Origin, Pixels
from detcli.structures.ground_truth import GroundTruth
from detcli.structures.seeding import derive_seed

__all__ = ["LEVELS", "ShapeSequence"]

_COLOR_SEED = "colours"  # part of the random seed: another spelling gives other sequences


class ShapeSequence:
    """A sequence of frames at a constant rate, each with its ground truth and track ids.

    level    "easy" or "hard"
    seed     of the random numbers
    frames   number of frames
    rate     frames per second
    size_hw  size of the image
    """

    def __init__(
        self,
        level: str = "easy",
        seed: int = 0,
        *,
        frames: int = 120,
        rate: float = 30.0,
        size_hw: tuple[int, int] = (288, 384),
    ) -> None:
        self.level, self.rate, self.size_hw = LEVELS[level], rate, size_hw
        self.labels = ClassLabels.from_names(CLASSES)
        self._name = f"moving-shapes:{level}:{seed}"
        self._count = frames
        self._seed = derive_seed(seed, level, "moving shapes", VERSION)
        self._movers = choose_movers(self.level, np.random.default_rng(self._seed), size_hw, frames / rate)

    def __len__(self) -> int:
        return self._count

    def time_s(self, index: int) -> float:
        """Time of a frame in seconds."""
        return index / self.rate

    def ground_truth(self, index: int) -> GroundTruth:
        """The visible shapes; a box is the extent of the complete shape in the image.

        A shape that is visible less than `min_visible` of the level is marked as a crowd: detecting it is optional.
        """
        visible = [
            (number, shape, share)
            for number, (shape, share) in enumerate(self._visible(self.time_s(index)), 1)
            if shape is not None and share > 0
        ]
        return GroundTruth(
            np.array([shape.box_xyxy for _, shape, _ in visible], np.float64).reshape(-1, 4),
            np.array([shape.class_id for _, shape, _ in visible], np.int64),
            np.array([share < self.level.min_visible for *_, share in visible], np.bool_),
            track_ids=np.array([number for number, *_ in visible], np.int64),
        )

    def draw(self, index: int) -> Pixels:
        """Pixels of a frame, uint8 [H, W, 3] RGB, contiguous."""
        canvas = self._background.copy()
        for number, shape in enumerate(self._shapes(self.time_s(index))):
            if shape is not None:
                paint_shape(canvas, shape, self._random("mover", number), self._colors[number])
        return photograph(canvas, self._random("camera")) if self.level.photographed else canvas

    def frame(self, index: int) -> Frame:
        """A frame as a source returns it."""
        stem = f"{index:06}"
        origin = Origin(index, self._name, f"{stem}.png", stem, index, self.time_s(index))
        return Frame(origin, self.size_hw, self.draw(index))

    def _shapes(self, time_s: float) -> list[Shape | None]:
        """The shapes at a time, from bottom to top; None for a shape outside the image."""
        outlines = [(mover.class_id, mover.outline_at(time_s)) for mover in self._movers]
        boxes = [clipped_extent(outline, self.size_hw) for _, outline in outlines]
        return [
            None if box is None or min(box[2] - box[0], box[3] - box[1]) < 1 else Shape(class_id, outline, box)
            for (class_id, outline), box in zip(outlines, boxes, strict=True)
        ]

    def _visible(self, time_s: float) -> list[tuple[Shape | None, float]]:
        """Each shape with its visible fraction."""
        shapes = self._shapes(time_s)
        height, width = (side // 2 for side in self.size_hw)  # in cells
        topmost = np.zeros((height, width), np.int32)
        sizes = np.ones(len(shapes) + 1)
        for number, shape in enumerate(shapes, 1):
            if shape is None:
                continue
            mask, column, row = cells_of(shape.outline)
            rows, columns = slice(max(0, row), row + mask.shape[0]), slice(max(0, column), column + mask.shape[1])
            covered = topmost[rows, columns]
            covered[mask[rows.start - row :, columns.start - column :][: covered.shape[0], : covered.shape[1]]] = number
            sizes[number] = max(1, int(np.count_nonzero(mask)))
        fractions = np.bincount(topmost.reshape(-1), minlength=len(sizes)) / sizes
        return list(zip(shapes, fractions[1:].tolist(), strict=True))

    @cached_property
    def _background(self) -> Pixels:
        return background(self._random("background"), self.size_hw)

    @cached_property
    def _colors(self) -> list[Colors]:
        """Colors of each shape, constant over time, that contrast with most of the background."""
        height, width = self.size_hw
        everywhere = (0.0, 0.0, float(width), float(height))
        return [
            contrasting_colors(self._background, everywhere, self._random(_COLOR_SEED, number), least=MIN_CONTRAST)
            for number in range(len(self._movers))
        ]

    def _random(self, *what: int | str) -> np.random.Generator:
        return np.random.default_rng(derive_seed(self._seed, *what))
