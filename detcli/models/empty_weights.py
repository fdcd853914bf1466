"""Networks without numbers: every shape and name of one, at the cost of neither memory nor random numbers."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

# Not every initialiser of `torch.nn.init` tells a mode of itself; these are what the others come down to.
_DRAWN = (Tensor.normal_, Tensor.uniform_)


@contextmanager
def empty_weights() -> Iterator[None]:
    """Build networks on the meta device, where `torch.nn.init` does nothing; their weights come from a file."""
    with torch.device("meta"), _WithoutInitialValues():
        yield


class _WithoutInitialValues(TorchFunctionMode):
    """Skips initialisers: on the meta device they fill nothing, and import torch's compiler to do so, for a second."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Hand back the tensor of an initialiser, and call everything else."""
        if getattr(func, "__module__", None) == "torch.nn.init" or func in _DRAWN:
            return args[0] if args else (kwargs or {})["tensor"]
        return func(*args, **(kwargs or {}))
