"""Which images stay together when a dataset is divided: by folder, by a part of their names, by a field, or by any keys."""

import re
from collections.abc import Hashable, Iterable, Sequence

from detcli.errors import UsageError

FOLDER = "folder"
_FIELD = re.compile(r"\w+")

Key = Hashable | None  # None: the image belongs to no other one


def is_field(rule: str) -> bool:
    """Whether a rule names a field of the images in COCO annotations: one word that is not "folder"."""
    return rule != FOLDER and _FIELD.fullmatch(rule) is not None


def check_rule(rule: str) -> str:
    """Check a rule: "folder", the name of a field, or a regular expression. Raises UsageError."""
    if not rule.strip():
        raise UsageError("`group_by` is empty; it must be 'folder', a field such as video_id, or a regular expression")
    if rule != FOLDER and not is_field(rule):
        _compiled(rule)
    return rule


def keys_of_names(rule: str, names: Sequence[str]) -> list[Key]:
    """The key of each image by "folder" or a regular expression, which is searched in its relative name.

    The key is what the groups of the expression match, or the whole match if it has none; None without a match.
    """
    if rule == FOLDER:
        return [name.rpartition("/")[0] for name in names]
    pattern = _compiled(rule)
    found = (pattern.search(name) for name in names)
    return [None if match is None else match.groups() or match.group() for match in found]


def keys_of_field(field: str, entries: Iterable[dict[str, object]]) -> list[Key]:
    """The key of each image by a field of its entry in COCO annotations; None if it has none."""
    values = (entry.get(field) for entry in entries)
    return [value if isinstance(value, str | int | float | None) else repr(value) for value in values]


def keys_of_pairs(count: int, pairs: Iterable[tuple[int, int]]) -> list[Key]:
    """The key of each of `count` images by pairs of images that belong together, directly or through others."""
    above = list(range(count))
    for one, other in pairs:
        _unite(above, one, other)
    return [_root(above, index) for index in range(count)]


def united_groups(rules: Sequence[Sequence[Key]]) -> list[int]:
    """The group of each image, numbered by its first image: two images with the same key of any rule are in one.

    rules  the keys of all images by each rule; at least one
    """
    above = list(range(len(rules[0])))
    for keys in rules:
        first: dict[Key, int] = {}
        for index, key in enumerate(keys):
            if key is not None:
                _unite(above, first.setdefault(key, index), index)
    numbers: dict[int, int] = {}
    return [numbers.setdefault(_root(above, index), len(numbers)) for index in range(len(above))]


def _unite(above: list[int], one: int, other: int) -> None:
    """Put two images into one group, whose root is its first image."""
    first, second = _root(above, one), _root(above, other)
    above[max(first, second)] = min(first, second)


def _root(above: list[int], index: int) -> int:
    while above[index] != index:
        above[index] = above[above[index]]
        index = above[index]
    return index


def _compiled(rule: str) -> re.Pattern[str]:
    try:
        return re.compile(rule)
    except re.error as error:
        raise UsageError(f"`group_by` is no valid regular expression: '{rule}' ({error})") from error
