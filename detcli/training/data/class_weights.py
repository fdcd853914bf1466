"""The weights of classes in the classification loss, from the recipe and the classes of the data."""

from collections.abc import Mapping

from detcli.datasets.dataset import Dataset
from detcli.errors import UsageError
from detcli.structures.class_labels import plain_name
from detcli.text import did_you_mean, similar
from detcli.training.recipes.recipe import Recipe

_NAMES_SHOWN = 12


def class_weights(recipe: Recipe, data: Dataset) -> tuple[float, ...] | None:
    """The weight of each class of the data; None: the recipe has none.

    Balanced weights are boxes / (classes x boxes of the class), for the classes with boxes: all classes then weigh the
    same, and the mean over boxes is 1. A class without boxes has the weight 1, as a class that a table does not name.

    Raises UsageError for a class that the data does not have.
    """
    asked, names = recipe.class_weights, data.labels.names
    if isinstance(asked, Mapping):
        return _of_table(asked, names)
    return _balanced([data.report.boxes_of.get(name, 0) for name in names]) if asked == "balanced" else None


def _balanced(boxes: list[int]) -> tuple[float, ...]:
    classes = sum(count > 0 for count in boxes)
    return tuple(sum(boxes) / (classes * count) if count else 1.0 for count in boxes)


def _of_table(table: Mapping[str, float], names: tuple[str, ...]) -> tuple[float, ...]:
    by_name = {plain_name(name): index for index, name in reversed(list(enumerate(names)))}
    weights = [1.0] * len(names)
    given: dict[int, str] = {}
    for name, weight in table.items():
        index = by_name.get(plain_name(name))
        if index is None:
            hint = did_you_mean([names[by_name[one]] for one in similar(plain_name(name), by_name, most=1)])
            raise UsageError(f"class_weights: the data has no class '{name}'; {hint or _some(names)}")
        if index in given:
            raise UsageError(f"class_weights has the class '{names[index]}' twice: '{given[index]}' and '{name}'")
        given[index], weights[index] = name, weight
    return tuple(weights)


def _some(names: tuple[str, ...]) -> str:
    return f"it has {', '.join(names[:_NAMES_SHOWN])}{', …' if len(names) > _NAMES_SHOWN else ''}"
