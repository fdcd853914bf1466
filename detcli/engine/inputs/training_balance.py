"""What a training plan says about its balance: how often images are drawn, and what classes weigh."""

from collections.abc import Iterator

import numpy as np

from detcli.engine.requests.training_request import TrainingPlan
from detcli.training.data.class_weights import class_weights

_LARGE_WEIGHT = 20.0
_CLASSES_SHOWN = 12


def balance_notes(plan: TrainingPlan) -> Iterator[str]:
    """Yield sentences about the images of an epoch and the weights of classes, where the recipe changes them."""
    names, balance = plan.data.labels.names, plan.balance
    if balance is not None:
        rare = {names[index]: factor for index, factor in enumerate(balance.class_factors.tolist()) if factor > 1}
        repeated = f"; repeat factors: {_shown(rare)}" if rare else ""
        epoch = plan.recipe.images_per_epoch or balance.images
        yield f"an epoch has {epoch:,} images, {balance.empty_fraction:.0%} of them without boxes{repeated}"
    weights = class_weights(plan.recipe, plan.data)
    if weights is not None:
        changed = {name: weight for name, weight in zip(names, weights, strict=True) if weight != 1}
        others = ", others 1" if 0 < len(changed) < len(weights) else ""
        yield f"weights of classes: {_shown(changed) or 'all 1'}{others}"


def balance_doubts(plan: TrainingPlan) -> Iterator[str]:
    """Yield sentences about balance that changes nothing, and about weights that are too large."""
    names, balance, recipe = plan.data.labels.names, plan.balance, plan.recipe
    if balance is not None and recipe.repeat_threshold and balance.class_factors.max(initial=1) == 1:
        yield f"repeat_threshold = {recipe.repeat_threshold:g} changes nothing: no class is in fewer of the images"
    weights = class_weights(recipe, plan.data) if recipe.class_weights == "balanced" else None
    if weights is not None and max(weights) > _LARGE_WEIGHT:
        index = int(np.argmax(weights))
        boxes = plan.data.report.boxes_of.get(names[index], 0)
        yield (
            f"class_weights = \"balanced\" gives the class '{names[index]}' ({boxes:,} of {plan.data.report.boxes:,} boxes) the "
            f"weight {weights[index]:.3g}, with which training may be unstable: use repeat_threshold, or a table of weights"
        )


def _shown(numbers: dict[str, float]) -> str:
    """Classes with their numbers, the largest first."""
    largest = sorted(numbers.items(), key=lambda entry: -entry[1])
    more = f" and {len(largest) - _CLASSES_SHOWN} more" if len(largest) > _CLASSES_SHOWN else ""
    return ", ".join(f"{name} {number:.3g}" for name, number in largest[:_CLASSES_SHOWN]) + more
