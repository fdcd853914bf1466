"""Which images share a batch, and how many. It works on sizes alone, not on images."""

from collections.abc import Sequence
from dataclasses import dataclass

SizeHW = tuple[int, int]

# Default batch sizes for images of D-FINE's input size; smaller for larger images. On a CPU a larger batch only pushes
# activations out of its caches. A GPU needs many images to be busy, and a batch that does not fit is halved until it does.
AUTOMATIC_BATCH = {"cpu": 4, "mps": 8, "cuda": 32}
_USUAL_PIXELS = 640 * 640

# Zeros that padding may add, as a share of the images' own pixels: beyond it a batch costs more than it saves.
_MAX_PADDING = 0.25


@dataclass(frozen=True, slots=True)
class BatchSettings:
    """How a detector forms batches.

    size           most images in a batch
    pad            images of different sizes share a batch, padded to a common size
    deterministic  batches are always full, and the position of an image in its batch follows from its position in the
                   input: the results for an image never depend on the other images in the batch, to the last bit.
                   Images of many sizes are processed one by one
    compiled       the network is compiled for one batch size: batches of images of one size are filled up
    """

    size: int
    pad: bool = False
    deterministic: bool = False
    compiled: bool = False


def slot_of(index: int, size: int) -> int:
    """The position in a deterministic batch of `size` images of the image with this index in the input.

    Images with different positions may share a batch: those in a row, and those of a shard. Every n-th image has one of
    `size / gcd(size, n)` positions.
    """
    return index % size


class DeterministicBatch:
    """The images of one deterministic batch of `size`, which comes together in input order."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._slots: set[int] = set()
        self._before: int | None = None

    def __len__(self) -> int:
        return len(self._slots)

    def add(self, index: int) -> bool:
        """Add the image with this index in the input; False where it is the first one of the next batch.

        Positions differ in a batch; batches of images in a row are counted from the start of the input.
        """
        slot = slot_of(index, self._size)
        if slot in self._slots or (index % self._size == 0 and self._before == index - 1):
            return False
        self._slots.add(slot)
        self._before = index
        return True


def automatic_batch(device_type: str, largest_hw: SizeHW | None) -> int:
    """Return the default batch size.

    largest_hw  size of the images, or of the largest one; None: unknown
    """
    usual = AUTOMATIC_BATCH[device_type]
    return usual if largest_hw is None else max(1, min(usual, usual * _USUAL_PIXELS // _area(largest_hw)))


def same_size(sizes_hw: Sequence[SizeHW], limit: int) -> list[int]:
    """Return the positions of the first size and of those equal to it, in order; at most `limit`."""
    return [position for position, size in enumerate(sizes_hw) if size == sizes_hw[0]][:limit]


def padded_together(sizes_hw: Sequence[SizeHW], limit: int) -> list[int]:
    """Return the positions of the first size and of those closest to it, padding counted, in order; at most `limit`.

    Sizes are added one by one: always the one that enlarges the common height and width least, as long as padding stays
    small compared with the images.
    """
    chosen, others = [0], list(range(1, len(sizes_hw)))
    height, width = sizes_hw[0]
    real = height * width
    while others and len(chosen) < limit:
        closest = min(others, key=lambda other: _area(_common((height, width), sizes_hw[other])))
        larger, joined = _common((height, width), sizes_hw[closest]), real + _area(sizes_hw[closest])
        if _area(larger) * (len(chosen) + 1) > (1 + _MAX_PADDING) * joined:
            break
        (height, width), real = larger, joined
        chosen.append(closest)
        others.remove(closest)
    return sorted(chosen)


def _common(one_hw: SizeHW, other_hw: SizeHW) -> SizeHW:
    return max(one_hw[0], other_hw[0]), max(one_hw[1], other_hw[1])


def _area(size_hw: SizeHW) -> int:
    return size_hw[0] * size_hw[1]
