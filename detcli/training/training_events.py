"""What a run tells those who watch it: plain records, in the order in which things happen."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TrainingStarted:
    """The run is set up; the first step comes next.

    epochs, steps_per_epoch  of the whole run
    epoch, step              where it begins: from 0; later in a resumed run, where epoch may equal epochs
    images, val_images   in the data; None where nothing is evaluated
    batch                    images a step, over all processes
    parameters, learning     numbers in the network, and those among them that learn
    device, precision        "cpu", "cuda:0", …; fp32, bf16 or fp16
    processes                that train together
    """

    epochs: int
    steps_per_epoch: int
    epoch: int
    step: int
    images: int
    val_images: int | None
    batch: int
    parameters: int
    learning: int
    device: str
    precision: str
    processes: int


@dataclass(frozen=True, slots=True)
class TrainingStep:
    """A step is done.

    epoch, step          both from 0; the step counts within the epoch
    losses               by name, as weighted; their sum is what falls
    rate                 highest learning rate of any group
    gradient_norm        before clipping
    images_per_second  lately, over all processes
    memory_bytes         the most the device, or on a CPU the process, has held so far; 0: not known
    """

    epoch: int
    step: int
    losses: Mapping[str, float]
    rate: float
    gradient_norm: float
    images_per_second: float
    memory_bytes: int

    @property
    def loss(self) -> float:
        """The sum of all losses."""
        return sum(self.losses.values())


@dataclass(frozen=True, slots=True)
class ValidationStarted:
    """The average of the weights is about to be evaluated on so many images of this process."""

    epoch: int
    images: int


@dataclass(frozen=True, slots=True)
class Validated:
    """One more image was looked at, while evaluating."""


@dataclass(frozen=True, slots=True)
class Evaluated:
    """The average of the weights was evaluated: COCO's figures by name, whether it is the best so far.

    A figure is None where the images hold nothing true of that size.
    """

    epoch: int
    metrics: Mapping[str, float | None]
    best: bool


@dataclass(frozen=True, slots=True)
class EpochEnded:
    """An epoch is over: the mean of its losses by name, and the figures if it was evaluated."""

    epoch: int
    losses: Mapping[str, float]
    metrics: Mapping[str, float | None] | None


@dataclass(frozen=True, slots=True)
class CheckpointSaved:
    """A kill from here on loses nothing up to this step."""

    epoch: int
    step: int


@dataclass(frozen=True, slots=True)
class TrainingNote:
    """A sentence the user should see."""

    sentence: str


Event = (
    TrainingStarted
    | TrainingStep
    | ValidationStarted
    | Validated
    | Evaluated
    | EpochEnded
    | CheckpointSaved
    | TrainingNote
)
Observer = Callable[[Event], None]
