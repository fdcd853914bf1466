"""Steps with NaN or infinity that a recipe allows to skip: how many, and at which learning rates training goes on."""

from detcli.training.recipes.recipe import Recipe
from detcli.training.state.training_state import TrainingProgress

_LOWERED = 0.1


def may_skip(recipe: Recipe, skipped: int) -> bool:
    """Whether one more step may be skipped, after so many."""
    return skipped < 2 * recipe.max_skipped_steps


def skip_factor(recipe: Recipe, skipped: int) -> float:
    """The factor of the learning rates after so many skipped steps."""
    return _LOWERED if recipe.max_skipped_steps and skipped >= recipe.max_skipped_steps else 1.0


def skip_note(recipe: Recipe, progress: TrainingProgress, problem: str) -> str:
    """A sentence on a step that was skipped; `progress` counts it."""
    skipped, limit = progress.skipped_steps, recipe.max_skipped_steps
    sentence = f"epoch {progress.epoch + 1}, step {progress.step} is skipped: {problem}"
    if skipped == limit:
        return f"{sentence}; it is the {_ordinal(skipped)}, so the learning rates are {_LOWERED:g} times the recipe's from here on"
    return sentence


def _ordinal(number: int) -> str:
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number:,}{ending}"
