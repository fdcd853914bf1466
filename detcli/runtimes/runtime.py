"""The door of the runtimes: what runs a network promises, and the table of those who keep it."""

from collections.abc import Callable
from typing import Protocol

from detcli.registry import Registry
from detcli.structures.batch import Batch
from detcli.structures.outputs import Outputs


class Runtime(Protocol):
    """Something that answers a batch with a network's outputs."""

    def __call__(self, batch: Batch) -> Outputs:
        """Run the network; outputs are float32 and may still be on the device.

        Raises DeviceError with `out_of_memory` set where the device has no room for the batch.
        """


RUNTIMES: Registry[Callable[..., Runtime]] = Registry(
    "runtime", {"eager": "detcli.runtimes.torch_runtime:TorchRuntime"}
)
