"""The events of a training run: plain records, in the order in which things happen."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TrainingStarted:
    """The run is set up; the first step comes next.

    epochs, steps_per_epoch  of the complete run
    epoch, step              where it starts: 0; later in a resumed run, where epoch may equal epochs
    images, val_images   number of images; None if nothing is evaluated
    batch                    total batch size
    parameters, trained      numbers in the network, and those of them that are trained
    device, precision        "cpu", "cuda:0", …; fp32, tf32, bf16 or fp16
    processes                number of processes
    """

    epochs: int
    steps_per_epoch: int
    epoch: int
    step: int
    images: int
    val_images: int | None
    batch: int
    parameters: int
    trained: int
    device: str
    precision: str
    processes: int


@dataclass(frozen=True, slots=True)
class TrainingStep:
    """A step is finished.

    epoch, step          both from 0; the step counts within the epoch
    losses               by name, weighted; their sum is minimized
    lr                   highest learning rate of any group
    gradient_norm        before clipping
    images_per_second  over the last steps and all processes
    memory_bytes         peak memory of the device, or on a CPU of the process; 0: unknown
    """

    epoch: int
    step: int
    losses: Mapping[str, float]
    lr: float
    gradient_norm: float
    images_per_second: float
    memory_bytes: int

    @property
    def loss(self) -> float:
        """The sum of all losses."""
        return sum(self.losses.values())


@dataclass(frozen=True, slots=True)
class ValidationStarted:
    """The average of the weights is evaluated next, on so many images of this process."""

    epoch: int
    images: int


@dataclass(frozen=True, slots=True)
class ValidationLossStarted:
    """The losses of the average are computed next, on so many images of this process."""

    epoch: int
    images: int


@dataclass(frozen=True, slots=True)
class Validated:
    """One more image was processed in the validation."""


@dataclass(frozen=True, slots=True)
class Evaluated:
    """The average of the weights was evaluated: COCO metrics by name, and whether it is the best so far.

    A metric is None without ground truth of that size.
    """

    epoch: int
    metrics: Mapping[str, float | None]
    best: bool


@dataclass(frozen=True, slots=True)
class EpochEnded:
    """An epoch is finished: the mean of its losses by name, and the metrics and validation losses if it was evaluated."""

    epoch: int
    losses: Mapping[str, float]
    metrics: Mapping[str, float | None] | None
    val_losses: Mapping[str, float] | None = None


@dataclass(frozen=True, slots=True)
class CheckpointSaved:
    """The state is saved: a kill loses nothing up to this step."""

    epoch: int
    step: int


@dataclass(frozen=True, slots=True)
class TrainingNote:
    """A sentence for the user."""

    sentence: str


Event = (
    TrainingStarted
    | TrainingStep
    | ValidationStarted
    | ValidationLossStarted
    | Validated
    | Evaluated
    | EpochEnded
    | CheckpointSaved
    | TrainingNote
)
Observer = Callable[[Event], None]
