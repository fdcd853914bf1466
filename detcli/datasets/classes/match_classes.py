"""Matches the categories of a dataset to the classes of a model."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from detcli.datasets.issues import IssueReport
from detcli.structures.class_labels import ClassLabels, plain_name
from detcli.text import did_you_mean, similar

_Indices = npt.NDArray[np.int64]


def match_classes(
    own: ClassLabels, used: npt.NDArray[np.bool_], classes: Sequence[str] | None, issues: IssueReport
) -> tuple[ClassLabels, _Indices]:
    """Match the categories of a dataset to classes by name.

    own      categories of the dataset
    used     bool [len(own)]: categories that have boxes
    classes  class names by class index; None: the categories are the classes
    returns  labels with the category ids of the dataset (a class without a category gets a new id), and the class index
             of each category, int64 [len(own)]; -1 for an unused category without a class

    Exact matches are preferred; otherwise case is ignored. Raises DataError, with a suggestion, if a category with boxes
    matches no class.
    """
    if classes is None:
        unused = [f"'{name}'" for name, has_box in zip(own.names, used, strict=True) if not has_box]
        issues.add(len(unused), "class{es} {have} no box", unused, about="classes")
        return own, np.arange(len(own))
    exact: dict[str, int] = {}
    folded: dict[str, list[int]] = {}
    for index, name in enumerate(classes):
        exact.setdefault(name, index)
        folded.setdefault(plain_name(name), []).append(index)
    matched = np.array([_class_index(name, exact, folded) for name in own.names], np.int64).reshape(-1)
    unknown = [name for name, index, has_box in zip(own.names, matched, used, strict=True) if index < 0 and has_box]
    issues.raise_if_any(
        len(unknown),
        "of its classes {are} not among the classes of the model or of the training data",
        (_with_suggestion(name, classes) for name in unknown),
    )
    taken = matched[used & (matched >= 0)]
    duplicates = [name for name, index in zip(own.names, matched, strict=True) if (taken == index).sum() > 1]
    issues.raise_if_any(
        len(duplicates),
        "of its classes {are} matched to the same class as another",
        (f"'{name}'" for name in duplicates),
    )
    matched[~used & np.isin(matched, taken)] = -1
    return ClassLabels(tuple(classes), _category_ids(own, matched, len(classes))), matched


def _class_index(name: str, exact: dict[str, int], folded: dict[str, list[int]]) -> int:
    if name in exact:
        return exact[name]
    alike = folded.get(plain_name(name), [])
    return alike[0] if len(alike) == 1 else -1


def _with_suggestion(name: str, classes: Sequence[str]) -> str:
    by_folded = {plain_name(known): known for known in classes}
    question = did_you_mean([by_folded[known] for known in similar(plain_name(name), by_folded, most=1)])
    return f"'{name}' ({question})" if question else f"'{name}'"


def _category_ids(own: ClassLabels, matched: _Indices, count: int) -> tuple[int, ...]:
    ids: list[int | None] = [None] * count
    for category_id, index in zip(own.category_ids, matched, strict=True):
        if index >= 0:
            ids[index] = category_id
    free = max(own.category_ids, default=0) + 1
    return tuple(free + index if category_id is None else category_id for index, category_id in enumerate(ids))
