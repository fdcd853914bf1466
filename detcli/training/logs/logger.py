"""The interface of loggers, their registry, and the choice of loggers by name."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol

from detcli.errors import UsageError
from detcli.registry import Registry
from detcli.structures.frame import Pixels

Ending = Literal["finished", "stopped", "failed"]
NO_LOGGER = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """What a logger opens.

    folder           folder of the run
    hyperparameters  the recipe: field -> value, nested as in its file
    steps            finished steps before; 0 in a new run
    saved_id         the id that `open` returned in the part of the run that is resumed; None: a new experiment
    """

    folder: Path
    hyperparameters: Mapping[str, Any]
    steps: int
    saved_id: str | None

    @property
    def name(self) -> str:
        """The name of the experiment: that of the folder."""
        return self.folder.resolve().name


@dataclass(frozen=True, slots=True)
class OpenedExperiment:
    """An open experiment.

    id     continues it in a resumed run; None: it needs none
    where  address or folder, for the user; None: nothing is said
    """

    id: str | None = None
    where: str | None = None


class ExperimentLogger(Protocol):
    """Writes one experiment: `open`, then any number of values and images by rising steps, then `close`.

    title          the name of the service, for messages
    in_background  its methods may wait for a network: they are called in a thread of their own, and may raise anything.
                   Else they are called in the training loop and raise OSError, and `open` OutputError

    After the first error, only `close` is called.
    """

    title: ClassVar[str]
    in_background: ClassVar[bool]

    @staticmethod
    def problem() -> str | None:
        """Why it cannot be used here and what to do, as a sentence; None if it can. Uses no network."""

    def open(self, experiment: Experiment) -> OpenedExperiment:
        """Start an experiment, or continue one; hyperparameters are logged by a new one."""

    def add_values(self, values: Mapping[str, float], step: int) -> None:
        """Log numbers by their tags: "steps/loss", "epoch/lr", "val/loss", "metrics/AP", "class_ap/cat"."""

    def add_images(self, images: Mapping[str, Pixels], step: int) -> None:
        """Log images, uint8 [H, W, 3] RGB, by their tags."""

    def add_summary(self, values: Mapping[str, float], step: int) -> None:
        """Log the result of the run."""

    def close(self, ending: Ending) -> None:
        """End it; what was logged is complete when this returns. Also called if `open` failed."""


LOGGERS: Registry[type[ExperimentLogger]] = Registry(
    "logger",
    {
        "tensorboard": "detcli.training.logs.tensorboard_logger:TensorBoardLogger",
        "wandb": "detcli.training.logs.wandb_logger:WandbLogger",
        "mlflow": "detcli.training.logs.mlflow_logger:MlflowLogger",
        "clearml": "detcli.training.logs.clearml_logger:ClearMLLogger",
    },
    group="detcli.loggers",
)


def logger_names(log_to: Sequence[str] | None) -> tuple[str, ...]:
    """The loggers that are asked for, each once; None: TensorBoard, where it is installed.

    Raises UsageError for an unknown name, for "none" with others, and for a logger that is not installed or not configured.
    """
    if log_to is None:
        return ("tensorboard",) if _problem("tensorboard") is None else ()
    names = tuple(dict.fromkeys(log_to))
    if NO_LOGGER in names:
        if len(names) > 1:
            raise UsageError(f"`log_to` is either {NO_LOGGER} or names of loggers, not both")
        return ()
    for name in names:
        if name not in LOGGERS:
            raise UsageError(f"unknown logger '{name}' in `log_to`; known: {', '.join(LOGGERS)}, {NO_LOGGER}")
        problem = _problem(name)
        if problem is not None:
            raise UsageError(f"`log_to` {name}: {problem}")
    return names


def _problem(name: str) -> str | None:
    """Why a logger cannot be used; None if it can."""
    logger = LOGGERS[name]
    try:
        return logger.problem()
    except MemoryError:
        raise
    except Exception as error:  # the code of another package can raise anything
        reason = next(iter(str(error).splitlines()), "")[:300].rstrip(".")
        return f"{logger.title} is installed, but cannot be used ({type(error).__name__}: {reason})"


def missing_package(package: str) -> str | None:
    """The sentence for a package that is not installed; None if it is."""
    return None if find_spec(package) is not None else f"{package} is not installed: pip install {package}"


def project_name(variable: str) -> str:
    """The project that experiments go to: as an environment variable of the service says, else "detcli"."""
    return os.environ.get(variable) or "detcli"


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested hyperparameters as texts by dotted names."""
    texts: dict[str, str] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            texts |= flat(value, f"{prefix}{name}.")
        else:
            texts[prefix + name] = str(value)
    return texts
