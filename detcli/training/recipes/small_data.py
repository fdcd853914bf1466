"""Fits a published recipe, which is meant for many thousands of images, to a dataset with few of them."""

import math
from collections.abc import Collection
from typing import Any

from detcli.training.recipes.recipe import Recipe

SMALL_EPOCH = 100  # steps; a published recipe with as many is used as it is
_STEPS_PER_EPOCH = 25
_FEWEST_STEPS = 1500
_FEWEST_IMAGES = 4  # in a batch
_EVALUATIONS = 50  # of a run, about
_WARM_UP, _AVERAGE = 0.05, 0.1  # parts of all steps


def fitted_fields(recipe: Recipe, images: int, *, given: Collection[str] = (), processes: int = 1) -> dict[str, Any]:
    """The fields that make a recipe suit a dataset; none where an epoch has `SMALL_EPOCH` steps or more.

    recipe     with the changes that the user asked for
    images     of an epoch
    given      fields that the user set, which stay
    processes  that share each batch

    The batch becomes smaller, so that an epoch has 25 steps, and the rates fall with the square root of its size, as suits
    Adam (Malladi et al. 2022, "On the SDEs and scaling rules for adaptive gradient algorithms"). There are at least
    1,500 steps, and about 50 evaluations. Warm-up and moving average get their lengths in parts of the run; a constant
    rate becomes a cosine, and augmentation lasts to the end, without which a network learns few images by heart.
    """
    if not recipe.fit_to_data or images // recipe.batch >= SMALL_EPOCH:
        return {}
    fields: dict[str, Any] = {"lr_scaling": "square-root", "stop_augmentation_epoch": 0}
    batch = recipe.batch
    if "batch" not in given:
        smaller = 1 << max(0, (images // _STEPS_PER_EPOCH).bit_length() - 1)
        batch = min(batch, max(_FEWEST_IMAGES, smaller))
        batch += -batch % (recipe.accumulate * processes)
        fields["batch"] = batch
    epochs, steps_per_epoch = recipe.epochs, max(1, images // batch)
    if "epochs" not in given:
        epochs = fields["epochs"] = max(epochs, math.ceil(_FEWEST_STEPS / steps_per_epoch))
    if not recipe.patience:  # which compares one evaluation with the next
        fields["evaluate_every_epochs"] = max(recipe.evaluate_every_epochs, epochs // _EVALUATIONS)
    steps = epochs * steps_per_epoch
    fields["warmup_steps"] = min(recipe.warmup_steps, round(_WARM_UP * steps))
    if recipe.schedule == "constant":
        fields["schedule"] = "cosine"
    if recipe.ema_decay:
        decay = min(recipe.ema_decay, 1 - 1 / max(2.0, _AVERAGE * steps))
        fields |= {
            "ema_decay": round(decay, 6),
            "ema_warmup_steps": min(recipe.ema_warmup_steps, round(_AVERAGE * steps)),
        }
    return {name: value for name, value in fields.items() if name not in given and getattr(recipe, name) != value}


def fit_note(recipe: Recipe, fitted: Recipe, images: int) -> str:
    """What was fitted, as a sentence."""
    rate = fitted.lr * fitted.rate_scale
    batch = "" if fitted.batch == recipe.batch else f"batch size {fitted.batch}, "
    epochs = "" if fitted.epochs == recipe.epochs else f"{fitted.epochs:,} epochs, "
    return (
        f"the recipe was fitted to {images:,} images: {batch}{epochs}lr {rate:.3g}, warm-up of {fitted.warmup_steps:,} steps, "
        f"{fitted.schedule} schedule; the recipe field fit_to_data = false keeps the published one"
    )
