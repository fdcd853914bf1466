"""Weights of the original repositories (.pth), read in a process of its own: it may crash, and nothing in them is run.

Knows which part of such a file the weights are, and no network: names are handed on as they stand.
"""

import contextlib
import json
import os
import signal
import struct
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from detcli.checkpoints.json_files import read_document, read_part, require_regular_file
from detcli.checkpoints.safetensors_files import read_tensors, refuse_other_kinds
from detcli.errors import DamagedModelError, OutputError, UnsupportedModelError

MAX_BYTES = 8 * 1024**3  # the largest published training file is below 1 GB
_ROOM = 1024**3  # bytes of memory next to what the file itself may take
_SECONDS = 300
# The same libraries are found as in this process, and neither the user's environment nor the folder it stands in adds any.
_READER = (
    "import json, sys; job = json.load(sys.stdin); sys.path[:] = job['path']; "
    "from detcli.checkpoints.pth.pth_reader import run; run(job)"
)
_NOT_PASSED_ON = ("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "TORCH_FORCE_WEIGHTS_ONLY_LOAD", "LD_PRELOAD")


@dataclass(frozen=True, slots=True)
class OriginalFile:
    """What a file of an original repository holds.

    tensors  by name, without the prefixes of DataParallel and torch.compile; dense, finite, on the CPU. A grid that
             D-FINE freezes for one image size is there as a tensor without numbers, on the meta device
    args     of the training run: words, numbers and short lists; empty where there are none
    where    the weights are in the file: the moving average of a run, its model, or the whole file
    """

    tensors: dict[str, Tensor]
    args: Mapping[str, Any]
    where: Literal["ema", "model", "bare"]


def read_original_file(path: Path, *, seconds: int = _SECONDS) -> OriginalFile:
    """Read the weights of a .pth file: those of the moving average, else of the model, else a bare state dict.

    seconds  the file is given up after so long

    Raises DamagedModelError for what is torn, not finite, or claims what is not in it, UnsupportedModelError for what
    would run code or holds no weights, naming what it is, and OutputError where there is no room for a copy.
    """
    size = require_regular_file(path)
    _check_start(path, size)
    with tempfile.TemporaryDirectory(prefix="detcli-", ignore_cleanup_errors=True) as folder:
        weights, answer = Path(folder) / "weights.safetensors", Path(folder) / "answer.json"
        job = {
            "file": os.path.abspath(path),  # noqa: PTH100 - a name that is not UTF-8 stays as it is
            "tensors": str(weights),
            "answer": str(answer),
            "path": [place for place in sys.path if os.path.isabs(place)],  # noqa: PTH117
            "memory": 6 * size + _ROOM,
            "seconds": seconds,
            "largest_output": 5 * size + (64 << 20),
        }
        _run(job, path, seconds)
        told = _answer(answer, path)
        tensors = read_tensors(weights)
    grids = {name: torch.empty(shape, device="meta") for name, shape in told["grids"].items()}
    return OriginalFile(tensors | grids, told["args"], told["where"])


def _check_start(path: Path, size: int) -> None:
    """Tell by its first bytes what is no PyTorch file."""
    start = read_part(path, 511)
    if size == 0:
        raise DamagedModelError(f"'{path}' is empty")
    if size > MAX_BYTES:
        raise UnsupportedModelError(f"'{path}' has {size:,} bytes; files of up to {MAX_BYTES:,} are read")
    if start.startswith((b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")):
        return
    if len(start) > 8 and start[8:9] == b"{" and struct.unpack("<Q", start[:8])[0] < size:
        raise UnsupportedModelError(
            f"'{path}' is a safetensors file by its content: name it so, with config.json next to"
        )
    refuse_other_kinds(path, start)
    raise DamagedModelError(f"'{path}' is no PyTorch file of weights: its first bytes are those of none")


def _run(job: Mapping[str, Any], path: Path, seconds: int) -> None:
    """Let a process of its own do the job. Raises DamagedModelError where it does not come to its end."""
    environment = {name: value for name, value in os.environ.items() if name not in _NOT_PASSED_ON}
    environment |= {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    command = [sys.executable, "-I", "-B", "-c", _READER]
    try:
        done = subprocess.run(  # noqa: S603 - our own words, and nothing of the user's in the command
            command,
            input=json.dumps(job).encode(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environment,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise DamagedModelError(f"'{path}' was given up: reading it took more than {seconds} s") from error
    except OSError as error:
        raise OutputError(f"cannot start a process to read '{path}' in: {error.strerror}") from error
    if done.returncode:
        raise DamagedModelError(
            f"'{path}' is damaged, or larger than this machine can read: {_end(done.returncode)}, and nothing of it is "
            "used"
        )


def _end(code: int) -> str:
    name = f"exit code {code}"
    if code < 0:
        name = f"signal {-code}"
        with contextlib.suppress(ValueError):
            name = signal.Signals(-code).name
    return f"the process that read it ended with {name}"


def _answer(answer: Path, path: Path) -> dict[str, Any]:
    told = read_document(answer)
    if "no_room" in told:
        raise OutputError(
            f"cannot keep the tensors of '{path}' for a moment in '{tempfile.gettempdir()}' ({str(told['no_room'])[:200]}): "
            "make room there, or set TMPDIR to another folder"
        )
    clause = told.get("refused")
    if isinstance(clause, str):
        error = DamagedModelError if told.get("damaged") else UnsupportedModelError
        raise error(f"'{path}' {clause[:500]}")
    return told
