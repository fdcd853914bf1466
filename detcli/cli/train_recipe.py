"""The recipe of a run: the model's published one, then the TOML file's numbers, then those of the flags."""

import json
import tomllib
from collections.abc import Mapping
from typing import Any

from detcli.cli.train_options import TrainWish
from detcli.errors import UsageError
from detcli.training.recipe import Recipe

# Flag -> field of the recipe, where they are not the same.
_FIELDS = {
    "epochs": "epochs",
    "step_pictures": "batch",
    "accumulate": "accumulate",
    "lr": "lr",
    "imgsz": "image_size_hw",
    "mosaic": "mosaic",
    "seed": "seed",
    "precision": "precision",
    "evaluate_every": "evaluate_every_epochs",
}


def wished_recipe(published: Recipe, wish: TrainWish) -> Recipe:
    """The recipe that a wish comes to. Raises UsageError naming the file or flag and the field."""
    recipe = published.merged_with_file(wish.recipe) if wish.recipe is not None else published
    changes = changes_of(wish)
    if "lr" in changes and "backbone_lr" not in changes and recipe.lr:
        changes["backbone_lr"] = recipe.backbone_lr * _number(changes["lr"]) / recipe.lr
    return recipe.merged(changes, "the command line")


def changes_of(wish: TrainWish) -> dict[str, Any]:
    """Field of the recipe -> value, of every `--set` and every flag that was given; flags win."""
    changes: dict[str, Any] = {}
    for assignment in wish.changes:
        _merge(changes, _parsed(assignment))
    given = {field: getattr(wish, flag) for flag, field in _FIELDS.items()}
    return changes | {field: value for field, value in given.items() if value not in (None, "auto")}


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
