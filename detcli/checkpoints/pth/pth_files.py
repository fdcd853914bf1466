"""Weights of the original repositories (.pth), read in a child process: it may crash, and no code in them is executed.

Independent of networks: tensor names are returned unchanged.
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

from torch import Tensor

from detcli.checkpoints.json_files import read_document, read_part, require_regular_file
from detcli.checkpoints.safetensors_files import read_tensors, refuse_other_kinds
from detcli.errors import DamagedModelError, OutputError, UnsupportedModelError

MAX_BYTES = 8 * 1024**3  # the largest published training file is below 1 GB
_MEMORY_MARGIN = 1024**3  # bytes of memory in addition to those for the file
_SECONDS = 300
# The child imports the same libraries as this process; the environment and the working folder add none.
_READER = (
    "import json, sys; job = json.load(sys.stdin); sys.path[:] = job['path']; "
    "from detcli.checkpoints.pth.pth_reader import run; run(job)"
)
_REMOVED_VARIABLES = ("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "TORCH_FORCE_WEIGHTS_ONLY_LOAD", "LD_PRELOAD")


@dataclass(frozen=True, slots=True)
class OriginalFile:
    """The content of a file of an original repository.

    tensors  by name, without the prefixes of DataParallel and torch.compile; dense, finite, on the CPU. In D-FINE's anchors,
             the maximum of the type stands for infinity
    args     of the training run: text, numbers and short lists; may be empty
    where    the part of the file with the weights: the moving average, the model, or the complete file
    """

    tensors: dict[str, Tensor]
    args: Mapping[str, Any]
    where: Literal["ema", "model", "bare"]


def read_original_file(path: Path, *, seconds: int = _SECONDS) -> OriginalFile:
    """Read the weights of a .pth file: the moving average, else the model, else a plain state dict.

    seconds  time limit

    Raises DamagedModelError for a truncated or inconsistent file and for NaN or infinity, UnsupportedModelError for a file
    that would execute code or has no weights, and OutputError if there is no disk space for a copy.
    """
    size = require_regular_file(path)
    _check_start(path, size)
    with tempfile.TemporaryDirectory(prefix="detcli-", ignore_cleanup_errors=True) as folder:
        weights, answer = Path(folder) / "weights.safetensors", Path(folder) / "answer.json"
        job = {
            "file": os.path.abspath(path),  # noqa: PTH100 - a name that is not UTF-8 stays as it is
            "tensors": str(weights),
            "answer": str(answer),
            "path": [entry for entry in sys.path if os.path.isabs(entry)],  # noqa: PTH117
            "memory": 6 * size + _MEMORY_MARGIN,
            "seconds": seconds,
            "largest_output": 5 * size + (64 << 20),
        }
        _run(job, path, seconds)
        result = _result(answer, path)
        tensors = read_tensors(weights)
    return OriginalFile(tensors, result["args"], result["where"])


def _check_start(path: Path, size: int) -> None:
    """Raise if the first bytes are not those of a PyTorch file."""
    start = read_part(path, 511)
    if size == 0:
        raise DamagedModelError(f"'{path}' is empty")
    if size > MAX_BYTES:
        raise UnsupportedModelError(f"'{path}' has {size:,} bytes; the limit is {MAX_BYTES:,}")
    if start.startswith((b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")):
        return
    if len(start) > 8 and start[8:9] == b"{" and struct.unpack("<Q", start[:8])[0] < size:
        raise UnsupportedModelError(
            f"'{path}' is a safetensors file by its content: rename it to .safetensors, with config.json next to it"
        )
    refuse_other_kinds(path, start)
    raise DamagedModelError(f"'{path}' is not a PyTorch file: its first bytes are of another format")


def _run(job: Mapping[str, Any], path: Path, seconds: int) -> None:
    """Run the job in a child process. Raises DamagedModelError if it does not finish."""
    environment = {name: value for name, value in os.environ.items() if name not in _REMOVED_VARIABLES}
    environment |= {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    command = [sys.executable, "-I", "-B", "-c", _READER]
    try:
        done = subprocess.run(  # noqa: S603 - a fixed command without user input
            command,
            input=json.dumps(job).encode(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environment,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise DamagedModelError(f"'{path}' could not be read within {seconds} s") from error
    except OSError as error:
        raise OutputError(f"cannot start a process to read '{path}': {error.strerror}") from error
    if done.returncode:
        raise DamagedModelError(f"'{path}' is damaged, or too large for this machine: {_end(done.returncode)}")


def _end(code: int) -> str:
    name = f"exit code {code}"
    if code < 0:
        name = f"signal {-code}"
        with contextlib.suppress(ValueError):
            name = signal.Signals(-code).name
    return f"the process that read it ended with {name}"


def _result(answer: Path, path: Path) -> dict[str, Any]:
    result = read_document(answer)
    if "no_disk_space" in result:
        raise OutputError(
            f"cannot write a temporary copy of '{path}' to '{tempfile.gettempdir()}' "
            f"({str(result['no_disk_space'])[:200]}): free some space there, or set TMPDIR to another folder"
        )
    reason = result.get("refused")
    if isinstance(reason, str):
        error = DamagedModelError if result.get("damaged") else UnsupportedModelError
        raise error(f"'{path}' {reason[:500]}")
    return result
