"""The recipe of a run: the published one, then a TOML file's fields, then single changes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from detcli.errors import UsageError
from detcli.training.recipes.recipe import Recipe
from detcli.training.recipes.recipe_file import read_fields

# Fields that change with another one, in proportion, unless they are given themselves.
_DEPENDENT_FIELDS = {"lr": ("backbone_lr",), "epochs": ("stop_augmentation_epoch", "milestone_epochs")}
_WHERE = "the training settings"


def requested_recipe(
    base: Recipe, changes: Mapping[str, Any], *, file: Path | None = None, resume: bool = False
) -> Recipe:
    """The recipe that a request asks for.

    base     the published recipe, or that of the run to resume
    changes  field -> value; they win over the file; "freeze" adds to what the recipe freezes
    file     TOML file with fields of the recipe
    resume   the base is the run's own recipe: what the run was started with changes nothing

    A learning rate among the changes is that of the batch size in use, whatever batch size the base is meant for.

    Raises UsageError naming the file or the setting and the field.
    """
    if resume:
        return _resumed_recipe(base, changes, file)
    recipe = base if file is None else base.merged_with_file(file)
    changed = _with_freeze(recipe, _with_edges(recipe, dict(changes)))
    if "lr" in changed and "backbone_lr" not in changed and recipe.lr:
        changed["backbone_lr"] = recipe.backbone_lr * _number(changed["lr"]) / recipe.lr
    if "lr" in changed and "base_batch" not in changed:
        changed["base_batch"] = changed.get("batch", recipe.batch)
    return recipe.merged(changed, _WHERE)


def _resumed_recipe(own: Recipe, changes: Mapping[str, Any], file: Path | None) -> Recipe:
    """A run's own recipe with the changes; fields that depend on others have changed with them already."""
    recipe, changed = own, _with_freeze(own, _with_edges(own, dict(changes)))
    dependent = {name: getattr(own, name) for names in _DEPENDENT_FIELDS.values() for name in names}
    if file is not None:
        recipe = own.merged(dependent | read_fields(file), f"'{file}'")
    kept = {name: dependent[name] for field, names in _DEPENDENT_FIELDS.items() if field in changed for name in names}
    return recipe.merged(kept | changed, _WHERE)


def _with_edges(recipe: Recipe, changes: dict[str, Any]) -> dict[str, Any]:
    """The changes; an image size for a network that takes images of many sizes is replaced by lengths of edges."""
    if "image_size" not in changes or not recipe.shortest_edges or not changes.get("shortest_edges", True):
        return changes
    size = changes.pop("image_size")
    if not isinstance(size, list | tuple) or len(size) != 2 or any(type(side) is not int or side < 1 for side in size):
        raise UsageError(f"`image_size` is {size!r}; it must be two integers")
    shortest, longest = size
    if shortest > longest:
        raise UsageError(
            f"`image_size` is {shortest} {longest}, but the model keeps the aspect ratio: the shortest edge comes first, "
            f"then the longest: {longest} {shortest}"
        )
    return recipe.resized(shortest, longest) | changes


def _with_freeze(recipe: Recipe, changes: dict[str, Any]) -> dict[str, Any]:
    """The changes, in which `freeze` adds to what the recipe freezes."""
    added = changes.pop("freeze", None)
    if added is None:
        return changes
    if not isinstance(added, list | tuple) or not all(isinstance(entry, str) and entry for entry in added):
        raise UsageError(
            f"`freeze` is {added!r}; it must be a list of parts of the network, or starts of parameter names"
        )
    frozen = changes.get("frozen", recipe.frozen)
    return {**changes, "frozen": [*frozen, *(entry for entry in added if entry not in frozen)]}


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
