"""The processes that train one network together, as `torchrun` or detcli starts them; or a single one."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, TypeVar
from uuid import uuid4

import torch
from torch import Tensor, distributed, nn

from detcli.errors import DeviceError, LostProcessError, UsageError
from detcli.structures.stop_signal import StopSignal
from detcli.training.optimization.process_place import ProcessPlace, place_in_environment
from detcli.training.optimization.shared_stop import SharedStop
from detcli.training.optimization.shared_table import SharedTable, open_table

T = TypeVar("T")

_PEER_ERROR_SIGNS = ("gloo/", "NCCL", "Connection closed by peer", "Connection reset by peer")
_TIMEOUT = timedelta(minutes=30)  # for a process that does not respond; one that ends is noticed at once


@dataclass(frozen=True, slots=True)
class Processes:
    """The processes of a run.

    rank          index of this process, from 0; the first one writes and reports
    size          number of processes
    local_size    number of those on this machine
    object_group  group for Python values: over the network, not between GPUs
    table         for small tensors on the CPU, where all processes are on one machine that can share memory
    store         for single values, with keys of this run alone; None in a single process
    """

    rank: int = 0
    size: int = 1
    local_size: int = 1
    object_group: Any = None
    table: SharedTable | None = None
    store: Any = None

    @property
    def is_first(self) -> bool:
        """Whether this is the process that writes and reports."""
        return self.rank == 0

    def shared_stop(self, stop: StopSignal) -> StopSignal:
        """The stop of this process, which is set in all processes once it is set in one."""
        return stop if self.store is None else SharedStop(stop, self.store)

    def any_stopped(self, stop: StopSignal) -> bool:
        """Whether the stop is set in any process; each process must call it at the same point."""
        return any(self.gather(stop.is_set()))

    def gather(self, value: T) -> list[T]:
        """The values of all processes, by rank; each process must call it at the same point."""
        if self.size == 1:
            return [value]
        values: list[Any] = [None] * self.size
        with _peer_errors():
            distributed.all_gather_object(values, value, group=self.object_group)
        return values

    def from_first(self, value: T) -> T:
        """The first process's value."""
        if self.size == 1:
            return value
        values: list[Any] = [value]
        with _peer_errors():
            distributed.broadcast_object_list(values, src=0, group=self.object_group)
        return values[0]  # type: ignore[no-any-return]

    def to_first(self, value: T) -> list[T]:
        """The values of all processes, by rank, in the first one; empty in the others."""
        if self.size == 1:
            return [value]
        values: list[Any] | None = [None] * self.size if self.is_first else None
        with _peer_errors():
            distributed.gather_object(value, values, dst=0, group=self.object_group)
        return values or []

    def tensors_from_first(self, tensors: Mapping[str, Tensor] | None, device: torch.device) -> dict[str, Tensor]:
        """The first process's tensors, on the device of each process; those of others are ignored."""
        own = {} if tensors is None else {name: tensor.to(device).contiguous() for name, tensor in tensors.items()}
        if self.size == 1:
            return own
        layout = self.from_first({name: (tensor.shape, tensor.dtype) for name, tensor in own.items()})
        if not self.is_first:
            own = {name: torch.empty(shape, dtype=dtype, device=device) for name, (shape, dtype) in layout.items()}
        with _peer_errors():
            for name in layout:
                distributed.broadcast(own[name], src=0)
        return own

    def gather_tensor(self, own: Tensor) -> Tensor:
        """The tensors of all processes by rank, [size, *shape of own]; all have one shape and dtype."""
        if self.table is not None and self.table.holds(own):
            return self.table.gather(own)
        parts = [torch.empty_like(own) for _ in range(self.size)]
        distributed.all_gather(parts, own.contiguous())
        return torch.stack(parts)

    @contextmanager
    def computing(self) -> Iterator[None]:
        """Surround computations that communicate, such as norms over all images. Raises LostProcessError."""
        try:
            yield
        except RuntimeError as error:
            if self.size == 1 or not any(sign in str(error) for sign in _PEER_ERROR_SIGNS):
                raise
            raise LostProcessError(_peer_error_message(error)) from error

    def average_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """Replace the gradients of every process by their mean.

        One all-reduce after the last backward pass: parameters without a gradient in some or all processes (no ground
        truth in the batch) keep what a single process would give them, and micro-batches are summed before sending.
        """
        if self.size == 1 or not parameters:
            return
        flat = torch.cat(
            [torch.zeros(p.numel(), device=p.device) if p.grad is None else p.grad.reshape(-1) for p in parameters]
            + [torch.tensor([float(p.grad is not None) for p in parameters], device=parameters[0].device)]
        )
        with _peer_errors():
            distributed.all_reduce(flat)
        *means, having = torch.split(flat / self.size, [*(p.numel() for p in parameters), len(parameters)])
        for parameter, mean, had in zip(parameters, means, having.tolist(), strict=True):
            if not had:
                parameter.grad = None
            elif parameter.grad is None:
                parameter.grad = torch.empty_like(parameter).copy_(mean.view_as(parameter))
            else:
                parameter.grad.copy_(mean.view_as(parameter))


@contextmanager
def join_processes(device: torch.device, place: ProcessPlace | None = None) -> Iterator[Processes]:
    """The processes of a run, for the duration of the block.

    place  of this process among them; None: as `torchrun` says

    Raises UsageError for an invalid environment, and DeviceError if the others cannot be reached.
    """
    place = place_in_environment() if place is None else place
    if place.size == 1:
        yield Processes()
        return
    nccl = device.type == "cuda"
    if nccl:
        torch.cuda.set_device(device)
    try:
        store = _meet(place, "nccl" if nccl else "gloo")
        object_group = distributed.new_group(backend="gloo", timeout=_TIMEOUT) if nccl else None
    except (RuntimeError, ValueError) as error:
        where = f"process {place.rank} of {place.size}"
        raise DeviceError(f"{where} cannot reach the others: {_first_line(error)}") from error
    processes = Processes(place.rank, place.size, place.local_size, object_group)
    try:
        own_keys = processes.from_first(uuid4().hex)  # torchrun keeps its store when it starts the processes again
        processes = replace(processes, store=distributed.PrefixStore(own_keys, store))  # type: ignore[attr-defined]
        if device.type == "cpu" and place.local_size == place.size:
            table = open_table(place.rank, place.size, processes.gather, _TIMEOUT.total_seconds())
            processes = replace(processes, table=table)
        yield processes
    finally:
        if processes.table is not None:
            processes.table.close()
        distributed.destroy_process_group()


def _meet(place: ProcessPlace, backend: str) -> Any:
    """Meet the other processes; returns the store that they have in common."""
    if place.port is None:
        distributed.init_process_group(backend, timeout=_TIMEOUT)
        return _client(os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]))
    store = _client("127.0.0.1", place.port)
    distributed.init_process_group(backend, store=store, rank=place.rank, world_size=place.size, timeout=_TIMEOUT)
    return store


def _client(host: str, port: int) -> Any:
    return distributed.TCPStore(host, port, is_master=False, timeout=_TIMEOUT)  # type: ignore[attr-defined]


def local_device(device: torch.device, place: ProcessPlace) -> torch.device:
    """The device of this process: of several that torchrun started on one machine, each gets its own CUDA device."""
    if device.type != "cuda" or place.size == 1 or place.port is not None:
        return device
    index, count = place.local_rank, torch.cuda.device_count()
    if index >= count:
        raise UsageError(f"torchrun starts process {index + 1} on this machine, which has {count} CUDA devices")
    return torch.device("cuda", index)


@contextmanager
def _peer_errors() -> Iterator[None]:
    """Turn errors of the communication into LostProcessError; the failed process reports its own reason."""
    try:
        yield
    except RuntimeError as error:
        raise LostProcessError(_peer_error_message(error)) from error


def _peer_error_message(error: BaseException) -> str:
    why = _first_line(error).partition("] ")[2].partition(". ")[0] or _first_line(error)  # without the prefix
    return f"another process of this run has ended or does not respond: {why}"


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
