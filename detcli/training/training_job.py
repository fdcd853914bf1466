"""What a run is asked to do, and what came of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from torch import Tensor

from detcli.datasets.dataset import Dataset
from detcli.models.family import Family
from detcli.training.recipes.recipe import Recipe

IfExists = Literal["error", "overwrite"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingJob:
    """All that `train` needs.

    recipe        every number of the run
    family        of the network
    config        the family's record, with the classes of the data
    state         state dict to begin from; not looked at in a resumed run
    preprocessor  preprocessor_config.json; its size gives way to the recipe's
    data          to learn from
    val           to evaluate on after each epoch; None: nothing is evaluated, and there is no best
    run           folder that everything goes to
    device        auto, cpu, cuda, cuda:N, mps; with several processes each has the CUDA device of its local rank
    resume        continue from the state in `run`
    if_exists     what to do about a run that is there already, without `resume`
    workers       threads that read and change images; None: one a processor
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
    resume: bool = False
    if_exists: IfExists = "error"
    workers: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingResult:
    """What came of a run.

    run          its folder: `last` in it, and `best` where images were evaluated, are models
    epochs       that are done
    steps        that are done, of all epochs
    best         highest AP, from 0 to 1; None: nothing was evaluated
    best_epoch   in which it was, from 0
    figures      of the last judgement
    unreadable   images that could not be read, with the reason, by file
    interrupted  name of the signal that ended the run early, or None
    """

    run: Path
    epochs: int
    steps: int
    best: float | None
    best_epoch: int | None
    metrics: Mapping[str, float | None] | None
    unreadable: Mapping[str, str] = field(default_factory=dict, hash=False)
    interrupted: str | None = None
