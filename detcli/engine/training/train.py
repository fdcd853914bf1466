"""Trains a model: from a request to a checked plan, and from the plan to a run folder."""

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from detcli.argument_checks import check_instance
from detcli.engine.requests.training_request import TrainingObserver, TrainingPlan, TrainingRequest
from detcli.errors import UsageError
from detcli.extras import EXTRAS, install_command
from detcli.io.outputs import prepare_output
from detcli.libraries import optional_library, require_torch
from detcli.structures.stop_signal import StopSignal

if TYPE_CHECKING:
    from collections.abc import Callable

    from detcli.training.training_events import Event
    from detcli.training.training_job import TrainingResult

__all__ = ["TrainingObserver", "TrainingPlan", "TrainingRequest", "prepare_training", "run_plan", "train"]


def train(
    request: TrainingRequest, *, observer: TrainingObserver | None = None, stop: StopSignal | None = None
) -> "TrainingResult | None":
    """Train a model as a request asks; None if the run folder exists and `if_exists` is "skip".

    stop  saves the state after the current step and ends the run; may be set by a signal handler

    Raises UsageError, DataError, ModelError, HubError, AccessError, OutputError, DivergedError or DeviceError.
    """
    observer = TrainingObserver() if observer is None else check_instance("observer", observer, TrainingObserver)
    if stop is not None:
        check_instance("stop", stop, StopSignal)
    if request.output is None:
        raise UsageError("missing `output`: the folder of the run")
    plan = prepare_training(request, observer=observer)
    return None if plan is None else run_plan(plan, on_event=observer.on_training_event, stop=stop)


def run_plan(
    plan: TrainingPlan, *, on_event: "Callable[[Event], None] | None" = None, stop: StopSignal | None = None
) -> "TrainingResult":
    """Train as planned, on several devices with a process for each; `stop` and what is raised: as for `train`."""
    if len(plan.devices) == 1:
        return plan.run(on_event=on_event, stop=stop)
    from detcli.engine.training.training_processes import TrainingProcesses

    with TrainingProcesses(plan) as place:
        return plan.run(on_event=on_event, stop=stop, place=place)


def prepare_training(
    request: TrainingRequest, *, observer: TrainingObserver | None = None, is_first: bool = True
) -> TrainingPlan | None:
    """Check everything that `train` needs, from cheap to expensive; None if there is nothing to do.

    is_first  False: in a further process of a run, whose first one warns and logs

    First the run folder, then the recipe, the data, and the model last. Raises what `train` raises.
    """
    observer = TrainingObserver() if observer is None else check_instance("observer", observer, TrainingObserver)
    _check_libraries()
    if request.resume and request.output is None:
        raise UsageError("`resume` needs the `output` of the interrupted run: its folder")
    if request.output is not None and not _is_folder_ready(request, request.output):
        observer.on_skipped_output(request.output)
        return None
    from detcli.engine.inputs.training_inputs import plan_training
    from detcli.training.logs.logger import logger_names

    if is_first:
        logger_names(request.log_to)  # raises an error before anything is read
    plan = plan_training(request, observer, is_first=is_first)
    observer.on_training_plan(plan)
    return plan


def _check_libraries() -> None:
    """Raise UsageError before anything is read, not after the first epoch."""
    require_torch("training needs")
    missing = [name for name in EXTRAS["train"] if find_spec(name) is None]
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        raise UsageError(
            f"training needs {' and '.join(missing)}, which {verb} not installed: {install_command('train')}"
        )
    for module in ("scipy.optimize", "matplotlib.figure"):  # installed, but perhaps broken
        optional_library(module, need="training needs", install=install_command("train"))


def _is_folder_ready(request: TrainingRequest, run: Path) -> bool:
    """Whether to train; False to skip. Raises UsageError or OutputError for a folder that cannot be used."""
    inputs = (*request.data, *request.val, request.images, request.val_images, request.model_name, request.teacher)
    if any(path is not None and _is_within(path, run) for path in inputs):
        raise UsageError(f"'{run}' contains an input of the run; choose another `output`")
    if request.resume:
        if not (run / "state.safetensors").is_file():
            raise UsageError(f"cannot `resume`: there is no run in '{run}' (no state.safetensors)")
        return True
    if run.is_dir():
        from detcli.training.state.run_folder import RunFolder

        if RunFolder(run).is_free():
            return True
        if request.if_exists == "skip":
            return False
    return prepare_output(run, if_exists=request.if_exists, folder=True)


def _is_within(path: str | Path, folder: Path) -> bool:
    try:
        return Path(path).exists() and Path(path).resolve().is_relative_to(folder.resolve())
    except (OSError, ValueError):
        return False
