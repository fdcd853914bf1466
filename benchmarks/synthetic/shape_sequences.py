"""Sequences of moving shapes: they cross, hide each other, come in and go out, and which is which is known.

A sequence follows from its level and its seed alone. First it is decided who moves how; then each frame can be laid out
and painted by itself, in any order.
"""

from functools import cached_property

import numpy as np

from benchmarks.synthetic.motion import LEVELS, set_out
from detcli.datasets.shapes.backgrounds import background
from detcli.datasets.shapes.camera_effects import photograph
from detcli.datasets.shapes.render import LEAST_CONTRAST, outstanding, paint_shape
from detcli.datasets.shapes.scene_layout import CLASSES, VERSION, Shape, cells_of, clipped_extent
from detcli.datasets.shapes.shape_colors import Colors
from detcli.structures.class_labels import ClassLabels
from detcli.structures.frame import Frame, Origin, Pixels
from detcli.structures.ground_truth import GroundTruth
from detcli.structures.seeding import derive_seed

__all__ = ["LEVELS", "ShapeSequence"]


class ShapeSequence:
    """One sequence: frames at an even rate, each with its ground truth, whose `track_ids` name the shapes.

    level    "easy" or "hard"
    size_hw  of the image
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
        self._movers = set_out(self.level, np.random.default_rng(self._seed), size_hw, frames / rate)

    def __len__(self) -> int:
        return self._count

    def time_s(self, index: int) -> float:
        """When a frame is."""
        return index / self.rate

    def ground_truth(self, index: int) -> GroundTruth:
        """The shapes of which something is to be seen; boxes are of the whole shape within the image.

        Where it is too little for its level, the ground truth is marked as a crowd: it need not be found, and may be.
        """
        seen = [
            (number, shape, share)
            for number, (shape, share) in enumerate(self._visible(self.time_s(index)), 1)
            if shape is not None and share > 0
        ]
        return GroundTruth(
            np.array([shape.box_xyxy for _, shape, _ in seen], np.float64).reshape(-1, 4),
            np.array([shape.class_id for _, shape, _ in seen], np.int64),
            np.array([share < self.level.least_visible for *_, share in seen], np.bool_),
            track_ids=np.array([number for number, *_ in seen], np.int64),
        )

    def draw(self, index: int) -> Pixels:
        """The frame: uint8 [H, W, 3] RGB, contiguous."""
        canvas = self._background.copy()
        for number, shape in enumerate(self._shapes(self.time_s(index))):
            if shape is not None:
                paint_shape(canvas, shape, self._random("mover", number), self._colors[number])
        return photograph(canvas, self._random("camera")) if self.level.photographed else canvas

    def frame(self, index: int) -> Frame:
        """The frame as a source would give it."""
        stem = f"{index:06}"
        origin = Origin(index, self._name, f"{stem}.png", stem, index, self.time_s(index))
        return Frame(origin, self.size_hw, self.draw(index))

    def _shapes(self, time_s: float) -> list[Shape | None]:
        """Each shape where it is, the lowest first; None where it is outside."""
        outlines = [(mover.class_id, mover.outline_at(time_s)) for mover in self._movers]
        boxes = [clipped_extent(outline, self.size_hw) for _, outline in outlines]
        return [
            None if box is None or min(box[2] - box[0], box[3] - box[1]) < 1 else Shape(class_id, outline, box)
            for (class_id, outline), box in zip(outlines, boxes, strict=True)
        ]

    def _visible(self, time_s: float) -> list[tuple[Shape | None, float]]:
        """Each shape with the share of it that lies in the image and under no other."""
        shapes = self._shapes(time_s)
        height, width = (side // 2 for side in self.size_hw)  # in cells
        uppermost = np.zeros((height, width), np.int32)
        whole = np.ones(len(shapes) + 1)
        for number, shape in enumerate(shapes, 1):
            if shape is None:
                continue
            mask, column, row = cells_of(shape.outline)
            rows, columns = slice(max(0, row), row + mask.shape[0]), slice(max(0, column), column + mask.shape[1])
            under = uppermost[rows, columns]
            under[mask[rows.start - row :, columns.start - column :][: under.shape[0], : under.shape[1]]] = number
            whole[number] = max(1, int(np.count_nonzero(mask)))
        seen = np.bincount(uppermost.reshape(-1), minlength=len(whole)) / whole
        return list(zip(shapes, seen[1:].tolist(), strict=True))

    @cached_property
    def _background(self) -> Pixels:
        return background(self._random("background"), self.size_hw)

    @cached_property
    def _colors(self) -> list[Colors]:
        """Of each shape, the same wherever it goes: they stand out from most of the background."""
        height, width = self.size_hw
        everywhere = (0.0, 0.0, float(width), float(height))
        return [
            outstanding(self._background, everywhere, self._random("colors", number), least=LEAST_CONTRAST)
            for number in range(len(self._movers))
        ]

    def _random(self, *what: int | str) -> np.random.Generator:
        return np.random.default_rng(derive_seed(self._seed, *what))
