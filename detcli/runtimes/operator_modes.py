"""What a network's operators say about recording it: which of them wait for the host, and which tensors they read."""

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

# The shape of their results, or the next step of the host, depends on numbers of the device.
_READ = frozenset(
    (
        *("_local_scalar_dense", "is_nonzero", "equal", "nonzero", "masked_select", "bincount"),
        *("_unique", "_unique2", "unique_dim", "unique_consecutive"),
    )
)
_INDEXED = frozenset(("index", "index_put", "index_put_", "_index_put_impl_"))
_COPIES = frozenset(("_to_copy", "copy_"))


class HostWaits(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """While it is entered, collects the operators for which host and device wait for each other.

    They copy from or to the host, or the host needs their numbers. A CUDA graph cannot be recorded over them, and each of
    them ends the time that a host is ahead of its device.

    names  of these operators, such as "aten.nonzero", in the order of their calls
    count  of all operators
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.names: list[str] = []
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operator."""
        result = func(*args, **(kwargs or {}))
        self.count += 1
        if _waits(func, args, kwargs or {}, result):
            self.names.append(str(func.overloadpacket))
        return result


def _waits(func: Any, args: Any, kwargs: Any, result: Any) -> bool:
    name = func.overloadpacket.__name__
    if name in _INDEXED:
        return any(index.dtype in (torch.bool, torch.uint8) for index in _tensors(args[1]))
    if name in _COPIES:
        return len({tensor.device.type for tensor in _tensors((*args, result))}) > 1
    if name == "repeat_interleave":
        return kwargs.get("output_size") is None
    return name == "lift_fresh" or name in _READ  # lift_fresh: a tensor was made of Python's numbers


class OutsideTensors(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """While it is entered, collects the tensors that operators read and that none of them made.

    A graph reads their memory whenever it runs: weights, and constants that a network may drop from a cache.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.tensors: dict[int, Tensor] = {}  # by their memory
        self._made: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operator."""
        for tensor in _tensors(tree_leaves((args, kwargs))):
            memory = tensor.untyped_storage()._cdata
            if memory not in self._made:
                self.tensors[memory] = tensor
        result = func(*args, **(kwargs or {}))
        made = {tensor.untyped_storage()._cdata for tensor in _tensors(tree_leaves(result))}
        self._made |= made - self.tensors.keys()  # not a view of an outside tensor
        return result


def _tensors(values: Iterable[Any]) -> Iterator[Tensor]:
    return (value for value in values if isinstance(value, Tensor))
