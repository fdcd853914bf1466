"""The inputs of a network that calibration runs, from images."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from detcli.inference.preprocessing.array_preprocessor import ArrayPreprocessor
from detcli.inference.preprocessing.preprocessing import Preprocessing
from detcli.runtimes.exported.exported_facts import ExportedFacts
from detcli.runtimes.exported.exported_outputs import PixelScale
from detcli.structures.frame import FailedFrame, Frame


class CalibrationInputs:
    """Normalized pixels float32 [B, 3, H, W] of images, batch after batch; they can be iterated several times.

    Only the resized images are kept in memory.

    facts   of the exported network: preprocessing and batch size
    frames  of images like those that the model will see; failed ones are left out
    """

    def __init__(self, facts: ExportedFacts, frames: Sequence[Frame | FailedFrame]) -> None:
        self._preprocessor = ArrayPreprocessor(
            Preprocessing.from_json(facts.preprocessor, size_divisor=facts.size_divisor)
        )
        self._scale = PixelScale(facts.preprocessor)
        self._batch = facts.batch or 1
        self._frames = [
            replace(self._preprocessor.prepare(frame), pixels=None) for frame in frames if isinstance(frame, Frame)
        ]

    @property
    def images(self) -> int:
        """Number of images."""
        return len(self._frames)

    def __len__(self) -> int:
        """Number of batches."""
        return len(self._batches())

    def __iter__(self) -> Iterator[npt.NDArray[np.float32]]:
        """Iterate over the batches."""
        for batch in self._batches():
            yield self._scale(self._preprocessor.batch(batch).pixels)

    def _batches(self) -> list[list[Frame]]:
        """Images of one size share a batch; one that is not full has its last image again."""
        by_size: dict[tuple[int, ...], list[Frame]] = {}
        for frame in self._frames:
            by_size.setdefault(self._preprocessor.batch_size_hw(frame), []).append(frame)
        batches = [
            frames[start : start + self._batch]
            for frames in by_size.values()
            for start in range(0, len(frames), self._batch)
        ]
        return [batch + batch[-1:] * (self._batch - len(batch)) for batch in batches]
