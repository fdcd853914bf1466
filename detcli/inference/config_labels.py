"""The labels of a model, as its config.json has them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from detcli.errors import UnsupportedModelError
from detcli.structures.class_labels import ClassLabels


def read_labels(config: Mapping[str, Any], names: Sequence[str]) -> ClassLabels:
    """The labels of a model: its names, with the category ids of the data it was trained on where config.json has them.

    `stuff` there names the classes that cannot be counted, by index.

    Raises UnsupportedModelError where `category_ids` is not one integer from 0 a class, none of them twice, or
    `stuff` holds anything but indices of classes.
    """
    labels = ClassLabels.from_names(names)
    ids, stuff = config.get("category_ids"), config.get("stuff")
    if ids is not None:
        whole = isinstance(ids, list) and all(type(one) is int and 0 <= one < 1 << 53 for one in ids)
        if not whole or len(ids) != len(names) or len(set(ids)) != len(ids):
            raise UnsupportedModelError(
                f"config.json: 'category_ids' must be {len(names)} different integers from 0 on, one for each class"
            )
        labels = ClassLabels(tuple(names), tuple(ids))
    if stuff is None:
        return labels
    if not isinstance(stuff, list) or not all(type(one) is int and 0 <= one < len(names) for one in stuff):
        raise UnsupportedModelError(f"config.json: 'stuff' must be class indices, from 0 to {len(names) - 1}")
    return replace(labels, stuff=frozenset(stuff))
