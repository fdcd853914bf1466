"""The interface of runtimes, which run a network, and their registry."""

from collections.abc import Callable
from typing import Protocol

from detcli.registry import Registry
from detcli.structures.network_io import Batch, Outputs


class Runtime(Protocol):
    """Runs a network.

    device_name  such as "cpu" or "cuda:0"
    precision    fp32, bf16 or fp16
    """

    @property
    def device_name(self) -> str:
        """Name of the device."""

    @property
    def precision(self) -> str:
        """Floating-point precision."""

    def __call__(self, batch: Batch) -> Outputs:
        """Run the network; outputs are float32 and may still be on the device.

        Raises DeviceError with `out_of_memory` set if the batch does not fit into the memory of the device.
        """


RUNTIMES: Registry[Callable[..., Runtime]] = Registry(
    "runtime", {"eager": "detcli.runtimes.torch_runtime:TorchRuntime"}, group="detcli.runtimes"
)
