"""The weights in the content of a .pth file: which part, under which names; only dense, finite tensors.

Runs in the process that pth_files.py starts, on the content that torch's reader for untrusted pickles accepted.
"""

import argparse
import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch

from detcli.checkpoints.tensor_names import plain_name

_LEFTOVERS = ("total_params", "total_ops", "num_batches_tracked")  # of thop, and unused counters
_ANCHORS = "decoder.anchors"  # of D-FINE: infinity stands for cells that are not used
_DTYPES = ("float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool")
_MAX_TENSORS, _MAX_DIMENSIONS, _MAX_NAME_LENGTH = 20_000, 8, 300
_ARGUMENTS = ("args", "cfg", "config", "yaml_cfg", "meta")  # parts of a file with the settings of the training run
_CLASS_NAMES = "label_to_name"  # in `meta`: class index -> name
_MAX_ARGUMENTS, _MAX_ARGUMENT_NAME, _MAX_DEPTH = 1000, 100, 3
_MAX_CLASSES, _MAX_CLASS_NAME = 100_000, 1000
EVALUATION = {"precision", "recall", "scores"}  # names in the metrics that evaluations save


class PthRefusedError(Exception):
    """The file is rejected; the message follows its name. `damaged`: a damaged file, not one of another kind."""

    def __init__(self, clause: str, *, damaged: bool = False) -> None:
        super().__init__(clause)
        self.damaged = damaged


def weights_of(content: Any) -> tuple[str, Mapping[Any, Any]]:
    """Return the name of the part with the weights, and the weights: the moving average, else the model, else the file."""
    if not isinstance(content, Mapping):
        raise PthRefusedError(f"has a {type(content).__name__}, not weights by name")
    average = content.get("ema")
    if isinstance(average, Mapping) and _is_state(average.get("module")):
        return "ema", average["module"]
    for part in ("model", "model_state_dict"):  # the second of Table Transformer
        if _is_state(content.get(part)):
            return "model", content[part]
    if _is_state(content):
        return "bare", content
    names = set(content)
    if names >= EVALUATION:
        raise PthRefusedError("has metrics of an evaluation (precision, recall, scores), not weights")
    if names & {"optimizer", "param_groups"}:
        raise PthRefusedError("has the state of an optimizer, but no weights of a model")
    some = ", ".join(shown(name) for name in list(content)[:5])
    raise PthRefusedError("has no weights of a model" + (f": it has {some}" if some else ": it is empty"))


def _is_state(value: Any) -> bool:
    """Whether most values of a mapping are tensors; other values are reported later."""
    if not isinstance(value, Mapping) or not value:
        return False
    return 2 * sum(isinstance(item, torch.Tensor) for item in value.values()) > len(value)


def plain_tensors(weights: Mapping[Any, Any], *, max_bytes: int) -> dict[str, Any]:
    """Return copies of the dense, finite tensors by their plain names.

    Infinity in D-FINE's anchors, which is meant there, becomes the maximum of their type.
    """
    tensors: dict[str, Any] = {}
    if len(weights) > _MAX_TENSORS:
        raise PthRefusedError(f"has {len(weights):,} tensors, more than any supported model")
    remaining = max_bytes
    for given, value in weights.items():
        if not isinstance(given, str) or len(given) > _MAX_NAME_LENGTH:
            raise PthRefusedError(f"has a tensor with the invalid name {shown(given)}", damaged=True)
        name = plain_name(given)
        if name.rpartition(".")[2] in _LEFTOVERS:
            continue
        _check_form(name, value)
        remaining -= value.numel() * value.element_size()
        if remaining < 0:
            raise PthRefusedError("claims more numbers than the file contains", damaged=True)
        if name == _ANCHORS and value.is_floating_point():
            value = torch.where(value == torch.inf, torch.finfo(value.dtype).max, value)
        _check_finite(name, value)
        if name in tensors and not torch.equal(tensors[name], value):
            raise PthRefusedError(f"has tensor {shown(name)} twice, with and without a prefix, with different values")
        tensors[name] = value.detach().clone(memory_format=torch.contiguous_format)
    return tensors


def _check_form(name: str, value: Any) -> None:
    """Reject everything but a dense tensor whose numbers are in the file."""
    if not isinstance(value, torch.Tensor):
        raise PthRefusedError(f"has a {type(value).__name__} under {shown(name)} instead of a tensor")
    kind = (
        f"a {type(value).__name__}"
        if type(value) not in (torch.Tensor, torch.nn.Parameter)
        else "nested"
        if value.is_nested
        else str(value.layout).removeprefix("torch.").replace("_", " ")
        if value.layout != torch.strided
        else "quantized"
        if value.is_quantized
        else f"on the device '{value.device.type}', without numbers"
        if value.device.type != "cpu"
        else str(value.dtype).removeprefix("torch.")
        if str(value.dtype).removeprefix("torch.") not in _DTYPES
        else f"of {value.ndim} dimensions"
        if value.ndim > _MAX_DIMENSIONS
        else ""
    )
    if kind:
        raise PthRefusedError(f"has tensor {shown(name)}, which is {kind}; only dense tensors of numbers are supported")
    first, last = value.storage_offset(), value.untyped_storage().nbytes() // value.element_size()
    if value.numel() > last - first:
        raise PthRefusedError(f"claims more numbers for tensor {shown(name)} than the file contains", damaged=True)


def _check_finite(name: str, value: Any) -> None:
    if value.is_floating_point() and value.numel() and not bool(torch.isfinite(value).all()):
        count = int((~torch.isfinite(value)).sum())
        raise PthRefusedError(f"has tensor {shown(name)} with {count:,} values that are NaN or infinity", damaged=True)


def arguments_of(content: Mapping[Any, Any]) -> dict[str, Any]:
    """Return the arguments of the training run that are text, numbers, or short lists of these.

    They are the `args` of the DETR repositories, the configuration that forks of D-FINE save, or the `meta` of D-FINE-seg;
    names of nested ones are joined with dots. Class names are a list, of any length.
    """
    found: dict[str, Any] = {}
    for part in _ARGUMENTS:
        for name, value in _flattened(content.get(part), depth=_MAX_DEPTH):
            if len(found) < _MAX_ARGUMENTS:
                found.setdefault(name, value)
    found.pop(_CLASS_NAMES, None)
    names = _class_names(content.get("meta"))
    return {**found, _CLASS_NAMES: names} if names else found


def _class_names(meta: Any) -> list[str]:
    """Return class names by class index; empty if they are not texts numbered from 0 without a gap."""
    given = meta.get(_CLASS_NAMES) if isinstance(meta, Mapping) else None
    if isinstance(given, list | tuple):
        given = dict(enumerate(given))
    if not isinstance(given, Mapping) or len(given) > _MAX_CLASSES:
        return []
    names = {str(index): name for index, name in given.items()}  # of JSON, indices are texts
    ordered = [names.get(str(index)) for index in range(len(given))]
    valid = [name for name in ordered if isinstance(name, str) and 0 < len(name) <= _MAX_CLASS_NAME]
    return valid if len(valid) == len(given) else []


def _flattened(args: Any, *, depth: int) -> Iterator[tuple[str, Any]]:
    """Yield names and plain values of a mapping and of the mappings in it, at most `_MAX_ARGUMENTS` of each."""
    if isinstance(args, argparse.Namespace):
        args = vars(args)
    if not isinstance(args, Mapping):
        return
    for name, value in itertools.islice(args.items(), _MAX_ARGUMENTS):
        if not isinstance(name, str) or len(name) >= _MAX_ARGUMENT_NAME:
            continue
        if _is_plain(value) or _is_short_list(value):
            yield name, value
        elif depth > 1:
            yield from ((f"{name}.{inner}", plain) for inner, plain in _flattened(value, depth=depth - 1))


def _is_plain(value: Any) -> bool:
    if isinstance(value, int):  # also True and False
        return abs(value) < 1 << 53
    if isinstance(value, float):
        return abs(value) < 1e300  # neither NaN nor infinity
    return value is None or (isinstance(value, str) and len(value) < 1000)


def _is_short_list(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) <= 100 and _all_plain(value)


def _all_plain(values: Iterable[Any]) -> bool:
    return all(_is_plain(value) for value in values)


def shown(name: object) -> str:
    """Return a name from the file in quotes, shortened and escaped; for other values their type."""
    return repr(name if isinstance(name, str) else type(name).__name__)[:80]
