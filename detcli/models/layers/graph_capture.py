"""Whether a network runs to be captured as a graph, by torch.compile or by a tracer, and not to compute.

In a trace the sizes of a tensor are tensors too: they stay variables of the graph, unless they become Python numbers.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from typing import cast

import torch
from torch import Tensor

_ONE_SIZE: ContextVar[bool] = ContextVar("one_size", default=False)


@contextmanager
def traced_for_one_size() -> Iterator[None]:
    """Let the sizes of maps become numbers of a trace: the graph takes images of one size."""
    token = _ONE_SIZE.set(True)
    try:
        yield
    finally:
        _ONE_SIZE.reset(token)


def is_captured() -> bool:
    """Whether the graph must have neither chunks nor a loop over images."""
    return torch.compiler.is_compiling() or is_traced()


def is_traced() -> bool:
    """Whether a tracer records the graph, as the export to ONNX does."""
    return not torch.compiler.is_compiling() and bool(torch._C._get_tracing_state())


def has_variable_sizes() -> bool:
    """Whether caches by size would become constants of the graph, or break it."""
    return torch.compiler.is_compiling() or (is_traced() and not _ONE_SIZE.get())


def size_of_maps(maps: Tensor) -> tuple[int, int]:
    """Height and width of maps [B, C, H, W]."""
    height, width = maps.shape[-2:]
    return (int(height), int(width)) if is_traced() and _ONE_SIZE.get() else (height, width)


def exact_dtype(device: torch.device) -> torch.dtype:
    """The type for numbers that should be as exact as possible, and then become float32."""
    # Apple GPUs have no float64, and several programs that run exported graphs do not either.
    return torch.float32 if device.type == "mps" or is_traced() else torch.float64


def tensor_of_sizes(sizes: Sequence[int], like: Tensor) -> Tensor:
    """Sizes as a tensor [N] with the type and device of another one; do not change it in place."""
    if is_traced():
        return torch.stack([torch.as_tensor(size, dtype=like.dtype, device=like.device) for size in sizes])
    if has_variable_sizes():
        return like.new_tensor(sizes)
    return _cached_sizes(tuple(sizes), like.dtype, like.device)


@lru_cache(maxsize=256)
def _cached_sizes(sizes: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Numbers that are copied to a GPU only once: each copy would wait for it."""
    with torch.inference_mode(False):  # otherwise training could not use a tensor that was cached in inference
        return torch.tensor(sizes, dtype=dtype, device=device)


def lower_size(limit: int, size: int) -> int:
    """The lower one of a number and a size that follows from those of maps."""
    if not is_traced():
        return min(limit, size)
    if _ONE_SIZE.get():
        return min(limit, int(size))
    return cast("int", torch.minimum(torch.as_tensor(limit), torch.as_tensor(size)))
