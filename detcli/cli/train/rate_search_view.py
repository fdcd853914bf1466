"""`detcli train --find-lr`: shows the search for a learning rate, its plot and the recipe with the rate."""

import signal
from pathlib import Path

import click

from detcli.cli.framework.console import Console
from detcli.cli.framework.signals import stopping
from detcli.cli.framework.text import counted
from detcli.engine.requests.training_request import TrainingPlan
from detcli.engine.training.find_lr import search_and_plot
from detcli.structures.stop_signal import StopSignal


def show_rate_search(console: Console, plan: TrainingPlan, plot: Path) -> int:
    """Search a rate, write the plot, and print the recipe with the rate on standard output; returns the exit code."""
    from detcli.training.trials.rate_search import STEPS

    def show(step: int, rate: float) -> None:
        console.status(f"searching a learning rate: step {step} of {STEPS}, lr {rate:.1e}")

    stop = StopSignal()
    try:
        with stopping(console, stop, action="finishing the current step"):
            search = search_and_plot(plan, plot, on_step=show, stop=stop)
    finally:
        console.clear_status()
    if search is None:
        name = stop.signal or "SIGINT"
        console.say(f"interrupted by {name} before the loss was known for all rates: nothing is saved")
        return 128 + signal.Signals[name]
    recipe = plan.recipe
    console.summary(
        f"lr {search.suggested:g} for batch size {recipe.batch} (the recipe's is {recipe.lr * recipe.rate_scale:.3g}): a "
        f"tenth of the rate with the lowest loss, from {counted(len(search.rates), 'step')} -> {plot}",
        suggested=search.suggested,
        steps=len(search.rates),
        output=str(plot),
    )
    click.echo(plan.with_rate(search.suggested).to_toml(), nl=False)
    return 0
