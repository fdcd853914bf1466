"""The default batch size on a GPU, from the memory that small batches need and the memory that is free."""

from collections.abc import Callable
from typing import Any

import torch

from detcli.errors import DeviceError
from detcli.inference.batches.batching import SizeHW
from detcli.runtimes.runtime import Runtime
from detcli.structures.network_io import Batch

_SHARE = 0.8  # of the free memory: the rest is for images, postprocessing and other programs
_SAMPLES = (1, 2)


def probed_batch(peak_bytes: Callable[[int], int], free_bytes: int, *, most: int) -> int:
    """Return the largest power of two that fits, at least 1 and at most `most`.

    peak_bytes  runs a batch of so many images and returns the most memory that it needed besides the weights; it may raise
                DeviceError where the batch does not fit
    """
    try:
        one, two = (peak_bytes(count) for count in _SAMPLES)
    except DeviceError as error:
        if not error.out_of_memory:
            raise
        return 1
    for_each = max(two - one, 1)
    base = max(one - for_each, 0)
    fits = int((free_bytes * _SHARE - base) // for_each)
    return 1 << (max(1, min(fits, most)).bit_length() - 1)


def probe_cuda(runtime: Runtime[Any, Any], device: torch.device, size_hw: SizeHW, *, most: int) -> int:
    """Return the default batch size for images of a size on a CUDA device; runs two small batches, which warm it up too."""

    def peak_bytes(count: int) -> int:
        pixels = torch.zeros((count, 3, *size_hw), device=device).to(memory_format=torch.channels_last)
        sizes = torch.tensor([size_hw] * count)
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        runtime(Batch(pixels, None, sizes, sizes))
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device) - before + pixels.nbytes

    free, _ = torch.cuda.mem_get_info(device)
    batch = probed_batch(peak_bytes, free, most=most)
    runtime.release_memory()
    return batch
