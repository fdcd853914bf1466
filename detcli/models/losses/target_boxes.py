"""The ground-truth boxes of a batch, and counts over all processes, for all criteria."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor, distributed

from detcli.structures.network_io import Targets


@dataclass(frozen=True, slots=True)
class TargetBoxes:
    """The ground-truth boxes of a batch, those of all images concatenated.

    class_ids     int64 [sum N]
    boxes_cxcywh  float [sum N, 4] as fractions of the image
    counts        number of boxes of each image
    """

    class_ids: Tensor
    boxes_cxcywh: Tensor
    counts: tuple[int, ...]

    @classmethod
    def of(cls, targets: Sequence[Targets], dtype: torch.dtype) -> "TargetBoxes":
        """Concatenate the targets of a batch, with boxes in this dtype."""
        return cls(
            torch.cat([target.class_ids for target in targets]),
            torch.cat([target.boxes_cxcywh for target in targets]).to(dtype),
            tuple(len(target.class_ids) for target in targets),
        )

    def padded(self, max_boxes: int | None = None, *, padding_class: int = 0) -> tuple[Tensor, Tensor]:
        """Class ids [B, N] and boxes [B, N, 4] for N = max_boxes, by default the largest number of boxes of an image.

        Padding has the class id `padding_class`, and boxes of zeros.
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
    """The mean of counts over all processes: [len(counts)] floats.

    With several processes, the mean of losses divided by these counts equals the loss of one process with all images.
    """
    return shared_mean(torch.tensor(counts, dtype=torch.float32).to(device, non_blocking=True))


def shared_mean(tensor: Tensor) -> Tensor:
    """The mean of a tensor over all processes; the tensor may be changed."""
    if processes() > 1:
        distributed.all_reduce(tensor)
    return tensor / processes()


def at_least_one(counts: Tensor) -> Tensor:
    """Counts of `shared_counts` as divisors: a count of 0 in all processes together becomes 1."""
    return counts.clamp(min=1 / processes())


def largest_everywhere(count: int, device: torch.device) -> int:
    """The largest count of all processes."""
    if processes() == 1:
        return count
    tensor = torch.tensor(count, device=device)
    distributed.all_reduce(tensor, op=distributed.ReduceOp.MAX)
    return int(tensor)


def processes() -> int:
    """Number of processes that train together."""
    if _ALONE.get():
        return 1
    return distributed.get_world_size() if distributed.is_available() and distributed.is_initialized() else 1


@contextmanager
def counting_alone() -> Iterator[None]:
    """Count this process's images only, for losses of which not every process computes the same number."""
    token = _ALONE.set(True)
    try:
        yield
    finally:
        _ALONE.reset(token)


_ALONE: ContextVar[bool] = ContextVar("alone", default=False)
