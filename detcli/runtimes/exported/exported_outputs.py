"""Pixels and outputs of exported networks, with numpy."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from detcli.runtimes.exported.array_io import ArrayOutputs
from detcli.runtimes.exported.exported_facts import ExportedFacts

_TINY = 1e-38  # a probability of 0 has no logarithm


class PixelScale:
    """Scales and normalizes uint8 pixels as preprocessor_config.json says, with the same float32 numbers as torch."""

    def __init__(self, preprocessor: Mapping[str, Any]) -> None:
        self.rescale = float(preprocessor["rescale_factor"]) if preprocessor.get("do_rescale", True) else None
        self.mean = self.std = None
        if preprocessor.get("do_normalize", False):
            self.mean = np.array(preprocessor["image_mean"], np.float32)
            self.std = np.array(preprocessor["image_std"], np.float32)
        values = np.arange(256, dtype=np.float64) * (1.0 if self.rescale is None else self.rescale)
        table = np.broadcast_to(values.astype(np.float32), (3, 256))
        if self.mean is not None and self.std is not None:
            table = (table - self.mean[:, None]) / self.std[:, None]
        self._table = np.ascontiguousarray(table)

    def __call__(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Take uint8 [B, H, W, 3] to float32 [B, 3, H, W]."""
        scaled = np.empty((len(pixels), 3, *pixels.shape[1:3]), np.float32)
        for channel in range(3):
            np.take(self._table[channel], pixels[..., channel], out=scaled[:, channel])
        return scaled


def to_outputs(outputs: Sequence[npt.NDArray[Any]], facts: ExportedFacts, size_hw: tuple[int, int]) -> ArrayOutputs:
    """Return the outputs of a file as those of a network.

    outputs  in the order of `facts.output_names`
    size_hw  of the input

    Boxes, scores and classes become logits that give the same scores: those of other classes are -infinity.
    """
    if facts.outputs == "raw":
        named = {name: np.asarray(output, np.float32) for name, output in zip(facts.output_names, outputs, strict=True)}
        return ArrayOutputs(named["logits"], named["boxes"], named.get("masks"), named.get("box_std"))
    corners, scores, classes = outputs
    height, width = size_hw
    x0, y0, x1, y1 = np.moveaxis(np.asarray(corners, np.float64), -1, 0)
    boxes = np.stack(((x0 + x1) / (2 * width), (y0 + y1) / (2 * height), (x1 - x0) / width, (y1 - y0) / height), -1)
    return ArrayOutputs(_logits(np.asarray(scores, np.float64), classes, facts), boxes.astype(np.float32))


def _logits(scores: npt.NDArray[Any], classes: npt.NDArray[Any], facts: ExportedFacts) -> npt.NDArray[np.float32]:
    count = len(facts.labels)
    softmax = facts.scores == "softmax"
    logits = np.full((*scores.shape, count + softmax), -np.inf)
    with np.errstate(divide="ignore", invalid="ignore"):
        own = np.log(np.maximum(scores, _TINY))
        rest = np.log(np.maximum(1 - scores, _TINY))
    np.put_along_axis(logits, np.asarray(classes, np.int64)[..., None], (own if softmax else own - rest)[..., None], -1)
    if softmax:
        logits[..., -1] = rest
    return logits.astype(np.float32)
