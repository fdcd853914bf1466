"""A network as recorded graphs, one for each shape of its input: the host starts hundreds of operators with one call.

Graphs read and write the same memory each time. So a batch is copied into that of its graph, and its outputs out of it, all in the
queue of the device: the next batch may follow before the outputs of this one were read.
"""

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from detcli.runtimes.device_errors import first_line, is_out_of_memory
from detcli.runtimes.graph_recorder import GraphRecorder, RecordedGraph
from detcli.runtimes.operator_modes import HostWaits, OutsideTensors
from detcli.structures.network_io import Outputs

Shape = tuple[tuple[torch.Size, torch.dtype, tuple[int, ...]], ...]

_MOST = 4  # graphs: each holds a batch and, where it is the largest one, the memory of its operators
_PLAIN_CALLS = 3  # of a shape before it is recorded: a short run is over sooner
_UNUSED_CALLS = 100  # of other shapes, after which a graph makes room for another one


@dataclass(slots=True)
class _Slot:
    """A graph, its inputs, what else it reads, and the number of the last call that used it."""

    graph: RecordedGraph
    inputs: tuple[Tensor, ...]
    outside: tuple[Tensor, ...]
    used: int = 0


class NetworkGraphs:
    """Runs a network, as a graph for shapes that come again, and operator by operator for others.

    run       runs the network operator by operator
    recorder  of its device
    most      graphs that it keeps

    Where a graph cannot be recorded, or memory runs out, the network runs operator by operator, and `remarks` says why.
    Several threads may share it.
    """

    def __init__(self, run: Callable[..., Outputs], recorder: GraphRecorder, *, most: int = _MOST) -> None:
        self._run, self._recorder, self._most = run, recorder, most
        self._slots: dict[Shape, _Slot] = {}
        self._calls: Counter[Shape] = Counter()
        self._without: set[Shape] = set()  # shapes that are not recorded
        self._is_on = True
        self._lock = threading.RLock()
        self._remarks: list[str] = []

    @property
    def remarks(self) -> tuple[str, ...]:
        """Sentences about what is not done with graphs."""
        return tuple(self._remarks)

    @property
    def count(self) -> int:
        """Number of graphs."""
        return len(self._slots)

    def __call__(self, *inputs: Tensor) -> Outputs:
        """Run the network; the outputs stay as they are when it runs again."""
        outputs = self._if_it_fits(lambda: self._replayed(inputs))
        return self._run(*inputs) if outputs is None else outputs

    def turn_off(self, reason: str) -> None:
        """Delete all graphs, and record no more."""
        with self._lock:
            if self._is_on:
                self._is_on = False
                self._recorder.release()
                self._slots.clear()
                self._recorder.free_bytes()
                self._remarks.append(f"CUDA graphs are off, and the network may be slower: {reason}")

    def release_memory(self) -> None:
        """Delete all graphs where there are any, after memory ran out."""
        if self._slots:
            self.turn_off("memory ran out")

    def _if_it_fits(self, run: Callable[[], Outputs]) -> Outputs | None:
        """The outputs; None if memory ran out, and graphs that held some of it are deleted."""
        try:
            return run()
        except RuntimeError as error:
            if not is_out_of_memory(error) or not self._slots:
                raise
        self.release_memory()  # not above: there the traceback of the error still holds memory
        return None

    def _replayed(self, inputs: tuple[Tensor, ...]) -> Outputs:
        shape = tuple((x.shape, x.dtype, x.stride()) for x in inputs)
        with self._lock:
            self._calls[shape] += 1
            slot = self._slots.get(shape)
            if slot is None and self._is_worth_it(shape):
                slot = self._record(shape, inputs)
            if slot is not None:
                slot.used = self._calls.total()
                return self._replay(slot, inputs)
        return self._run(*inputs)

    def _replay(self, slot: _Slot, inputs: tuple[Tensor, ...]) -> Outputs:
        with self._recorder.in_order():
            for own, given in zip(slot.inputs, inputs, strict=True):
                own.copy_(given, non_blocking=True)
            slot.graph.replay()
            outputs = slot.graph.outputs
            masks = None if outputs.masks is None else outputs.masks.clone()
            return replace(
                outputs, logits=outputs.logits.clone(), boxes_cxcywh=outputs.boxes_cxcywh.clone(), masks=masks
            )

    def _is_worth_it(self, shape: Shape) -> bool:
        if not self._is_on or shape in self._without or self._calls[shape] <= _PLAIN_CALLS:
            return False
        return len(self._slots) < self._most or self._unused() is not None

    def _unused(self) -> Shape | None:
        """The shape of the graph that was not used for longest, if that is long enough."""
        shape, slot = min(self._slots.items(), key=lambda item: item[1].used)
        return shape if self._calls.total() - slot.used > _UNUSED_CALLS else None

    def _record(self, shape: Shape, inputs: tuple[Tensor, ...]) -> _Slot | None:
        """Record a graph and keep it; None, with a remark, where that is not possible."""
        if len(self._slots) >= self._most and (unused := self._unused()) is not None:
            self._recorder.release()
            del self._slots[unused]
        try:
            self._slots[shape] = self._new_slot(inputs)
        except RuntimeError as error:  # what torch raises, too, where the device cannot record an operator
            reason = None if is_out_of_memory(error) else first_line(error)
        else:
            return self._slots[shape]
        if reason is not None:
            self.turn_off(reason)
            return None
        self._without.add(shape)
        self._recorder.free_bytes()
        self._remarks.append(f"batches of {_text(inputs)} run without a CUDA graph: too little memory is free")
        return None

    def _new_slot(self, inputs: tuple[Tensor, ...]) -> _Slot:
        """Record a graph. Raises RuntimeError, of no memory too.

        The memory that it needs must be free twice: a batch of another shape that runs without a graph needs it too.
        """
        own = tuple(torch.empty_like(x) for x in inputs)
        for static, given in zip(own, inputs, strict=True):
            static.copy_(given)
        free = self._recorder.free_bytes()
        with HostWaits() as waits:
            needed = self._recorder.warm_up(lambda: self._run(*own))
        if waits.names:
            raise RuntimeError(f"{waits.names[0]} waits for the device")
        if 2 * needed > free:
            raise torch.OutOfMemoryError("out of memory")
        with OutsideTensors() as outside:
            graph = self._recorder.record(lambda: self._run(*own))
        return _Slot(graph, own, tuple(outside.tensors.values()))


def _text(inputs: tuple[Tensor, ...]) -> str:
    batch, _, height, width = inputs[0].shape
    return f"{batch} x {height} x {width}"
