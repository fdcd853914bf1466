"""Read one PyTorch file in a child process, which may crash, hang or run out of memory without harm to its parent.

pth_files.py starts it. The file is read with torch's reader for untrusted pickles; the result is a JSON file, and the
tensors are a safetensors file next to it. Messages of torch are not shown: some of them advise to disable that reader.
"""

import argparse
import contextlib
import json
import os
import pickle
import pickletools
import re
import zipfile
from collections.abc import Iterator, Mapping
from io import BytesIO
from typing import Any, BinaryIO

import safetensors.torch
import torch

from detcli.checkpoints.pth.pth_content import (
    EVALUATION,
    PthRefusedError,
    arguments_of,
    plain_tensors,
    shown,
    weights_of,
)

_MAX_OPCODES = 200_000
_FORBIDDEN = re.compile(r"(?i)unsupported (?:global: )?global ([^\s,]+)")


class NoDiskSpaceError(Exception):
    """The tensors could not be written: the disk or a limit of this session has no space for them."""


def run(job: Mapping[str, Any]) -> None:
    """Read the file of the job within its limits, which apply to this process from then on."""
    _limit(job["memory"], job["seconds"], job["largest_output"])
    try:
        answer = read_content(job["file"], job["tensors"])
    except PthRefusedError as refused:
        answer = {"refused": str(refused), "damaged": refused.damaged}
    except NoDiskSpaceError as error:
        answer = {"no_disk_space": str(error)}
    except MemoryError:
        answer = {"refused": "needs more memory than a model of its size", "damaged": True}
    with open(job["answer"], "w", encoding="ascii") as file:  # noqa: PTH123 - no need for pathlib
        json.dump(answer, file)


def _limit(memory: int, seconds: int, largest_output: int) -> None:
    """Limit memory, time and output from here on, if the system has such limits."""
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
        limit = value if hard == resource.RLIM_INFINITY else min(value, hard)
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(kind, (limit, limit))


def read_content(path: str, output: str) -> dict[str, Any]:
    """Write the tensors of a file to a safetensors file, and return the rest. Raises PthRefusedError or NoDiskSpaceError."""
    size = os.stat(path).st_size  # noqa: PTH116
    with open(path, "rb") as file:  # noqa: PTH123
        mapped = check_archive(file, size) if _is_archive(file) else False
        file.seek(0)
        content = _load(path, file, mapped=mapped)
    where, weights = weights_of(content)
    tensors = plain_tensors(weights, max_bytes=4 * size + (1 << 20))
    try:
        safetensors.torch.save_file(tensors, output, metadata={"format": "pt"})
    except (OSError, safetensors.SafetensorError) as error:
        raise NoDiskSpaceError(str(error)) from error
    return {"where": where, "args": arguments_of(content)}


def _is_archive(file: BinaryIO) -> bool:
    """Whether torch reads the file as a zip archive: it checks the start, while zip readers check the end."""
    file.seek(0)
    return file.read(4) == b"PK\x03\x04"


def check_archive(file: BinaryIO, size: int) -> bool:
    """Whether every part of a zip archive is uncompressed; raises for an archive that PyTorch did not write."""
    try:
        with zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as error:
        raise PthRefusedError("is damaged or truncated", damaged=True) from error
    names = {entry.filename.rpartition("/")[2] for entry in entries}
    if "constants.pkl" in names:
        raise PthRefusedError("is a program (TorchScript), not a file of weights")
    if "data.pkl" not in names:
        raise PthRefusedError("is a zip archive, but not of PyTorch")
    if sum(entry.file_size for entry in entries) > 4 * size + (1 << 20):
        raise PthRefusedError("unpacks to many times its size, unlike a file of weights", damaged=True)
    return all(entry.compress_type == zipfile.ZIP_STORED for entry in entries)


def _load(path: str, file: BinaryIO, *, mapped: bool) -> Any:
    """Load the content with torch's reader for untrusted files; a large file is memory-mapped."""
    torch.set_num_threads(1)
    try:
        path.encode()
    except UnicodeEncodeError:  # a name that is not UTF-8: torch cannot map it
        mapped = False
    try:
        with torch.serialization.safe_globals([argparse.Namespace]):
            return torch.load(path if mapped else file, map_location="cpu", weights_only=True, mmap=mapped)
    except MemoryError:
        raise
    except pickle.UnpicklingError as error:
        raise _refusal(file, str(error)) from error
    except Exception as error:  # on invalid bytes it raises any kind of error
        if "allocate" in str(error) or "not enough memory" in str(error):
            raise MemoryError from error
        raise PthRefusedError("is damaged or truncated", damaged=True) from error


def _refusal(file: BinaryIO, message: str) -> PthRefusedError:
    """Return the reason why a pickle was rejected."""
    texts = set(_texts(file))
    if texts >= EVALUATION:
        return PthRefusedError(
            "has metrics of an evaluation (precision, recall, scores), not weights; the weights are next to the folder "
            "'eval', in best_stg2.pth or best_stg1.pth"
        )
    match = _FORBIDDEN.search(message)
    if match:
        name = match[1].rstrip(".,:")
        return PthRefusedError(
            f"is refused: it uses {shown(name)}, which could execute code; only tensors, numbers and text are read"
        )
    return PthRefusedError("is damaged, or not a PyTorch file of tensors, numbers and text only", damaged=True)


def _texts(file: BinaryIO) -> Iterator[str]:
    """Yield texts in the pickle of the file, without executing it."""
    with contextlib.suppress(Exception):  # the file was rejected before
        if _is_archive(file):
            with zipfile.ZipFile(file) as archive:
                name = next(name for name in archive.namelist() if name.endswith("data.pkl"))
                with archive.open(name) as part:
                    yield from _words(part.read(1 << 24), pickles=1)
        else:
            file.seek(0)
            yield from _words(file.read(1 << 24), pickles=4)  # torch's old format has three pickles before the content


def _words(data: bytes, *, pickles: int) -> Iterator[str]:
    stream, count = BytesIO(data), 0
    for _ in range(pickles):
        for opcode, value, _ in pickletools.genops(stream):
            count += 1
            if count > _MAX_OPCODES:
                return
            if isinstance(value, str) and opcode.name.endswith(("UNICODE", "UNICODE8", "STRING")):
                yield value
