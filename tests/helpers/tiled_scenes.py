"""Rectangles of one color each, and a runtime that finds them: what tiles make of them is known exactly."""

from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import torch
from PIL import Image

from detcli.inference.batches.batching import BatchSettings
from detcli.inference.detector import Detector
from detcli.inference.images.tiling.tile_settings import TileSettings
from detcli.inference.images.tiling.tiled_detector import TiledDetector, with_tiles
from detcli.inference.model_info import ModelInfo
from detcli.inference.postprocessing.selection import Selection
from detcli.inference.preprocessing.preprocessing import Preprocessing
from detcli.inference.preprocessing.resize_rules import FixedSize
from detcli.inference.preprocessing.tensor_preprocessor import Preprocessor
from detcli.runtimes.runtime import SynchronousRuntime
from detcli.structures.class_labels import ClassLabels
from detcli.structures.detections import Detections
from detcli.structures.frame import Frame, Origin
from detcli.structures.network_io import Batch, Outputs

SIDE = 64  # of the network's input
NAMES = ("red", "green", "blue")
_QUERIES = 40
_LOGIT = 0.02  # of one step of color: the score of a rectangle tells which it is


@dataclass
class RectangleFinder(SynchronousRuntime[Batch, Outputs]):
    """Finds each rectangle that an image shows, also a part of it: its class is its channel, its score its brightness."""

    batches: list[int] = field(default_factory=list)

    name = "rectangles"
    device_name = "cpu"
    precision = "fp32"

    def __call__(self, batch: Batch) -> Outputs:
        images = (batch.pixels * 255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
        self.batches.append(len(images))
        logits = torch.full((len(images), _QUERIES, len(NAMES)), -20.0)
        boxes = torch.full((len(images), _QUERIES, 4), 0.5)
        for number, image in enumerate(images):
            for query, (channel, value, box) in enumerate(_rectangles(image)):
                logits[number, query, channel] = _LOGIT * value
                boxes[number, query] = torch.tensor(box)
        return Outputs(logits, boxes, box_std=torch.full_like(boxes, 1 / SIDE))


def _rectangles(image: Any) -> list[tuple[int, int, tuple[float, float, float, float]]]:
    height, width = image.shape[:2]
    found = []
    for channel in range(3):
        for value in np.unique(image[..., channel])[1:].tolist():
            rows, columns = np.nonzero(image[..., channel] == value)
            left, top, right, bottom = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
            center = ((left + right) / 2 / width, (top + bottom) / 2 / height)
            found.append((channel, value, (*center, (right - left) / width, (bottom - top) / height)))
    return found


def plain_detector(*, batch_size: int = 4, **settings: Any) -> Detector:
    """A detector of rectangles; settings are those of `Selection`."""
    deterministic = settings.pop("deterministic", False)
    return Detector(
        ModelInfo(cast("Any", None), ClassLabels.from_names(list(NAMES)), uncertainty=True),
        RectangleFinder(),
        preprocessor=Preprocessor(
            Preprocessing(FixedSize((SIDE, SIDE)), resample=Image.Resampling.NEAREST), torch.device("cpu")
        ),
        selection=Selection(**{"threshold": 0.1} | settings),
        batches=BatchSettings(batch_size, deterministic=deterministic),
    )


def tiled_detector(overlap: float = 0.25, *, and_full: bool = False, **settings: Any) -> TiledDetector:
    """The same with tiles of the size of the network's input, so that no pixel is resized."""
    return with_tiles(plain_detector(**settings), TileSettings(SIDE, overlap, and_full))


def scene(size_hw: tuple[int, int], boxes: list[tuple[int, int, int, int]], *, index: int = 0) -> Frame:
    """An image with rectangles at left, top, right, bottom; each has its own brightness, and classes take turns."""
    pixels = np.zeros((*size_hw, 3), np.uint8)
    for number, (left, top, right, bottom) in enumerate(boxes):
        pixels[top:bottom, left:right, number % 3] = 250 - number
    return Frame(Origin(index, f"{index}.png", f"{index}.png", str(index)), size_hw, pixels)


def boxes_of(found: Any) -> list[tuple[int, ...]]:
    """The boxes, rounded, by descending score."""
    assert isinstance(found, Detections), found
    return [tuple(row) for row in found.boxes_xyxy.round().astype(int).tolist()]
