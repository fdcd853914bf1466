"""Labels of a model from its config.json."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from detcli.errors import UnsupportedModelError
from detcli.structures.class_labels import ClassLabels
from detcli.structures.dataset_labels import DATASETS


def read_labels(config: Mapping[str, Any], names: Sequence[str], dataset: str | None = None) -> ClassLabels:
    """Return the labels of a model: its class names, with category ids and stuff classes if config.json has them.

    `stuff` is a list of class indices.

    dataset  that the catalog has for the model; None: compare the names

    Raises UnsupportedModelError if `category_ids` is not a list of one unique integer from 0 on per class, or `stuff` has
    anything but class indices.
    """
    labels = ClassLabels.from_names(names, dataset if dataset in DATASETS else None)
    ids, stuff = config.get("category_ids"), config.get("stuff")
    if ids is not None:
        are_integers = isinstance(ids, list) and all(type(value) is int and 0 <= value < 1 << 53 for value in ids)
        if not are_integers or len(ids) != len(names) or len(set(ids)) != len(ids):
            raise UnsupportedModelError(
                f"config.json: 'category_ids' must be {len(names)} different integers from 0 on, one for each class"
            )
        labels = ClassLabels(tuple(names), tuple(ids))
    if stuff is None:
        return labels
    if not isinstance(stuff, list) or not all(type(value) is int and 0 <= value < len(names) for value in stuff):
        raise UnsupportedModelError(f"config.json: 'stuff' must be class indices, from 0 to {len(names) - 1}")
    return replace(labels, stuff=frozenset(stuff))
