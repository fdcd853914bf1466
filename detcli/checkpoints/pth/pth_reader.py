"""Reads one PyTorch file in a process of its own, which may crash, hang or swell without harm to whoever asked.

checkpoints/originals.py starts it. Torch's reader for untrusted pickles does the reading; the answer is a JSON file, and
next to it the tensors as a safetensors file. Torch's own messages are never shown: some of them advise to switch that
reader off.
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

_MOST_OPCODES = 200_000
_FORBIDDEN = re.compile(r"(?i)unsupported (?:global: )?global ([^\s,]+)")


class NoRoomError(Exception):
    """The tensors could not be handed on: the disk, or a limit of this session, has no room for them."""


def run(job: Mapping[str, Any]) -> None:
    """Read the file that the job names within its limits, which hold for this process from then on."""
    _limit(job["memory"], job["seconds"], job["largest_output"])
    try:
        answer = read_content(job["file"], job["tensors"])
    except PthRefusedError as refused:
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


def read_content(path: str, output: str) -> dict[str, Any]:
    """Put a file's tensors into a safetensors file, and say what else it tells. Raises RefusedError or NoRoomError."""
    size = os.stat(path).st_size  # noqa: PTH116
    with open(path, "rb") as file:  # noqa: PTH123
        mapped = check_archive(file, size) if _is_archive(file) else False
        file.seek(0)
        content = _load(path, file, mapped=mapped)
    where, weights = weights_of(content)
    tensors, grids = plain_tensors(weights, most_bytes=4 * size + (1 << 20))
    try:
        safetensors.torch.save_file(tensors, output, metadata={"format": "pt"})
    except (OSError, safetensors.SafetensorError) as error:
        raise NoRoomError(str(error)) from error
    return {"where": where, "args": arguments_of(content), "grids": grids}


def _is_archive(file: BinaryIO) -> bool:
    """Whether torch will take the file for its newer form: it looks at the start alone, where zip readers look behind."""
    file.seek(0)
    return file.read(4) == b"PK\x03\x04"


def check_archive(file: BinaryIO, size: int) -> bool:
    """Whether every part of a zip archive lies in it as it is; raises for one that PyTorch did not write."""
    try:
        with zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as error:
        raise PthRefusedError("is damaged, or was cut off", damaged=True) from error
    names = {entry.filename.rpartition("/")[2] for entry in entries}
    if "constants.pkl" in names:
        raise PthRefusedError("is a program (TorchScript), not a file of weights alone")
    if "data.pkl" not in names:
        raise PthRefusedError("is a zip archive, but none that PyTorch wrote")
    if sum(entry.file_size for entry in entries) > 4 * size + (1 << 20):
        raise PthRefusedError("unpacks to many times its own size, as no file of weights does", damaged=True)
    return all(entry.compress_type == zipfile.ZIP_STORED for entry in entries)


def _load(path: str, file: BinaryIO, *, mapped: bool) -> Any:
    """What the file holds, by torch's reader for untrusted files; of a large one only the parts that are looked at."""
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
        raise PthRefusedError("is damaged, or was cut off", damaged=True) from error


def _refusal(file: BinaryIO, message: str) -> PthRefusedError:
    """Why a pickle was not read to its end."""
    texts = set(_texts(file))
    if texts >= EVALUATION:
        return PthRefusedError(
            "holds figures of an evaluation (precision, recall, scores), not weights; those lie next to the folder "
            "'eval', in best_stg2.pth or best_stg1.pth"
        )
    found = _FORBIDDEN.search(message)
    if found:
        name = found[1].rstrip(".,:")
        return PthRefusedError(
            f"is refused: it asks for {shown(name)}, which could run code; detcli reads tensors, numbers and text alone"
        )
    return PthRefusedError("is no PyTorch file of tensors, numbers and text alone, or is damaged", damaged=True)


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
    stream, count = BytesIO(data), 0
    for _ in range(pickles):
        for opcode, value, _ in pickletools.genops(stream):
            count += 1
            if count > _MOST_OPCODES:
                return
            if isinstance(value, str) and opcode.name.endswith(("UNICODE", "UNICODE8", "STRING")):
                yield value
