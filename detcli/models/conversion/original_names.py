"""Conversion of weights of original repositories: renaming by rules, sizes from shapes, class names."""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from torch import Tensor

from detcli.errors import DamagedModelError, UnsupportedModelError
from detcli.models.family import ConversionHints
from detcli.structures.dataset_labels import DATASETS, PUBLISHED_LABELS, dataset_of

Replacements = Sequence[tuple[str, str]]
# Prefix of the original name, its replacement, and patterns with replacements in the rest of the name.
NameRule = tuple[str, str, Replacements]

LABELS = "label_to_name"  # among the arguments of a run: class names by class index, which D-FINE-seg saves
_PUBLISHED_DATA = ("coco", "coco_panoptic")  # `dataset_file` of the published DETRs, and of own data in COCO's format
_MERGED = re.compile(r"(.*)\.in_proj_(weight|bias)")


def renamed(tensors: Mapping[str, Tensor], rules: Sequence[NameRule], *, family: str) -> dict[str, Tensor]:
    """Tensors by the names of the Hub; merged projections of queries, keys and values are split.

    Raises DamagedModelError for a name without a rule, and for a merged projection that cannot be split into three.
    """
    tensors_by_name: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        new = _new_name(name, rules)
        if new is None:
            raise DamagedModelError(f"the weights have '{name[:100]}', which is not a name of {family}")
        merged = _MERGED.fullmatch(new)
        if merged is None:
            tensors_by_name[new] = tensor
            continue
        if tensor.ndim < 1 or tensor.shape[0] % 3:
            raise DamagedModelError(
                f"'{name}' has shape {list(tensor.shape)}: it cannot be split into three projections"
            )
        for kind, part in zip("qkv", tensor.chunk(3), strict=True):
            tensors_by_name[f"{merged[1]}.{kind}_proj.{merged[2]}"] = part.contiguous()
    return tensors_by_name


class TensorShapes:
    """Sizes of a network, from names and shapes of tensors. Raises DamagedModelError for missing or unexpected ones."""

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        self._tensors = tensors

    def __call__(self, name: str, dimensions: int) -> tuple[int, ...]:
        """The shape of a tensor with this number of dimensions, none of which is 0."""
        tensor = self._tensors.get(name)
        if tensor is None:
            raise DamagedModelError(f"the weights lack '{name}'")
        if tensor.ndim != dimensions or not tensor.numel():
            raise DamagedModelError(f"'{name}' has shape {list(tensor.shape)}; it must have {dimensions} dimensions")
        return tuple(tensor.shape)

    def count(self, prefix: str) -> int:
        """Number of parts after the prefix, which are numbered from 0 without a gap."""
        pattern = re.compile(re.escape(prefix) + r"(\d{1,4})\.")
        numbers = {int(match[1]) for name in self._tensors if (match := pattern.match(name))}
        if numbers != set(range(len(numbers))):
            missing = min(set(range(len(numbers))) - numbers)
            raise DamagedModelError(f"the weights lack '{prefix}{missing}', but have '{prefix}{max(numbers)}'")
        return len(numbers)

    def has(self, beginning: str) -> bool:
        """Whether any name begins with this."""
        return any(name.startswith(beginning) for name in self._tensors)


def labels_of(
    classes: int, hints: ConversionHints, published_counts: Collection[int]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Class names, and what is assumed about them.

    published_counts  numbers of classes of the repository's own models

    Raises UnsupportedModelError if the names are unknown, or if their number does not fit; DamagedModelError if the number
    of those in the file does not fit.
    """
    if hints.labels is not None:
        if len(hints.labels) != classes:
            raise UnsupportedModelError(
                f"the weights have {classes} classes, but `labels` has {len(hints.labels)} names"
            )
        return hints.labels, ()
    in_file = hints.args.get(LABELS)
    if isinstance(in_file, list):
        if len(in_file) != classes:
            raise DamagedModelError(
                f"the weights have {classes} classes, but the file has {len(in_file)} names; convert it with `labels`"
            )
        return tuple(in_file), ()
    if classes in published_counts:
        dataset = dataset_of(PUBLISHED_LABELS[classes])
        title = "" if dataset is None else DATASETS[dataset].title
        own = hints.args.get("dataset_file")
        if isinstance(own, str) and own not in _PUBLISHED_DATA:
            raise UnsupportedModelError(
                f"the weights have {classes} classes, as many as {title}, but the model was trained with dataset_file={own[:60]}; "
                "convert it with `labels`"
            )
        return PUBLISHED_LABELS[classes], (f"the {classes} classes are those of {title}",)
    raise UnsupportedModelError(
        f"the weights have {classes} classes, and the file does not have their names; convert it with `labels`"
    )


def points_of(scales: Tensor, name: str) -> tuple[int, ...]:
    """Number of sampling points of each level: each point of a level with n points has the scale 1 / n.

    Raises DamagedModelError naming the tensor for other values.
    """
    points: list[int] = []
    values = scales.flatten().tolist()
    while values:
        count = round(1 / values[0]) if 1 / 256 <= values[0] <= 1 else 0
        if count < 1 or len(values) < count or any(abs(value * count - 1) > 1e-3 for value in values[:count]):
            raise DamagedModelError(f"'{name}' has invalid values")
        points.append(count)
        values = values[count:]
    return tuple(points)


def numbers_from(args: Mapping[str, Any], fields: Mapping[str, str]) -> dict[str, Any]:
    """Numeric arguments of a training run, by the configuration fields that they set."""
    known = {new: args.get(name) for name, new in fields.items()}
    return {
        name: float(value)
        for name, value in known.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }


def _new_name(name: str, rules: Sequence[NameRule]) -> str | None:
    for beginning, new, replacements in rules:
        if name.startswith(beginning):
            rest = name.removeprefix(beginning)
            for pattern, replacement in replacements:
                rest = re.sub(pattern, replacement, rest, count=1)
            return new + rest
    return None
