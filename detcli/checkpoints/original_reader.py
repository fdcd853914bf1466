"""Reads one PyTorch file in a process of its own, which may crash, hang or swell without harm to whoever asked.

A script that checkpoints/originals.py runs: it knows torch and nothing of detcli. The job comes as JSON on standard
input; the answer is a JSON file, and beside it the tensors as a safetensors file. Torch's reader for untrusted pickles
does the reading; here is what it lets through and no network needs. Its own messages are never shown: some of them
advise to switch it off.
"""

import argparse
import contextlib
import json
import os
import pickle
import pickletools
import re
import sys
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, BinaryIO

_LEFTOVERS = ("total_params", "total_ops", "num_batches_tracked")  # thop's, and counters that nobody reads
_FROZEN_GRID = "decoder.anchors"  # of D-FINE, with infinities; made anew for each picture size
_PARALLEL, _COMPILED = "module.", "_orig_mod."
_DTYPES = ("float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool")
_MOST_TENSORS, _MOST_DIMENSIONS, _LONGEST_NAME, _MOST_OPCODES = 20_000, 8, 300, 200_000
_EVALUATION = {"precision", "recall", "scores"}
_FORBIDDEN = re.compile(r"(?i)unsupported (?:global: )?global ([^\s,]+)")


class RefusedError(Exception):
    """A clause that goes on from the file's name; `damaged` tells a broken file from one that is of another kind."""

    def __init__(self, clause: str, *, damaged: bool = False) -> None:
        super().__init__(clause)
        self.damaged = damaged


class NoRoomError(Exception):
    """The tensors could not be handed on: the disk, or a limit of this session, has no room for them."""


def main() -> None:
    """Read the file that standard input names, within its limits."""
    job = json.load(sys.stdin)
    sys.path[:] = job["path"]  # so that the same libraries are found as in the process that asks
    import torch  # noqa: F401 - it needs more room than the limits leave

    _limit(job["memory"], job["seconds"], job["largest_output"])
    try:
        answer = _read(job["file"], job["tensors"])
    except RefusedError as refused:
        answer = {"refused": str(refused), "damaged": refused.damaged}
    except NoRoomError as error:
        answer = {"no_room": str(error)}
    except MemoryError:
        answer = {"refused": "claims more than there is in it: it needs more memory than a model has", "damaged": True}
    with open(job["answer"], "w", encoding="ascii") as file:  # noqa: PTH123 - pathlib brings nothing here
        json.dump(answer, file)


def _limit(memory: int, seconds: int, largest_output: int) -> None:
    """Bound what is used from here on; where the system has no such limits, there are none."""
    try:
        import resource
    except ImportError:
        return
    limits = {"RLIMIT_CORE": 0, "RLIMIT_CPU": seconds, "RLIMIT_FSIZE": largest_output}
    with contextlib.suppress(OSError, ValueError), open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123
        limits["RLIMIT_AS"] = int(file.read().split()[0]) * resource.getpagesize() + memory
    for name, value in limits.items():
        kind = getattr(resource, name)
        hard = resource.getrlimit(kind)[1]
        most = value if hard == resource.RLIM_INFINITY else min(value, hard)
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(kind, (most, most))


def _read(path: str, output: str) -> dict[str, Any]:
    import safetensors.torch

    size = os.stat(path).st_size  # noqa: PTH116
    with open(path, "rb") as file:  # noqa: PTH123
        mapped = _check_archive(file, size) if _is_archive(file) else False
        file.seek(0)
        content = _load(path, file, mapped=mapped)
    where, weights = _weights(content)
    tensors, grids = _plain_tensors(weights, most_bytes=4 * size + (1 << 20))
    try:
        safetensors.torch.save_file(tensors, output, metadata={"format": "pt"})
    except (OSError, safetensors.SafetensorError) as error:
        raise NoRoomError(str(error)) from error
    return {"where": where, "args": _arguments(content), "grids": grids}


def _is_archive(file: BinaryIO) -> bool:
    """Whether torch will take the file for its newer form: it looks at the start alone, where zip readers look behind."""
    file.seek(0)
    return file.read(4) == b"PK\x03\x04"


def _check_archive(file: BinaryIO, size: int) -> bool:
    """Whether every part of a zip archive lies in it as it is; raises for one that PyTorch did not write."""
    try:
        with zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as error:
        raise RefusedError("is damaged, or was cut off", damaged=True) from error
    names = {entry.filename.rpartition("/")[2] for entry in entries}
    if "constants.pkl" in names:
        raise RefusedError("is a program (TorchScript), not a file of weights alone")
    if "data.pkl" not in names:
        raise RefusedError("is a zip archive, but none that PyTorch wrote")
    if sum(entry.file_size for entry in entries) > 4 * size + (1 << 20):
        raise RefusedError("unpacks to many times its own size, as no file of weights does", damaged=True)
    return all(entry.compress_type == zipfile.ZIP_STORED for entry in entries)


def _load(path: str, file: BinaryIO, *, mapped: bool) -> Any:
    """What the file holds, by torch's reader for untrusted files; of a large one only the parts that are looked at."""
    import torch

    torch.set_num_threads(1)
    try:
        path.encode()
    except UnicodeEncodeError:  # a name that is not UTF-8: torch's own reader cannot open it
        mapped = False
    try:
        with torch.serialization.safe_globals([argparse.Namespace]):
            return torch.load(path if mapped else file, map_location="cpu", weights_only=True, mmap=mapped)
    except MemoryError:
        raise
    except pickle.UnpicklingError as error:
        raise _refusal(file, str(error)) from error
    except Exception as error:  # on bytes that make no sense it raises whatever comes first
        if "allocate" in str(error) or "not enough memory" in str(error):
            raise MemoryError from error
        raise RefusedError("is damaged, or was cut off", damaged=True) from error


def _refusal(file: BinaryIO, message: str) -> RefusedError:
    """Why a pickle was not read to its end."""
    texts = set(_texts(file))
    if texts >= _EVALUATION:
        return RefusedError(
            "holds figures of an evaluation (precision, recall, scores), not weights; those lie beside the folder "
            "'eval', in best_stg2.pth or best_stg1.pth"
        )
    found = _FORBIDDEN.search(message)
    if found:
        name = found[1].rstrip(".,:")
        return RefusedError(
            f"is refused: it asks for {_shown(name)}, which could run code; detcli reads tensors, numbers and text alone"
        )
    return RefusedError("is no PyTorch file of tensors, numbers and text alone, or is damaged", damaged=True)


def _texts(file: BinaryIO) -> Iterator[str]:
    """Words in the file's pickle, read without following any of it."""
    with contextlib.suppress(Exception):  # it is looked at because it is odd
        if _is_archive(file):
            with zipfile.ZipFile(file) as archive:
                name = next(name for name in archive.namelist() if name.endswith("data.pkl"))
                with archive.open(name) as part:
                    yield from _words(part.read(1 << 24), pickles=1)
        else:
            file.seek(0)
            yield from _words(file.read(1 << 24), pickles=4)  # torch's old form has three before the content


def _words(data: bytes, *, pickles: int) -> Iterator[str]:
    import io

    stream, count = io.BytesIO(data), 0
    for _ in range(pickles):
        for opcode, value, _ in pickletools.genops(stream):
            count += 1
            if count > _MOST_OPCODES:
                return
            if isinstance(value, str) and opcode.name.endswith(("UNICODE", "UNICODE8", "STRING")):
                yield value


def _weights(content: Any) -> tuple[str, Mapping[Any, Any]]:
    """Which part of the file the weights are, and they: the moving average, else the model, else all of it."""
    if not isinstance(content, Mapping):
        raise RefusedError(f"holds a {type(content).__name__}, not weights by name")
    average = content.get("ema")
    if isinstance(average, Mapping) and _is_state(average.get("module")):
        return "ema", average["module"]
    if _is_state(content.get("model")):
        return "model", content["model"]
    if _is_state(content):
        return "bare", content
    names = set(content)
    if names >= _EVALUATION:
        raise RefusedError("holds figures of an evaluation (precision, recall, scores), not weights")
    if names & {"optimizer", "param_groups"}:
        raise RefusedError("holds the state of an optimizer and no weights of a model")
    shown = ", ".join(_shown(name) for name in list(content)[:5])
    raise RefusedError("holds no weights of a model" + (f": there is {shown} in it" if shown else ": it is empty"))


def _is_state(value: Any) -> bool:
    """Whether this is names and tensors for the most part; a foreign one among them is told later."""
    import torch

    if not isinstance(value, Mapping) or not value:
        return False
    return 2 * sum(isinstance(item, torch.Tensor) for item in value.values()) > len(value)


def _plain_tensors(weights: Mapping[Any, Any], *, most_bytes: int) -> tuple[dict[str, Any], dict[str, list[int]]]:
    """Dense finite tensors by their plain names, each with its own memory; and shapes of grids that were left out."""
    import torch

    tensors: dict[str, Any] = {}
    grids: dict[str, list[int]] = {}
    if len(weights) > _MOST_TENSORS:
        raise RefusedError(f"holds {len(weights):,} tensors, more than any model here has")
    room = most_bytes
    for given, value in weights.items():
        if not isinstance(given, str) or len(given) > _LONGEST_NAME:
            raise RefusedError(f"names a tensor {_shown(given)}", damaged=True)
        name = _plain_name(given)
        if name.rpartition(".")[2] in _LEFTOVERS:
            continue
        _check_form(name, value)
        if name == _FROZEN_GRID:
            grids[name] = list(value.shape)
            continue
        room -= value.numel() * value.element_size()
        if room < 0:
            raise RefusedError("claims more numbers than there are in it", damaged=True)
        _check_finite(name, value)
        if name in tensors and not torch.equal(tensors[name], value):
            raise RefusedError(f"holds tensor {_shown(name)} twice, with and without a prefix, and they differ")
        tensors[name] = value.detach().clone(memory_format=torch.contiguous_format)
    return tensors, grids


def _plain_name(name: str) -> str:
    """A tensor's name without what DataParallel, DistributedDataParallel and torch.compile put into it."""
    while name.startswith((_PARALLEL, _COMPILED)):
        name = name.removeprefix(_PARALLEL).removeprefix(_COMPILED)
    return name.replace("." + _COMPILED, ".")


def _check_form(name: str, value: Any) -> None:
    """Refuse whatever is not a dense tensor of numbers that lie in the file."""
    import torch

    if not isinstance(value, torch.Tensor):
        raise RefusedError(f"holds a {type(value).__name__} under {_shown(name)}, where a tensor belongs")
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
        raise RefusedError(f"holds tensor {_shown(name)}, which is {kind}; networks here have dense tensors of numbers")
    first, last = value.storage_offset(), value.untyped_storage().nbytes() // value.element_size()
    if value.numel() > last - first:
        raise RefusedError(f"claims more numbers for tensor {_shown(name)} than there are in it", damaged=True)


def _check_finite(name: str, value: Any) -> None:
    import torch

    if value.is_floating_point() and value.numel() and not bool(torch.isfinite(value).all()):
        count = int((~torch.isfinite(value)).sum())
        raise RefusedError(
            f"holds tensor {_shown(name)} with {count:,} values that are not finite (NaN or infinity)", damaged=True
        )


def _arguments(content: Mapping[Any, Any]) -> dict[str, Any]:
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


def _shown(name: object) -> str:
    return repr(name if isinstance(name, str) else type(name).__name__)[:80]


if __name__ == "__main__":
    main()
