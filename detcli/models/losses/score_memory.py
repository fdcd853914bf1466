"""The memory that class scores of a training step need, checked before it is taken."""

import os
from pathlib import Path

import torch

from detcli.errors import DeviceError

_COPIES = 4  # of float32 scores: those of each layer, all of them together, and the gradients of both
_UNCHECKED_BYTES = 1_000_000_000
_GROUP = Path("/sys/fs/cgroup")  # of a container


def check_score_memory(
    *, images: int, queries: int, scores_per_image: int, classes: int, boxes: int, device: torch.device
) -> None:
    """Raise DeviceError if the class scores of a step need more memory than this machine has available.

    images            in the micro-batch
    queries           of an image, with those for denoising
    scores_per_image  rows of scores, each of all classes: queries in every layer, and tokens that have scores
    boxes             of the image with most

    Only on a CPU: Linux grants the memory and ends the process later. Elsewhere the allocator tells.
    """
    needed = 4 * _COPIES * images * scores_per_image * classes
    if device.type != "cpu" or needed <= _UNCHECKED_BYTES:
        return
    available = available_bytes()
    if available is not None and needed > available:
        raise DeviceError(
            f"out of memory on the CPU: the class scores of a training step need about {_gigabytes(needed)}, and "
            f"{_gigabytes(available)} are available: there are {classes:,} classes, {queries:,} queries, up to {boxes:,} "
            f"ground-truth boxes in an image, and {images:,} images at a time; use a smaller `batch_size`, more "
            "`accumulate` steps, or data with fewer classes or fewer boxes in an image",
            out_of_memory=True,
        )


def available_bytes() -> int | None:
    """Memory that this process can still take without swapping, within the limit of its container; None: unknown."""
    known = [number for number in (_of_machine(), _of_container()) if number is not None]
    return min(known, default=None)


def _of_machine() -> int | None:
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, AttributeError, IndexError):  # Windows and others
        return None


def _of_container() -> int | None:
    try:
        limit, used = ((_GROUP / name).read_text(encoding="ascii").strip() for name in ("memory.max", "memory.current"))
        return None if limit == "max" else max(0, int(limit) - int(used))
    except (OSError, ValueError):
        return None


def _gigabytes(number: int) -> str:
    return f"{number / 1e9:,.1f} GB"
