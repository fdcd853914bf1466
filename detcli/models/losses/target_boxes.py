"""What the criteria of all families share that judge a set of answers against a set of true boxes."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor, distributed

from detcli.structures.network_io import Targets


@dataclass(frozen=True, slots=True)
class TargetBoxes:
    """The true boxes of a batch, those of all images one after the other.

    class_ids     int64 [sum N]
    boxes_cxcywh  float [sum N, 4] as fractions of the image
    counts        how many each image has
    """

    class_ids: Tensor
    boxes_cxcywh: Tensor
    counts: tuple[int, ...]

    @classmethod
    def of(cls, targets: Sequence[Targets], dtype: torch.dtype) -> "TargetBoxes":
        """Join the targets of a batch; boxes in this dtype."""
        return cls(
            torch.cat([target.class_ids for target in targets]),
            torch.cat([target.boxes_cxcywh for target in targets]).to(dtype),
            tuple(len(target.class_ids) for target in targets),
        )

    def padded(self, max_boxes: int | None = None, *, padding_class: int = 0) -> tuple[Tensor, Tensor]:
        """Class ids [B, N] and boxes [B, N, 4] for N = max_boxes, or the fullest image's number.

        What fills up the others has the class id `padding_class`, and boxes of zeros.
        """
        max_boxes = max(self.counts) if max_boxes is None else max_boxes
        starts = accumulate(self.counts, initial=0)
        indices = torch.tensor(
            [
                [start + i if i < count else len(self.class_ids) for i in range(max_boxes)]
                for start, count in zip(starts, self.counts, strict=False)
            ],
            dtype=torch.int64,
        ).to(self.class_ids.device, non_blocking=True)
        class_ids = torch.cat((self.class_ids, self.class_ids.new_full((1,), padding_class)))
        boxes = torch.cat((self.boxes_cxcywh, self.boxes_cxcywh.new_zeros((1, 4))))
        return class_ids[indices], boxes[indices]


def shared_counts(counts: Sequence[int], device: torch.device) -> Tensor:
    """The sum of counts over all processes, divided by how many processes there are: [len(counts)] floats.

    With several processes, the mean over processes of losses divided by these is the loss that one process would have
    come to with all the images.
    """
    tensor = torch.tensor(counts, dtype=torch.float32).to(device, non_blocking=True)
    if processes() > 1:
        distributed.all_reduce(tensor)
    return tensor / processes()


def at_least_one(counts: Tensor) -> Tensor:
    """Counts of `shared_counts` to divide by: where there is nothing at all in any process, as if there were one."""
    return counts.clamp(min=1 / processes())


def largest_everywhere(count: int, device: torch.device) -> int:
    """The largest of the counts that all processes have."""
    if processes() == 1:
        return count
    tensor = torch.tensor(count, device=device)
    distributed.all_reduce(tensor, op=distributed.ReduceOp.MAX)
    return int(tensor)


def processes() -> int:
    """How many processes train together."""
    return distributed.get_world_size() if distributed.is_available() and distributed.is_initialized() else 1
