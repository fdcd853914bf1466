"""Small tensors that the processes of one machine gather through shared memory, in microseconds.

A message over a socket takes 0.7 ms and more, since it wakes a sleeping process. A training step of a small network has two for each
batch norm, which makes them longer than its computations.
"""

import mmap
import os
import platform
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from detcli.errors import LostProcessError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder in memory, on Linux; a file there has no name after the start
_ROW_BYTES = 1 << 16  # 4,096 channels in float64, twice
_LINE_BYTES = 64  # a cache line: processes that write do not wait for each other
_TURNS = 2  # a row is written again two turns later, when every process has read it
_SPIN_S, _SLEEP_S = 0.002, 5e-5  # how long to keep the processor, and the sleeps after it, when others may need it
_CHECK_S = 0.5  # from one look for lost processes to the next
_NUMBER = {torch.float32: 4, torch.float64: 8}  # bytes


class SharedTable:
    """A table in memory that the processes of one machine share: a row for each of them.

    rank     index of this process
    size     number of processes
    path     of a file of zeros, the same for each process
    timeout  seconds to wait for a process that lives

    A process writes its row and then the number of its turn, and waits for that of the others: a protocol for x86-64, where writes become
    visible to others in their order.
    """

    def __init__(self, rank: int, size: int, path: Path, timeout: float) -> None:
        self._rank, self._size, self._timeout = rank, size, timeout
        self._turn = 0
        self._file = path.open("r+b")
        try:
            _lock(self._file, rank)
            memory = mmap.mmap(self._file.fileno(), _table_bytes(size))
        except OSError:
            self._file.close()
            raise
        self._turns = memoryview(memory)[: size * _LINE_BYTES].cast("q")[:: _LINE_BYTES // 8]
        rows = torch.frombuffer(memory, dtype=torch.uint8, offset=size * _LINE_BYTES)
        self._rows = {dtype: rows.view(dtype).view(_TURNS, size, -1) for dtype in _NUMBER}

    def holds(self, tensor: Tensor) -> bool:
        """Whether the table has room for such a tensor: on the CPU, float32 or float64, of at most 64 kB."""
        number = _NUMBER.get(tensor.dtype, _ROW_BYTES + 1)
        return tensor.device.type == "cpu" and tensor.numel() * number <= _ROW_BYTES

    def gather(self, own: Tensor) -> Tensor:
        """The tensors of all processes by rank, [size, *shape of own]. Raises LostProcessError if another process has ended."""
        self._turn += 1
        rows = self._rows[own.dtype][self._turn % _TURNS, :, : own.numel()]
        rows[self._rank] = own.reshape(-1)
        self._turns[self._rank] = self._turn
        if min(self._turns) < self._turn:
            self._wait()
        return rows.clone().view(self._size, *own.shape)

    def close(self) -> None:
        """Tell the others that this process has left the run."""
        self._file.close()  # which ends the lock; the memory is freed with the last tensor

    def _wait(self) -> None:
        """Wait until each process has reached this turn."""
        start = time.monotonic()
        check = start + _CHECK_S
        while min(self._turns) < self._turn:
            now = time.monotonic()
            time.sleep(0 if now < start + _SPIN_S else _SLEEP_S)  # 0: other threads of this process go on
            if now > check:
                self._look_for_lost(now - start)
                check = now + _CHECK_S

    def _look_for_lost(self, waited: float) -> None:
        for rank, turn in enumerate(self._turns):
            if turn >= self._turn:
                continue
            if waited > self._timeout:
                raise LostProcessError(
                    f"another process of this run does not respond: process {rank + 1} of {self._size}"
                )
            # It may have written this turn and ended after it.
            if self._has_ended(rank) and self._turns[rank] < self._turn:
                raise LostProcessError(f"another process of this run has ended: process {rank + 1} of {self._size}")

    def _has_ended(self, rank: int) -> bool:
        """Whether a process has left the run, or was killed: the system ends its lock."""
        try:
            _lock(self._file, rank)
        except OSError:
            return False
        fcntl.lockf(self._file, fcntl.LOCK_UN, 1, rank)
        return True


def open_table(rank: int, size: int, share: Callable[[object], list[Any]], timeout: float) -> SharedTable | None:
    """The table of the processes of a run, all on this machine; None where they cannot share one.

    share  gathers the values of all processes, by rank; each process calls this function at the same point
    """
    made = _new_file(size) if rank == 0 else None
    try:
        path = share(made)[0]
        table = None
        with suppress(OSError):
            table = None if path is None else SharedTable(rank, size, path, timeout)
        complete = all(share(table is not None))
    finally:
        if made is not None:
            made.unlink(missing_ok=True)
    if table is None or complete:
        return table
    table.close()
    return None


def _new_file(size: int) -> Path | None:
    """A file of zeros for a table; None where this machine cannot share or hold one."""
    if fcntl is None or platform.machine().lower() not in ("x86_64", "amd64"):
        return None
    path = None
    try:
        descriptor, name = tempfile.mkstemp(prefix="detcli-", dir=_MEMORY if _MEMORY.is_dir() else None)
        path = Path(name)
        with os.fdopen(descriptor, "wb") as file:
            file.write(bytes(_table_bytes(size)))  # not sparse: where memory is full, this fails and no later write
    except OSError:
        if path is not None:
            path.unlink(missing_ok=True)
        return None
    return path


def _table_bytes(size: int) -> int:
    return size * (_LINE_BYTES + _TURNS * _ROW_BYTES)


def _lock(file: BinaryIO, rank: int) -> None:
    """Lock the byte of a process. Raises OSError if another process holds it."""
    fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, rank)
