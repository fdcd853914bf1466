"""The job of a training run, and its result."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from torch import Tensor

from detcli.datasets.dataset import Dataset
from detcli.models.family import Family
from detcli.training.data.image_balance import ImageBalance, image_balance
from detcli.training.data.sampler import Sampler
from detcli.training.optimization.process_place import ProcessPlace
from detcli.training.recipes.recipe import Recipe
from detcli.training.teacher_model import TeacherModel

IfExists = Literal["error", "overwrite"]
EarlyEnd = Literal["patience", "max_hours"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingJob:
    """Everything that the training loop needs.

    recipe        every setting of the run
    family        of the network
    config        the family's record, with the classes of the data
    state         state dict to start from; ignored in a resumed run
    preprocessor  preprocessor_config.json; its size is replaced by the recipe's
    data          training data
    val           validation data, evaluated after each epoch; None: nothing is evaluated, so there is no best model
    run           folder of the run
    device        auto, cpu, cuda, cuda:N, mps; each process of torchrun has the CUDA device of its local rank
    place         of this process among those that train together; None: as torchrun says
    resume        continue from the state in `run`
    if_exists     what to do about an existing run, without `resume`
    workers       threads that read and augment images; None: one per processor
    max_hours     the run ends before it takes longer, and can be resumed; None: no limit
    begun         what `time.monotonic` said where the time of `max_hours` starts; None: when training starts
    balance       how often images are drawn, where it is known; None: as the recipe says
    teacher       a trained model that the network learns from, too, and that fits it (`check_teacher`)
    log_to        names of loggers, or "none"; None: TensorBoard where it is installed
    """

    recipe: Recipe
    family: Family
    config: Any
    state: Mapping[str, Tensor]
    preprocessor: Mapping[str, Any]
    data: Dataset
    val: Dataset | None
    run: Path
    device: str = "auto"
    place: ProcessPlace | None = None
    resume: bool = False
    if_exists: IfExists = "error"
    workers: int | None = None
    max_hours: float | None = None
    begun: float | None = None
    log_to: tuple[str, ...] | None = None
    balance: ImageBalance | None = None
    teacher: TeacherModel | None = None

    @property
    def trains_masks(self) -> bool:
        """Whether the network has a mask head; else masks of the data only help to augment boxes."""
        return self.family.has_masks(self.config)

    def sampler(self, recipe: Recipe | None = None, *, rank: int = 0, size: int = 1) -> Sampler:
        """The order of the images: of one of several processes, and of the job's recipe or another one for its data.

        Raises what `Sampler.of` and `image_balance` raise.
        """
        balance = self.balance or image_balance(self.recipe, self.data)
        return Sampler.of(recipe or self.recipe, len(self.data), balance=balance, rank=rank, size=size)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingResult:
    """The result of a run.

    run           its folder; `last` in it is a model, and `best` with validation data
    epochs        number of finished epochs
    steps         number of finished steps, of all epochs
    best          highest AP, from 0 to 1; None: nothing was evaluated
    best_epoch    the epoch with the highest AP, from 0
    metrics       of the last validation
    failed_files  images that could not be read, with the reason, by file
    interrupted   name of the signal that ended the run early, or None
    early_end     "patience" if the AP did not rise any more, "max_hours" if the time was over and epochs are left; or None
    skipped       steps with NaN or infinity that were skipped
    """

    run: Path
    epochs: int
    steps: int
    best: float | None
    best_epoch: int | None
    metrics: Mapping[str, float | None] | None
    failed_files: Mapping[str, str] = field(default_factory=dict, hash=False)
    interrupted: str | None = None
    early_end: EarlyEnd | None = None
    skipped: int = 0
