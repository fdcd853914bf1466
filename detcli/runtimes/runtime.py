"""The interface of runtimes, which run a network, and their registry."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Generic, Protocol, TypeVar

from detcli.registry import Registry

# Batch and Outputs of tensors, or ArrayBatch and ArrayOutputs of numpy arrays.
BatchT_contra = TypeVar("BatchT_contra", contravariant=True)
OutputsT_co = TypeVar("OutputsT_co", covariant=True)


class PendingOutputs(Protocol[OutputsT_co]):
    """Outputs of a batch that a runtime may still compute."""

    def result(self) -> OutputsT_co:
        """Wait for the outputs and return them; call it once. Raises what `Runtime.__call__` raises."""


class Runtime(Protocol[BatchT_contra, OutputsT_co]):
    """Runs a network.

    name               such as "torch"
    device_name        such as "cpu" or "cuda:0"
    precision          fp32, tf32, bf16, fp16 or int8
    batches_in_flight  how many batches keep the device busy: submit so many before the first is collected. 1: the runtime
                       works on one batch at a time, `__call__` is as fast as `submit`
    fixed_batch        the only number of images that it takes; None: any
    remarks            sentences about what it did otherwise than asked, for the end of a run
    """

    @property
    def name(self) -> str:
        """Name in the registry."""

    @property
    def device_name(self) -> str:
        """Name of the device."""

    @property
    def precision(self) -> str:
        """Numerical precision."""

    @property
    def batches_in_flight(self) -> int:
        """How many batches keep the device busy."""

    @property
    def fixed_batch(self) -> int | None:
        """The only number of images that it takes; None: any."""

    @property
    def remarks(self) -> tuple[str, ...]:
        """Sentences about what it did otherwise than asked."""

    def __call__(self, batch: BatchT_contra) -> OutputsT_co:
        """Run the network; outputs are float32 and may still be on the device.

        Raises DeviceError with `out_of_memory` set if the batch does not fit into the memory of the device.
        """

    def submit(self, batch: BatchT_contra) -> PendingOutputs[OutputsT_co]:
        """Start to run the network; results may be collected in any order. Raises what `__call__` raises."""

    def errors(self) -> AbstractContextManager[None]:
        """Turn the runtime's errors about memory or a lost device into DeviceError, also those of reading outputs."""

    def release_memory(self) -> None:
        """Return memory that is not used to the device, after a batch did not fit."""


class FinishedOutputs(Generic[OutputsT_co]):
    """Outputs that are computed already."""

    def __init__(self, outputs: OutputsT_co) -> None:
        self._outputs = outputs

    def result(self) -> OutputsT_co:
        """Return the outputs."""
        return self._outputs


class SynchronousRuntime(ABC, Generic[BatchT_contra, OutputsT_co]):
    """Base of runtimes that work on one batch at a time: they add names and `__call__`."""

    batches_in_flight: int = 1
    fixed_batch: int | None = None

    @property
    def remarks(self) -> tuple[str, ...]:
        """Nothing."""
        return ()

    @abstractmethod
    def __call__(self, batch: BatchT_contra) -> OutputsT_co:
        """Run the network."""

    def submit(self, batch: BatchT_contra) -> PendingOutputs[OutputsT_co]:
        """Run the network; a device may still compute when this returns."""
        return FinishedOutputs(self(batch))

    def errors(self) -> AbstractContextManager[None]:
        """Let every error pass."""
        return nullcontext()

    def release_memory(self) -> None:
        """Keep memory."""


RUNTIMES: Registry[Callable[..., Runtime[Any, Any]]] = Registry(
    "runtime",
    {
        "torch": "detcli.runtimes.torch_runtime:TorchRuntime",
        "openvino": "detcli.runtimes.openvino_runtime:OpenVinoRuntime",
        "onnx": "detcli.runtimes.onnx_runtime:OnnxRuntime",
    },
    group="detcli.runtimes",
)
