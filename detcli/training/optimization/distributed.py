"""Several processes that train one network together, as `torchrun` starts them; or the only one there is."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
from torch import Tensor, distributed, nn

from detcli.errors import DeviceError, UsageError

T = TypeVar("T")

_SILENCE = ("gloo/", "NCCL", "Connection closed by peer", "Connection reset by peer")
_PATIENCE = timedelta(minutes=30)  # with a process that answers no more; one that ends is noticed at once


@dataclass(frozen=True, slots=True)
class Processes:
    """Who trains.

    rank   this process among them, from 0; the first one writes and speaks
    size   how many there are
    words  the group through which Python values go: over the network's own wires, never the GPUs'
    """

    rank: int = 0
    size: int = 1
    words: Any = None

    @property
    def first(self) -> bool:
        """Whether this is the process that writes and speaks."""
        return self.rank == 0

    def gather(self, value: T) -> list[T]:
        """The values of all processes, in their order; each must ask at the same point."""
        if self.size == 1:
            return [value]
        values: list[Any] = [None] * self.size
        with _heard():
            distributed.all_gather_object(values, value, group=self.words)
        return values

    def from_first(self, value: T) -> T:
        """The first process's value."""
        if self.size == 1:
            return value
        values: list[Any] = [value]
        with _heard():
            distributed.broadcast_object_list(values, src=0, group=self.words)
        return values[0]  # type: ignore[no-any-return]

    def to_first(self, value: T) -> list[T]:
        """The values of all processes for the first one, in their order; nothing for the others."""
        if self.size == 1:
            return [value]
        values: list[Any] | None = [None] * self.size if self.first else None
        with _heard():
            distributed.gather_object(value, values, dst=0, group=self.words)
        return values or []

    def tensors_from_first(self, tensors: Mapping[str, Tensor] | None, device: torch.device) -> dict[str, Tensor]:
        """The first process's tensors, on each one's device; what others give is not looked at."""
        own = {} if tensors is None else {name: tensor.to(device).contiguous() for name, tensor in tensors.items()}
        if self.size == 1:
            return own
        layout = self.from_first({name: (tensor.shape, tensor.dtype) for name, tensor in own.items()})
        if not self.first:
            own = {name: torch.empty(shape, dtype=dtype, device=device) for name, (shape, dtype) in layout.items()}
        with _heard():
            for name in layout:
                distributed.broadcast(own[name], src=0)
        return own

    @contextmanager
    def computing(self) -> Iterator[None]:
        """Around what computes with the others on its way, as norms over all images do. Raises DeviceError."""
        try:
            yield
        except RuntimeError as error:
            if self.size == 1 or not any(sign in str(error) for sign in _SILENCE):
                raise
            raise DeviceError(_silent(error)) from error

    def average_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """Give every process the mean of all their gradients.

        Done by hand, in one piece after the last backward pass: parameters that had no part in the loss of some
        process, or of any (no ground truth in the whole batch), keep what one process would give them, and parts of a step add
        up before anything is sent.
        """
        if self.size == 1 or not parameters:
            return
        flat = torch.cat(
            [torch.zeros(p.numel(), device=p.device) if p.grad is None else p.grad.reshape(-1) for p in parameters]
            + [torch.tensor([float(p.grad is not None) for p in parameters], device=parameters[0].device)]
        )
        with _heard():
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
def joined(device: torch.device) -> Iterator[Processes]:
    """The processes that `torchrun` started this one among, for the length of the block.

    Raises UsageError for an environment that makes no sense, and DeviceError where the others cannot be reached.
    """
    size, rank = _number("WORLD_SIZE", 1), _number("RANK", 0)
    if size == 1:
        yield Processes()
        return
    if not rank < size:
        raise UsageError(f"RANK={rank} and WORLD_SIZE={size} do not belong together; start with torchrun")
    nccl = device.type == "cuda"
    if nccl:
        torch.cuda.set_device(device)
    try:
        distributed.init_process_group("nccl" if nccl else "gloo", timeout=_PATIENCE)
        words = distributed.new_group(backend="gloo", timeout=_PATIENCE) if nccl else None
    except (RuntimeError, ValueError) as error:
        raise DeviceError(f"process {rank} of {size} cannot reach the others: {_first_line(error)}") from error
    try:
        yield Processes(rank, size, words)
    finally:
        distributed.destroy_process_group()


def local_device(device: torch.device) -> torch.device:
    """The device of this process: of several on one machine, each has a CUDA device of its own."""
    if device.type != "cuda" or _number("WORLD_SIZE", 1) == 1:
        return device
    place, count = _number("LOCAL_RANK", 0), torch.cuda.device_count()
    if place >= count:
        raise UsageError(f"torchrun starts process {place + 1} on this machine, which has {count} CUDA devices")
    return torch.device("cuda", place)


@contextmanager
def _heard() -> Iterator[None]:
    """Say what it means when the others fall silent: each of them has told its own reason."""
    try:
        yield
    except RuntimeError as error:
        raise DeviceError(_silent(error)) from error


def _silent(error: BaseException) -> str:
    why = _first_line(error).partition("] ")[2].partition(". ")[0] or _first_line(error)  # without place and greetings
    return f"another process of this run has ended or does not answer: {why}"


def _number(name: str, default: int) -> int:
    text = os.environ.get(name, str(default))
    if not (text.isascii() and text.isdigit()):
        raise UsageError(f"{name}='{text}' in the environment is no number; it is set by torchrun")
    return int(text)


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
