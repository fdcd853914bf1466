"""The recipe of a run: the model's published one, then the TOML file's numbers, then those of the flags."""

import json
import tomllib
from collections.abc import Mapping
from typing import Any

from detcli.cli.train.train_options import TrainRequest
from detcli.errors import UsageError
from detcli.training.recipes.recipe import Recipe, read_fields

# Flag -> field of the recipe, where they are not the same.
_FIELDS = {
    "epochs": "epochs",
    "step_images": "batch",
    "accumulate": "accumulate",
    "lr": "lr",
    "imgsz": "image_size",
    "mosaic": "mosaic",
    "masks": "mask_head",
    "seed": "seed",
    "precision": "precision",
    "evaluate_every": "evaluate_every_epochs",
}
# Fields that move along when another one is changed and they are not.
_MOVING_ALONG = {"lr": ("backbone_lr",), "epochs": ("stop_augmentation_epoch", "milestone_epochs")}


def requested_recipe(published: Recipe, wish: TrainRequest) -> Recipe:
    """The recipe that a wish comes to; a run that is continued has its own in place of the published one.

    A learning rate that the user gives is that of the batch at hand, whatever batch the published one is meant for.

    Raises UsageError naming the file or flag and the field.
    """
    if wish.resume:
        return _gone_on_with(published, wish)
    recipe = published.merged_with_file(wish.recipe) if wish.recipe is not None else published
    changes = _sized(recipe, changes_of(wish))
    if "lr" in changes and "backbone_lr" not in changes and recipe.lr:
        changes["backbone_lr"] = recipe.backbone_lr * _number(changes["lr"]) / recipe.lr
    if "lr" in changes and "base_batch" not in changes:
        changes["base_batch"] = changes.get("batch", recipe.batch)
    return recipe.merged(changes, "the command line")


def _gone_on_with(own: Recipe, wish: TrainRequest) -> Recipe:
    """A run's own recipe, but for what the wish says otherwise: the wish that it began with changes nothing.

    What moved along then has moved already.
    """
    recipe, changes = own, _sized(own, changes_of(wish))
    moved = {along: getattr(own, along) for names in _MOVING_ALONG.values() for along in names}
    if wish.recipe is not None:
        recipe = own.merged(moved | read_fields(wish.recipe), f"'{wish.recipe}'")
    again = {along: moved[along] for name, names in _MOVING_ALONG.items() if name in changes for along in names}
    return recipe.merged(again | changes, "the command line")


def changes_of(wish: TrainRequest) -> dict[str, Any]:
    """Field of the recipe -> value, of every `--set` and every flag that was given; flags win."""
    changes: dict[str, Any] = {}
    for assignment in wish.changes:
        _merge(changes, _parsed(assignment))
    given = {field: getattr(wish, flag) for flag, field in _FIELDS.items()}
    return changes | {
        field: value for field, value in given.items() if value is not False and value not in (None, "auto")
    }


def _sized(recipe: Recipe, changes: dict[str, Any]) -> dict[str, Any]:
    """The changes, where `--imgsz` is of a network that takes images of many sizes as fields that say so."""
    if "image_size" not in changes or not recipe.shortest_edges or not changes.get("shortest_edges", True):
        return changes
    size = changes.pop("image_size")
    if not isinstance(size, list | tuple) or len(size) != 2 or any(type(side) is not int or side < 1 for side in size):
        raise UsageError(f"--imgsz is {size!r}; it must be two integers")
    shortest, longest = size
    if shortest > longest:
        raise UsageError(
            f"--imgsz {shortest} {longest}: the model keeps an image's proportions, so the shorter side comes first, then "
            f"the most of the longer one: --imgsz {longest} {shortest}"
        )
    return recipe.resized(shortest, longest) | changes


def _parsed(assignment: str) -> dict[str, Any]:
    """`clip=0.5` as a field and its value: TOML, or a bare word for a text; `network.x=1` reaches into a table."""
    name, sign, text = assignment.partition("=")
    name = name.strip().replace("-", "_")
    if not sign or not name.replace(".", "_").isidentifier():
        raise UsageError(f"--set '{assignment}': a field of the recipe is set as NAME=VALUE, such as clip=0.5")
    try:
        return tomllib.loads(f"{name} = {text}")
    except tomllib.TOMLDecodeError:
        pass
    try:
        return tomllib.loads(f"{name} = {json.dumps(text.strip())}")
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"--set '{assignment}': {error}") from error


def _merge(into: dict[str, Any], values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        if isinstance(value, dict) and isinstance(into.get(name), dict):
            into[name] = into[name] | value
        else:
            into[name] = value


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
