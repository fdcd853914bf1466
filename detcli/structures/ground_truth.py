"""The ground truth of one image, in pixels of the image."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from detcli.structures.masks import Rle


@dataclass(frozen=True, slots=True)
class GroundTruth:
    """Annotated boxes, in any order.

    boxes_xyxy  float64 [N, 4]  left, top, right, bottom in pixels of the upright image
    class_ids   int64   [N]     index into the dataset's labels
    crowd       bool    [N]     many objects of a class in one box: matched by a special rule in evaluation, not used for training
    masks       N masks of the size of the image; None where they were not requested, or do not exist
    track_ids   int64   [N]     an object has the same number in each frame of a video; None for single images
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
                "must have one row per box"
            )
        if self.masks is not None and len(self.masks) != count:
            raise ValueError(f"{len(self.masks)} masks for {count} boxes")
        if self.track_ids is not None and self.track_ids.shape != (count,):
            raise ValueError(f"track ids {self.track_ids.shape} for {count} boxes")

    def __len__(self) -> int:
        return len(self.class_ids)

    def __getitem__(self, which: npt.NDArray[np.bool_] | npt.NDArray[np.int64]) -> "GroundTruth":
        """The boxes selected by a mask or by indices."""
        masks, ids = self.masks, self.track_ids
        if masks is not None:
            masks = tuple(masks[index] for index in np.arange(len(self))[which].tolist())
        ids = None if ids is None else ids[which]
        return GroundTruth(self.boxes_xyxy[which], self.class_ids[which], self.crowd[which], masks, ids)

    @classmethod
    def empty(cls) -> "GroundTruth":
        """No boxes."""
        return cls(np.zeros((0, 4), np.float64), np.zeros(0, np.int64), np.zeros(0, np.bool_))

    @classmethod
    def joined(cls, parts: Sequence["GroundTruth"]) -> "GroundTruth":
        """The boxes of all parts in their order, without track ids; at least one part.

        Where some parts have masks, boxes of the others get empty ones.
        """
        masks = None if all(part.masks is None for part in parts) else _joined_masks(parts)
        return cls(
            np.concatenate([part.boxes_xyxy for part in parts]),
            np.concatenate([part.class_ids for part in parts]),
            np.concatenate([part.crowd for part in parts]),
            masks,
        )


def _joined_masks(parts: Sequence[GroundTruth]) -> tuple[Rle, ...] | None:
    """The masks of all parts, with empty ones for boxes without; None if there is no mask, but a box."""
    sizes = [mask.size_hw for part in parts for mask in part.masks or ()]
    if not sizes:
        return None if any(len(part) for part in parts) else ()
    empty = Rle.empty(sizes[0])
    return tuple(mask for part in parts for mask in ((empty,) * len(part) if part.masks is None else part.masks))
