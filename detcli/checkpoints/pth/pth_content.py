"""What of a file's content is weights: which part, under which names, and dense, finite tensors alone.

Works in the process that checkpoints/originals.py starts for the purpose, on what torch's reader for untrusted pickles
let through.
"""

import argparse
from collections.abc import Iterable, Mapping
from typing import Any

import torch

_LEFTOVERS = ("total_params", "total_ops", "num_batches_tracked")  # thop's, and counters that nobody reads
_FROZEN_GRID = "decoder.anchors"  # of D-FINE, with infinities; made again for each image size
_PARALLEL, _COMPILED = "module.", "_orig_mod."
_DTYPES = ("float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool")
_MOST_TENSORS, _MOST_DIMENSIONS, _LONGEST_NAME = 20_000, 8, 300
EVALUATION = {"precision", "recall", "scores"}  # names in the figures that evaluations save


class PthRefusedError(Exception):
    """A clause that continues from the file's name; `damaged` tells a broken file from one that is of another kind."""

    def __init__(self, clause: str, *, damaged: bool = False) -> None:
        super().__init__(clause)
        self.damaged = damaged


def weights_of(content: Any) -> tuple[str, Mapping[Any, Any]]:
    """Which part of the file the weights are, and they: the moving average, else the model, else all of it."""
    if not isinstance(content, Mapping):
        raise PthRefusedError(f"holds a {type(content).__name__}, not weights by name")
    average = content.get("ema")
    if isinstance(average, Mapping) and _is_state(average.get("module")):
        return "ema", average["module"]
    if _is_state(content.get("model")):
        return "model", content["model"]
    if _is_state(content):
        return "bare", content
    names = set(content)
    if names >= EVALUATION:
        raise PthRefusedError("holds figures of an evaluation (precision, recall, scores), not weights")
    if names & {"optimizer", "param_groups"}:
        raise PthRefusedError("holds the state of an optimizer and no weights of a model")
    some = ", ".join(shown(name) for name in list(content)[:5])
    raise PthRefusedError("holds no weights of a model" + (f": there is {some} in it" if some else ": it is empty"))


def _is_state(value: Any) -> bool:
    """Whether this is names and tensors for the most part; a foreign one among them is told later."""
    if not isinstance(value, Mapping) or not value:
        return False
    return 2 * sum(isinstance(item, torch.Tensor) for item in value.values()) > len(value)


def plain_tensors(weights: Mapping[Any, Any], *, most_bytes: int) -> tuple[dict[str, Any], dict[str, list[int]]]:
    """Dense finite tensors by their plain names, each with its own memory; and shapes of grids that were left out."""
    tensors: dict[str, Any] = {}
    grids: dict[str, list[int]] = {}
    if len(weights) > _MOST_TENSORS:
        raise PthRefusedError(f"holds {len(weights):,} tensors, more than any model here has")
    room = most_bytes
    for given, value in weights.items():
        if not isinstance(given, str) or len(given) > _LONGEST_NAME:
            raise PthRefusedError(f"names a tensor {shown(given)}", damaged=True)
        name = _plain_name(given)
        if name.rpartition(".")[2] in _LEFTOVERS:
            continue
        _check_form(name, value)
        if name == _FROZEN_GRID:
            grids[name] = list(value.shape)
            continue
        room -= value.numel() * value.element_size()
        if room < 0:
            raise PthRefusedError("claims more numbers than there are in it", damaged=True)
        _check_finite(name, value)
        if name in tensors and not torch.equal(tensors[name], value):
            raise PthRefusedError(f"holds tensor {shown(name)} twice, with and without a prefix, and they differ")
        tensors[name] = value.detach().clone(memory_format=torch.contiguous_format)
    return tensors, grids


def _plain_name(name: str) -> str:
    """A tensor's name without what DataParallel, DistributedDataParallel and torch.compile put into it."""
    while name.startswith((_PARALLEL, _COMPILED)):
        name = name.removeprefix(_PARALLEL).removeprefix(_COMPILED)
    return name.replace("." + _COMPILED, ".")


def _check_form(name: str, value: Any) -> None:
    """Refuse whatever is not a dense tensor of numbers that lie in the file."""
    if not isinstance(value, torch.Tensor):
        raise PthRefusedError(f"holds a {type(value).__name__} under {shown(name)}, where a tensor belongs")
    kind = (
        f"a {type(value).__name__}"
        if type(value) not in (torch.Tensor, torch.nn.Parameter)
        else "nested"
        if value.is_nested
        else str(value.layout).removeprefix("torch.").replace("_", " ")
        if value.layout != torch.strided
        else "quantised"
        if value.is_quantized
        else f"on the device '{value.device.type}', without numbers"
        if value.device.type != "cpu"
        else str(value.dtype).removeprefix("torch.")
        if str(value.dtype).removeprefix("torch.") not in _DTYPES
        else f"of {value.ndim} dimensions"
        if value.ndim > _MOST_DIMENSIONS
        else ""
    )
    if kind:
        raise PthRefusedError(
            f"holds tensor {shown(name)}, which is {kind}; networks here have dense tensors of numbers"
        )
    first, last = value.storage_offset(), value.untyped_storage().nbytes() // value.element_size()
    if value.numel() > last - first:
        raise PthRefusedError(f"claims more numbers for tensor {shown(name)} than there are in it", damaged=True)


def _check_finite(name: str, value: Any) -> None:
    if value.is_floating_point() and value.numel() and not bool(torch.isfinite(value).all()):
        count = int((~torch.isfinite(value)).sum())
        raise PthRefusedError(
            f"holds tensor {shown(name)} with {count:,} values that are not finite (NaN or infinity)", damaged=True
        )


def arguments_of(content: Mapping[Any, Any]) -> dict[str, Any]:
    """The arguments of the training run, as far as they are words, numbers, and short lists of them."""
    args = content.get("args")
    if isinstance(args, argparse.Namespace):
        args = vars(args)
    if not isinstance(args, Mapping):
        return {}
    named = ((name, value) for name, value in list(args.items())[:1000] if isinstance(name, str) and len(name) < 100)
    return {name: value for name, value in named if _is_plain(value) or _is_short_list(value)}


def _is_plain(value: Any) -> bool:
    if isinstance(value, int):  # also true and false
        return abs(value) < 1 << 53
    if isinstance(value, float):
        return abs(value) < 1e300  # neither NaN nor infinity
    return value is None or (isinstance(value, str) and len(value) < 1000)


def _is_short_list(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) <= 100 and _all_plain(value)


def _all_plain(values: Iterable[Any]) -> bool:
    return all(_is_plain(value) for value in values)


def shown(name: object) -> str:
    """A name from the file, in quotes and never long, its odd characters escaped; of anything else its kind."""
    return repr(name if isinstance(name, str) else type(name).__name__)[:80]
