"""A learning rate from a short trial: it rises from step to step, until the loss no longer falls.

Source: the range test of L. N. Smith, "Cyclical Learning Rates for Training Neural Networks" (2017).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import islice

from detcli.errors import DivergedError, UsageError
from detcli.structures.stop_signal import StopSignal
from detcli.training.optimization.process_place import place_in_environment
from detcli.training.training_job import TrainingJob
from detcli.training.trials.trial_steps import TrialSteps

STEPS = 100
LOWEST, HIGHEST = 1e-7, 1e-1
_SMOOTHING = 0.9
_DIVERGED = 2.0  # times the lowest loss: higher rates tell nothing more
_BELOW_LOWEST = 0.1  # of the rate with the lowest loss


@dataclass(frozen=True, slots=True)
class RateSearch:
    """What a range test found.

    rates      learning rate of each step, for the batch size of the recipe
    losses     loss of each step, smoothed over the steps before it
    suggested  a rate for training: a tenth of that with the lowest loss
    """

    rates: tuple[float, ...]
    losses: tuple[float, ...]

    @property
    def lowest(self) -> int:
        """The step with the lowest loss."""
        return min(range(len(self.losses)), key=self.losses.__getitem__)

    @property
    def suggested(self) -> float:
        """A rate for training, with two digits."""
        return float(f"{_BELOW_LOWEST * self.rates[self.lowest]:.1e}")


def search_rate(
    job: TrainingJob,
    *,
    steps: int = STEPS,
    on_step: Callable[[int, float], None] | None = None,
    stop: StopSignal | None = None,
) -> RateSearch:
    """Train for some steps while the rates rise from `LOWEST` to `HIGHEST`, in proportion for all parameters.

    on_step  called before each step with its number, from 1, and its rate
    stop     ends the search after the current step

    Raises UsageError in several processes, if the recipe trains at a rate of 0, DivergedError if the first step gives NaN
    or infinity, and what a step raises.
    """
    if place_in_environment().size > 1:
        raise UsageError("the learning rate is searched in one process: start it without torchrun")
    recipe = job.recipe
    own = recipe.lr * recipe.rate_scale
    if not own:
        raise UsageError("a learning rate cannot be searched for a recipe with lr = 0: all rates change in proportion")
    trial = TrialSteps(job)
    rates: list[float] = []
    losses: list[float] = []
    average = 0.0
    with trial.micro_batches(replace(recipe, epochs=steps)) as micro_batches:
        for number in range(steps):
            rate = LOWEST * (HIGHEST / LOWEST) ** (number / max(1, steps - 1))
            if on_step is not None:
                on_step(number + 1, rate)
            trial.train_step.optimizer.set_factor(rate / own)
            try:
                result = trial.step(islice(micro_batches, recipe.accumulate))
            except DivergedError:
                if number == 0:
                    raise
                break
            average = _SMOOTHING * average + (1 - _SMOOTHING) * sum(result.losses.values())
            losses.append(average / (1 - _SMOOTHING ** (number + 1)))
            rates.append(rate)
            if losses[-1] > _DIVERGED * min(losses) or (stop is not None and stop.is_set()):
                break
    return RateSearch(tuple(rates), tuple(losses))
