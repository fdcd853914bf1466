"""Searches a learning rate for a training run, and writes the plot of losses over rates."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from detcli.argument_checks import check_instance
from detcli.engine.requests.training_request import TrainingObserver, TrainingPlan, TrainingRequest
from detcli.engine.training.train import prepare_training
from detcli.errors import UsageError
from detcli.io.atomic_write import write_atomically
from detcli.io.outputs import IfExists, prepare_output
from detcli.structures.stop_signal import StopSignal

if TYPE_CHECKING:
    from detcli.training.trials.rate_search import RateSearch


def find_lr(
    request: TrainingRequest,
    *,
    output: Path | None,
    observer: TrainingObserver | None = None,
    stop: StopSignal | None = None,
) -> "RateSearch | None":
    """Prepare a training run and search a learning rate for it, on a network that is thrown away.

    output  PNG for the plot of losses over rates; None: nothing is written
    stop    ends the search after the current step

    Returns None if the output exists and the request says "skip", or if `stop` was set. Raises what `train` raises.
    """
    if stop is not None:
        check_instance("stop", stop, StopSignal)
    if request.resume:
        raise UsageError("a learning rate is searched for a new run: leave out `resume`")
    if output is not None and not prepare_plot(output, if_exists=request.if_exists, argument="save"):
        return None
    plan = prepare_training(request, observer=observer)
    return None if plan is None else search_and_plot(plan, output, stop=stop)


def prepare_plot(output: Path, *, if_exists: IfExists, argument: str) -> bool:
    """Whether to write the plot; False to skip it.

    argument  that names the file

    Raises UsageError or OutputError for a file that cannot be written.
    """
    if output.suffix.lower() != ".png":
        raise UsageError(f"`{argument}` is '{output}', and its plot is a PNG: name a .png file")
    return prepare_output(output, if_exists=if_exists, folder=False)


def search_and_plot(
    plan: TrainingPlan,
    output: Path | None,
    *,
    on_step: Callable[[int, float], None] | None = None,
    stop: StopSignal | None = None,
) -> "RateSearch | None":
    """Search a rate and write the plot; None, without a plot, if `stop` was set. Raises what `train` raises.

    on_step  called before each step with its number, from 1, and its rate
    """
    search = plan.search_rate(on_step=on_step, stop=stop)
    if stop is not None and stop.is_set():
        return None
    if len(search.rates) < 2:
        raise UsageError("the search for a learning rate ended after one step: there is nothing to choose from")
    if output is not None:
        from detcli.training.trials.rate_plot import plot_rate_search

        write_atomically(output, plot_rate_search(search))
    return search
