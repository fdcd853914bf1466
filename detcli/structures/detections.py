"""What was found in one image, in that image's own pixels."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from detcli.structures.masks import Rle


@dataclass(frozen=True, slots=True)
class Detections:
    """Boxes of one image, the best score first.

    boxes_xyxy  float64 [N, 4]  left, top, right, bottom in pixels of the upright image, clipped to it
    scores      float32 [N]     0 … 1
    class_ids   int64   [N]     index into the checkpoint's labels
    masks       N masks at the image's own size; None where only boxes were asked for. Of panoptic and semantic
                segments no two overlap, and the boxes are what the masks cover
    track_ids   int64 [N], from 1: the same object has the same number in every frame of a video; None where nobody tracks
    """

    boxes_xyxy: npt.NDArray[np.float64]
    scores: npt.NDArray[np.float32]
    class_ids: npt.NDArray[np.int64]
    masks: tuple[Rle, ...] | None = None
    track_ids: npt.NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        count = len(self.scores)
        if self.boxes_xyxy.shape != (count, 4) or self.class_ids.shape != (count,):
            raise ValueError(
                f"boxes {self.boxes_xyxy.shape}, scores {self.scores.shape} and class ids {self.class_ids.shape} "
                "do not belong together"
            )
        if self.track_ids is not None and self.track_ids.shape != (count,):
            raise ValueError(f"track ids {self.track_ids.shape} do not belong to {count} boxes")
        if self.masks is not None and len(self.masks) != count:
            raise ValueError(f"{len(self.masks)} masks do not belong to {count} boxes")

    def __len__(self) -> int:
        return len(self.scores)

    def __getitem__(self, which: npt.NDArray[Any]) -> "Detections":
        """Those that a mask or indices pick."""
        masks, ids = self.masks, self.track_ids
        if masks is not None:
            masks = tuple(masks[place] for place in np.arange(len(self))[which].tolist())
        return Detections(
            self.boxes_xyxy[which],
            self.scores[which],
            self.class_ids[which],
            masks,
            None if ids is None else ids[which],
        )

    @classmethod
    def empty(cls) -> "Detections":
        """Nothing was found."""
        return cls(np.zeros((0, 4), np.float64), np.zeros(0, np.float32), np.zeros(0, np.int64))
