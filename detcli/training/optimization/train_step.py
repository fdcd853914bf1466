"""One optimization step: micro-batches forward and backward, gradients of all processes, AdamW, the moving average.

NaN or infinity ends a step before any weight has changed.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from detcli.errors import DivergedError
from detcli.models.family import Criterion
from detcli.runtimes.float32_mode import float32_mode
from detcli.runtimes.torch_runtime import DTYPES, device_errors
from detcli.structures.network_io import Outputs, Targets
from detcli.structures.seeding import derive_seed
from detcli.training.data.data_loader import MicroBatch
from detcli.training.data.samples import LoadFailure
from detcli.training.optimization.distributed import Processes
from detcli.training.optimization.finite_outputs import with_finite_numbers
from detcli.training.optimization.optimizer import MovingAverage, Optimizer, clip_gradients
from detcli.training.optimization.teacher import Teacher
from detcli.training.recipes.recipe import Recipe

_SMALLEST_SCALE = 2.0**-10  # of fp16 losses: below it, the scale is not the reason for infinity
_FILES_SHOWN = 8


@dataclass(frozen=True, slots=True)
class StepResult:
    """The result of a step, over all processes.

    losses         mean over processes and micro-batches, by name
    gradient_norm  before clipping; in fp16 it may be infinite, and then the weights have not changed
    images         number of images
    failures       images that could not be read
    stop_signal    name of the signal that a process received, or None
    skipped        what was NaN or infinity, if the step was skipped for that: nothing has changed, `losses` is empty
    """

    losses: dict[str, float]
    gradient_norm: float
    images: int
    failures: tuple[LoadFailure, ...]
    stop_signal: str | None
    skipped: str | None = None


@dataclass(frozen=True, slots=True)
class _StepReport:
    """What each process sends to the others in each step."""

    losses: dict[str, float]
    failures: tuple[LoadFailure, ...]
    stop_signal: str | None
    problem: str | None


@dataclass(frozen=True, slots=True)
class _Measured:
    """Losses and gradient norm of one process, the micro-batches, and what is not finite, if anything."""

    losses: dict[str, float]
    gradient_norm: float
    used: list[MicroBatch]
    problem: str | None


class TrainStep:
    """A network with its losses, optimizer and moving average.

    network    in training form, on its device
    optimizer  over its parameters
    average    of its weights
    teacher    another network that it learns from, too
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
        teacher: Teacher | None = None,
    ) -> None:
        self.network, self.optimizer, self.average = network, optimizer, average
        self._criterion, self._recipe, self._processes, self._teacher = criterion, recipe, processes, teacher
        self._device, self._dtype = device, DTYPES[recipe.precision]
        self._parameters = list(optimizer.parameters.values())
        self.scaler = torch.amp.GradScaler(device.type, enabled=recipe.precision == "fp16" and device.type == "cuda")

    def step(
        self,
        micro_batches: Iterable[MicroBatch],
        *,
        epoch: int,
        step: int,
        stop_signal: str | None,
        may_skip: bool = False,
    ) -> StepResult:
        """Train on the micro-batches of a step.

        may_skip  NaN or infinity skips the step: weights and statistics of norms stay as they were

        Raises DivergedError, naming losses, step and images, for NaN or infinity; the weights are then unchanged.
        Raises DeviceError if the device is out of memory.
        """
        buffers = [buffer.clone() for buffer in self.network.buffers()] if may_skip else None
        measured = self._measured(micro_batches, epoch, step, may_skip=may_skip)
        problem, used = measured.problem, measured.used
        failures = tuple(failure for micro_batch in used for failure in micro_batch.failures)
        reports = self._processes.gather(_StepReport(measured.losses, failures, stop_signal, problem))
        skipped = _cause(reports)
        if skipped is not None and buffers is None:
            raise DivergedError(_diverged(epoch, step, skipped))
        with device_errors(self._device):
            if skipped is None:
                self.scaler.step(self.optimizer.adamw)
                self.scaler.update()
            elif buffers is not None:
                self._undo(buffers)
            self.optimizer.adamw.zero_grad(set_to_none=True)
            if skipped is None:
                self.average.update()
        names = measured.losses if skipped is None else {}
        return StepResult(
            {name: sum(report.losses[name] for report in reports) / len(reports) for name in names},
            measured.gradient_norm,
            sum(len(micro_batch.targets) for micro_batch in used) * len(reports),
            tuple(failure for report in reports for failure in report.failures),
            next((report.stop_signal for report in reports if report.stop_signal is not None), None),
            skipped,
        )

    def _measured(self, micro_batches: Iterable[MicroBatch], epoch: int, step: int, *, may_skip: bool) -> _Measured:
        """Losses and gradients of this process's micro-batches; gradients are averaged over processes and clipped.

        Raises DivergedError if queries cannot be assigned to boxes, unless steps may be skipped.
        """
        used: list[MicroBatch] = []
        rest = iter(micro_batches)
        problem: str | None = None
        values: list[Tensor] = []
        names: list[str] = []
        with (
            device_errors(self._device),
            self._processes.computing(),
            float32_mode(tf32=self._recipe.precision == "tf32"),
        ):
            try:
                values, names, problem = self._gradients(rest, epoch, step, used, may_skip=may_skip)
            except DivergedError as error:
                problem = str(error)
                if not may_skip:
                    raise DivergedError(_diverged(epoch, step, f"{problem}; {_images(used)}")) from error
                used.extend(rest)  # so that the next step gets its own
            self._processes.average_gradients(self._parameters)
            if problem is not None:
                return _Measured({}, 0.0, used, f"{problem}; {_images(used)}")
            self.scaler.unscale_(self.optimizer.adamw)
            norm = clip_gradients(self._parameters, self._recipe.clip)
            *sums, gradient_norm = torch.stack([*values, norm.detach().float()]).tolist()
        losses = {name: value / len(used) for name, value in zip(names, sums, strict=True)}
        return _Measured(losses, gradient_norm, used, self._problem(losses, gradient_norm, used))

    @torch.no_grad()
    def _undo(self, buffers: Sequence[Tensor]) -> None:
        """Restore the buffers of the network, and let the scaler forget what it saw."""
        for buffer, before in zip(self.network.buffers(), buffers, strict=True):
            buffer.copy_(before)
        if self.scaler.is_enabled():
            self.scaler.scale(torch.zeros((), device=self._device))  # it may have had no step yet
            self.scaler.update(self.scaler.get_scale())

    def _gradients(
        self, micro_batches: Iterable[MicroBatch], epoch: int, step: int, used: list[MicroBatch], *, may_skip: bool
    ) -> tuple[list[Tensor], list[str], str | None]:
        """Sums of the losses over micro-batches, their names, and why some are not those of the network, if any.

        Micro-batches are added to `used` one by one.
        """
        values: list[Tensor] = []
        names: list[str] = []
        problem: str | None = None
        autocast = torch.autocast(self._device.type, self._dtype, enabled=self._dtype is not torch.float32)
        for position, micro_batch in enumerate(micro_batches):
            # For layers that draw from the global generator, such as dropout: the same after a resume.
            torch.manual_seed(derive_seed(self._recipe.seed, epoch, step, position, self._processes.rank, "layers"))
            used.append(micro_batch)
            with autocast:
                images = (micro_batch.pixels,) if micro_batch.mask is None else (micro_batch.pixels, micro_batch.mask)
                taught = None if self._teacher is None else self._teacher.predict(micro_batch.pixels)
                guide = {} if taught is None else {"guide": taught.indices}
                outputs = self.network(*images, targets=micro_batch.targets, **guide)
            losses, why = self._losses(outputs, micro_batch.targets, may_skip=may_skip)
            if self._teacher is not None and taught is not None:
                losses = {**losses, **self._teacher.losses(outputs, taught)}
            problem = problem or why
            total = torch.stack(list(losses.values())).sum()
            self.scaler.scale(total / self._recipe.accumulate).backward()  # type: ignore[no-untyped-call]
            each = [loss.detach().float() for loss in losses.values()]
            values = each if not values else [one + other for one, other in zip(values, each, strict=True)]
            names = list(losses)
        return values, names, problem

    def _losses(
        self, outputs: Outputs, targets: Sequence[Targets], *, may_skip: bool
    ) -> tuple[dict[str, Tensor], str | None]:
        """The losses of a micro-batch; in one of several processes also where they cannot be computed, and why.

        The others count boxes and go back through synced norms together with this one, so it cannot leave a step that is
        skipped: it computes losses of finite numbers.
        """
        try:
            return self._criterion(outputs, targets), None
        except DivergedError as error:
            if not may_skip or self._processes.size == 1:
                raise
            return self._criterion(with_finite_numbers(outputs), targets), str(error)

    def _problem(
        self, losses: dict[str, float], gradient_norm: float, micro_batches: Sequence[MicroBatch]
    ) -> str | None:
        """A sentence on what is not finite; None if everything is."""
        not_finite = [f"{name} is {value}" for name, value in losses.items() if not _finite(value)]
        if not_finite:
            more = f" (and {len(not_finite) - 3} more)" if len(not_finite) > 3 else ""
            return f"{', '.join(not_finite[:3])}{more}; {_images(micro_batches)}"
        if _finite(gradient_norm):
            return None
        if self.scaler.is_enabled() and self.scaler.get_scale() > _SMALLEST_SCALE:
            return None  # the scale is too high for fp16: the scaler skips this step and lowers it
        return f"the norm of the gradient is {gradient_norm}, first at '{self._first_not_finite()}'; {_images(micro_batches)}"

    def _first_not_finite(self) -> str:
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
        """All other numbers that the next step depends on, for JSON."""
        return {
            "updates": self.average.updates,
            "decay": self.average.decay,
            "factor": self.optimizer.factor,
            "scaler": self.scaler.state_dict(),
        }

    def load(self, tensors: dict[str, Tensor], counters: dict[str, Any]) -> None:
        """Restore what `state` and `counters` returned."""
        sections: dict[str, dict[str, Tensor]] = {"network": {}, "average": {}, "optimizer": {}}
        for name, tensor in tensors.items():
            section, _, own_name = name.partition(".")
            sections[section][own_name] = tensor
        self.network.load_state_dict(sections["network"], strict=True)
        self.average.load_state(sections["average"], counters["updates"])
        self.average.decay = counters["decay"]
        self.optimizer.load_state(sections["optimizer"])
        self.optimizer.set_factor(counters["factor"])
        if self.scaler.is_enabled() and counters["scaler"]:
            self.scaler.load_state_dict(counters["scaler"])


def _cause(reports: Sequence[_StepReport]) -> str | None:
    """What is not finite, if anything: that of a process whose own losses are not, since all share the gradients."""
    problems = [report for report in reports if report.problem is not None]
    own = (report.problem for report in problems if not report.losses or not all(map(_finite, report.losses.values())))
    return next(own, problems[0].problem if problems else None)


def _diverged(epoch: int, step: int, problem: str) -> str:
    return f"training diverged in epoch {epoch + 1}, step {step + 1}: {problem}"


def _finite(value: float) -> bool:
    return abs(value) < float("inf")  # false for NaN


def _images(micro_batches: Sequence[MicroBatch]) -> str:
    files = [file for micro_batch in micro_batches for file in micro_batch.files]
    shown = ", ".join(f"'{file}'" for file in files[:_FILES_SHOWN])
    more = f" and {len(files) - _FILES_SHOWN} more" if len(files) > _FILES_SHOWN else ""
    return f"the batch has {shown}{more}"
