"""Names of tensors without the prefixes of DataParallel, DistributedDataParallel and torch.compile."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from detcli.errors import DamagedModelError

_PARALLEL, _COMPILED = "module.", "_orig_mod."


def plain_name(name: str) -> str:
    """Return a tensor name without the prefixes."""
    while name.startswith((_PARALLEL, _COMPILED)):
        name = name.removeprefix(_PARALLEL).removeprefix(_COMPILED)
    return name.replace("." + _COMPILED, ".")


def plain_names(tensors: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
    """Return tensors by their plain names. Raises DamagedModelError for two different tensors of one name."""
    plain: dict[str, Tensor] = {}
    for given, tensor in tensors.items():
        name = plain_name(given)
        if name in plain and not torch.equal(plain[name], tensor):
            raise DamagedModelError(
                f"'{path.name}' has tensor '{name}' twice, with and without a prefix, with different values"
            )
        plain[name] = tensor
    return plain
