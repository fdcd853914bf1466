"""What the first process of a training run and the others send each other before the first step."""

from dataclasses import dataclass

from detcli.engine.requests.training_request import TrainingRequest
from detcli.training.optimization.process_place import ProcessPlace
from detcli.training.recipes.recipe import Recipe


@dataclass(frozen=True, slots=True)
class TrainTogether:
    """To a process: train as this request asks, at this place.

    recipe  of the first process, which knows how many share a batch
    """

    request: TrainingRequest
    recipe: Recipe
    place: ProcessPlace


@dataclass(frozen=True, slots=True)
class ReadyToTrain:
    """From a process: data and network are there."""
