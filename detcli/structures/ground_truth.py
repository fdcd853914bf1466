"""The ground truth of one image, in that image's own pixels."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from detcli.structures.masks import Rle


@dataclass(frozen=True, slots=True)
class GroundTruth:
    """Boxes that people, or whoever drew the image, say are there; in no order.

    boxes_xyxy  float64 [N, 4]  left, top, right, bottom in pixels of the upright image
    class_ids   int64   [N]     index into the dataset's labels
    crowd       bool    [N]     many of a kind under one box: evaluated by its own rule, never learned from
    masks       N masks at the image's own size; None where nobody asked for them, or there are none
    track_ids   int64   [N]     the same object has the same number in every frame of a video; None of single images
    """

    boxes_xyxy: npt.NDArray[np.float64]
    class_ids: npt.NDArray[np.int64]
    crowd: npt.NDArray[np.bool_]
    masks: tuple[Rle, ...] | None = None
    track_ids: npt.NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        count = len(self.class_ids)
        if self.boxes_xyxy.shape != (count, 4) or self.class_ids.shape != (count,) or self.crowd.shape != (count,):
            raise ValueError(
                f"boxes {self.boxes_xyxy.shape}, class ids {self.class_ids.shape} and crowd {self.crowd.shape} "
                "do not belong together"
            )
        if self.masks is not None and len(self.masks) != count:
            raise ValueError(f"{len(self.masks)} masks do not belong to {count} boxes")
        if self.track_ids is not None and self.track_ids.shape != (count,):
            raise ValueError(f"track ids {self.track_ids.shape} do not belong to {count} boxes")

    def __len__(self) -> int:
        return len(self.class_ids)

    def __getitem__(self, which: npt.NDArray[np.bool_] | npt.NDArray[np.int64]) -> "GroundTruth":
        """Those that a mask or indices pick."""
        masks, ids = self.masks, self.track_ids
        if masks is not None:
            masks = tuple(masks[place] for place in np.arange(len(self))[which].tolist())
        ids = None if ids is None else ids[which]
        return GroundTruth(self.boxes_xyxy[which], self.class_ids[which], self.crowd[which], masks, ids)

    @classmethod
    def empty(cls) -> "GroundTruth":
        """Nothing is there."""
        return cls(np.zeros((0, 4), np.float64), np.zeros(0, np.int64), np.zeros(0, np.bool_))
