"""Networks without weights: names and shapes only, which needs neither memory nor random numbers."""

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

# Some initializers of `torch.nn.init` do not appear in a function mode; these are the functions they call.
_RANDOM_FILLS = (Tensor.normal_, Tensor.uniform_)


@contextmanager
def empty_weights() -> Iterator[None]:
    """Build networks on the meta device without initialization; their weights are loaded from a file later."""
    with torch.device("meta"), _WithoutInitialValues():
        yield


def empty_state(build: Callable[[Any], nn.Module], config: Hashable) -> dict[str, Tensor]:
    """Names and shapes of the state of the network that `build` makes of a configuration, on the meta device.

    Those of the last few configurations are kept: building a network takes as long as reading its weights.
    """
    return dict(_kept_state(build, config))


@lru_cache(maxsize=4)
def _kept_state(build: Callable[[Any], nn.Module], config: Hashable) -> dict[str, Tensor]:
    with empty_weights():
        return build(config).state_dict()


class _WithoutInitialValues(TorchFunctionMode):
    """Skips initializers: on the meta device they have no effect, but importing torch's compiler takes them a second."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Return the tensor of an initializer, and call everything else."""
        if getattr(func, "__module__", None) == "torch.nn.init" or func in _RANDOM_FILLS:
            return args[0] if args else (kwargs or {})["tensor"]
        return func(*args, **(kwargs or {}))
