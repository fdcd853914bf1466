"""How many images share a batch, and which, where they are of many sizes. It knows sizes alone, no images."""

from collections.abc import Sequence

SizeHW = tuple[int, int]

# Images a batch where the user gives no number, of those that D-FINE takes; of larger ones fewer. On a CPU more than
# a few only push activations out of its caches; a GPU needs many to be busy, and a batch that does not fit is halved
# until it does.
AUTOMATIC_BATCH = {"cpu": 4, "mps": 8, "cuda": 32}
_USUAL_PIXELS = 640 * 640

# Zeros that padding may add, as a share of the images' own pixels: beyond it a batch costs more than it saves.
_MOST_PADDING = 0.25


def automatic_batch(device_type: str, most_hw: SizeHW | None) -> int:
    """Images a batch where nobody gives a number.

    most_hw  the size of images, or the largest where they are of many; None: unknown
    """
    usual = AUTOMATIC_BATCH[device_type]
    return usual if most_hw is None else max(1, min(usual, usual * _USUAL_PIXELS // _area(most_hw)))


def alike(sizes_hw: Sequence[SizeHW], most: int) -> list[int]:
    """Places of the first size and of those that equal it, in order; at most so many."""
    return [place for place, size in enumerate(sizes_hw) if size == sizes_hw[0]][:most]


def padded_together(sizes_hw: Sequence[SizeHW], most: int) -> list[int]:
    """Places, in order, of the first size and of those that are closest to it, padding counted; at most so many.

    One after the other, that size joins which enlarges the batch's common height and width least, as long as padding
    stays small beside the images.
    """
    chosen, others = [0], list(range(1, len(sizes_hw)))
    height, width = sizes_hw[0]
    real = height * width
    while others and len(chosen) < most:
        place = min(others, key=lambda other: _area(_common((height, width), sizes_hw[other])))
        larger, joined = _common((height, width), sizes_hw[place]), real + _area(sizes_hw[place])
        if _area(larger) * (len(chosen) + 1) > (1 + _MOST_PADDING) * joined:
            break
        (height, width), real = larger, joined
        chosen.append(place)
        others.remove(place)
    return sorted(chosen)


def _common(one_hw: SizeHW, other_hw: SizeHW) -> SizeHW:
    return max(one_hw[0], other_hw[0]), max(one_hw[1], other_hw[1])


def _area(size_hw: SizeHW) -> int:
    return size_hw[0] * size_hw[1]
