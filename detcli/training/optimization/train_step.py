"""One step: parts of a batch forward and backward, the gradients of all processes, AdamW, the moving average.

It knows no file and no epoch; numbers that are not finite end it before a weight has moved.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from detcli.errors import DivergedError
from detcli.models.family import Criterion
from detcli.runtimes.torch_runtime import device_errors
from detcli.structures.seeding import derive_seed
from detcli.training.data.data_loader import MicroBatch
from detcli.training.data.samples import LoadFailure
from detcli.training.optimization.distributed import Processes
from detcli.training.optimization.optimizer import MovingAverage, Optimizer, clip_gradients
from detcli.training.recipes.recipe import Recipe

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
_SMALLEST_SCALE = 2.0**-10  # of fp16 losses: below it, it is not the scale that is wrong
_FILES_SHOWN = 8


@dataclass(frozen=True, slots=True)
class StepResult:
    """What a step came to, over all processes.

    losses         mean over processes and parts, by name
    gradient_norm  before clipping; of fp16 it may be infinite, and the weights have not moved then
    images       that were learned from
    failures       images that could not be read
    asked_to_stop  name of the signal that some process was sent, or None
    """

    losses: dict[str, float]
    gradient_norm: float
    images: int
    failures: tuple[LoadFailure, ...]
    asked_to_stop: str | None


@dataclass(frozen=True, slots=True)
class _StepReport:
    """What each process tells the others in each step."""

    losses: dict[str, float]
    failures: tuple[LoadFailure, ...]
    asked_to_stop: str | None
    culprit: str | None


class TrainStep:
    """A network and all that moves it.

    network    in training form, on its device
    optimizer  over its parameters
    average    of its weights
    """

    def __init__(
        self,
        network: nn.Module,
        criterion: Criterion,
        optimizer: Optimizer,
        average: MovingAverage,
        *,
        recipe: Recipe,
        device: torch.device,
        processes: Processes,
    ) -> None:
        self.network, self.optimizer, self.average = network, optimizer, average
        self._criterion, self._recipe, self._processes = criterion, recipe, processes
        self._device, self._dtype = device, _DTYPES[recipe.precision]
        self._parameters = list(optimizer.parameters.values())
        self.scaler = torch.amp.GradScaler(device.type, enabled=recipe.precision == "fp16" and device.type == "cuda")

    def step(self, parts: Iterable[MicroBatch], *, epoch: int, step: int, asked_to_stop: str | None) -> StepResult:
        """Learn from a step's parts.

        Raises DivergedError, naming losses, place and images, for numbers that are not finite; the weights are as
        they were before the step. Raises DeviceError where the device has no room.
        """
        with device_errors(self._device), self._processes.computing():
            values, names, taken = self._gradients(parts, epoch, step)
            self._processes.average_gradients(self._parameters)
            self.scaler.unscale_(self.optimizer.adamw)
            norm = clip_gradients(self._parameters, self._recipe.clip)
            *sums, gradient_norm = torch.stack([*values, norm.detach().float()]).tolist()
        losses = {name: value / len(taken) for name, value in zip(names, sums, strict=True)}
        failures = tuple(failure for part in taken for failure in part.failures)
        culprit = self._culprit(losses, gradient_norm, taken)
        told = self._processes.gather(_StepReport(losses, failures, asked_to_stop, culprit))
        culprits = [one.culprit for one in told if one.culprit is not None]
        if culprits:
            raise DivergedError(f"training diverged in epoch {epoch + 1}, step {step + 1}: {culprits[0]}")
        with device_errors(self._device):
            self.scaler.step(self.optimizer.adamw)
            self.scaler.update()
            self.optimizer.adamw.zero_grad(set_to_none=True)
            self.average.update()
        return StepResult(
            {name: sum(one.losses[name] for one in told) / len(told) for name in losses},
            gradient_norm,
            sum(len(part.targets) for part in taken) * len(told),
            tuple(failure for one in told for failure in one.failures),
            next((one.asked_to_stop for one in told if one.asked_to_stop is not None), None),
        )

    def _gradients(
        self, parts: Iterable[MicroBatch], epoch: int, step: int
    ) -> tuple[list[Tensor], list[str], list[MicroBatch]]:
        """Sums of the losses over parts, their names, and the parts."""
        values: list[Tensor] = []
        names: list[str] = []
        taken: list[MicroBatch] = []
        autocast = torch.autocast(self._device.type, self._dtype, enabled=self._dtype is not torch.float32)
        for place, part in enumerate(parts):
            # For layers that draw from the global generator, such as dropout: the same after a resume.
            torch.manual_seed(derive_seed(self._recipe.seed, epoch, step, place, self._processes.rank, "layers"))
            taken.append(part)
            with autocast:
                images = (part.pixels,) if part.mask is None else (part.pixels, part.mask)
                outputs = self.network(*images, targets=part.targets)
            try:
                losses = self._criterion(outputs, part.targets)
            except DivergedError as error:
                raise DivergedError(
                    f"training diverged in epoch {epoch + 1}, step {step + 1}: {error}; {_images(taken)}"
                ) from error
            total = torch.stack(list(losses.values())).sum()
            self.scaler.scale(total / self._recipe.accumulate).backward()  # type: ignore[no-untyped-call]
            each = [loss.detach().float() for loss in losses.values()]
            values = each if not values else [one + other for one, other in zip(values, each, strict=True)]
            names = list(losses)
        return values, names, taken

    def _culprit(self, losses: dict[str, float], gradient_norm: float, parts: Sequence[MicroBatch]) -> str | None:
        """What is not finite, in words; None where all is well."""
        bad = [f"{name} is {value}" for name, value in losses.items() if not _finite(value)]
        if bad:
            more = f" (and {len(bad) - 3} more)" if len(bad) > 3 else ""
            return f"{', '.join(bad[:3])}{more}; {_images(parts)}"
        if _finite(gradient_norm):
            return None
        if self.scaler.is_enabled() and self.scaler.get_scale() > _SMALLEST_SCALE:
            return None  # the scale is too high for fp16: the scaler skips this step and lowers it
        return f"the norm of the gradient is {gradient_norm}, first at '{self._first_bad()}'; {_images(parts)}"

    def _first_bad(self) -> str:
        for name, parameter in self.optimizer.parameters.items():
            if parameter.grad is not None and not bool(parameter.grad.isfinite().all()):
                return name
        return "no parameter alone"

    def state(self) -> dict[str, Tensor]:
        """All tensors that the next step depends on."""
        return {
            **{f"network.{name}": tensor for name, tensor in self.network.state_dict().items()},
            **{f"average.{name}": tensor for name, tensor in self.average.floats.items()},
            **{f"optimizer.{name}": tensor for name, tensor in self.optimizer.state().items()},
        }

    def counters(self) -> dict[str, Any]:
        """All numbers besides that it depends on, for JSON."""
        return {"updates": self.average.updates, "decay": self.average.decay, "scaler": self.scaler.state_dict()}

    def load(self, tensors: dict[str, Tensor], counters: dict[str, Any]) -> None:
        """Continue from what `state` and `counters` gave."""
        of: dict[str, dict[str, Tensor]] = {"network": {}, "average": {}, "optimizer": {}}
        for name, tensor in tensors.items():
            room, _, own = name.partition(".")
            of[room][own] = tensor
        self.network.load_state_dict(of["network"], strict=True)
        self.average.load_state(of["average"], counters["updates"])
        self.average.decay = counters["decay"]
        self.optimizer.load_state(of["optimizer"])
        if self.scaler.is_enabled() and counters["scaler"]:
            self.scaler.load_state_dict(counters["scaler"])


def _finite(value: float) -> bool:
    return abs(value) < float("inf")  # of NaN neither this nor its opposite is true


def _images(parts: Sequence[MicroBatch]) -> str:
    files = [file for part in parts for file in part.files]
    shown = ", ".join(f"'{file}'" for file in files[:_FILES_SHOWN])
    more = f" and {len(files) - _FILES_SHOWN} more" if len(files) > _FILES_SHOWN else ""
    return f"the batch held {shown}{more}"
