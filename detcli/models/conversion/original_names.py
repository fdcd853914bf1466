"""What the readers of original repositories share: renaming by tables, facts from shapes, names of classes."""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from torch import Tensor

from detcli.errors import DamagedModelError, UnsupportedModelError
from detcli.models.family import ConversionHints
from detcli.structures.dataset_labels import PUBLISHED_LABELS

Replacements = Sequence[tuple[str, str]]
# Beginning of an original name and what it becomes, then patterns and their replacements in the rest of it.
NameRule = tuple[str, str, Replacements]

_MERGED = re.compile(r"(.*)\.in_proj_(weight|bias)")


def renamed(tensors: Mapping[str, Tensor], rules: Sequence[NameRule], *, family: str) -> dict[str, Tensor]:
    """Tensors by the names of the Hub; queries, keys and values of an attention apart.

    Raises DamagedModelError for a name that no room takes, and for merged projections that are not three alike.
    """
    tensors_by_name: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        new = _new_name(name, rules)
        if new is None:
            raise DamagedModelError(f"the weights hold '{name[:100]}', which no {family} has")
        merged = _MERGED.fullmatch(new)
        if merged is None:
            tensors_by_name[new] = tensor
            continue
        if tensor.ndim < 1 or tensor.shape[0] % 3:
            raise DamagedModelError(f"'{name}' has shape {list(tensor.shape)}: it does not fall into three alike")
        for kind, part in zip("qkv", tensor.chunk(3), strict=True):
            tensors_by_name[f"{merged[1]}.{kind}_proj.{merged[2]}"] = part.contiguous()
    return tensors_by_name


class TensorShapes:
    """What shapes and names of tensors tell. Raises DamagedModelError for a tensor that is missing or of other form."""

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        self._tensors = tensors

    def __call__(self, name: str, dimensions: int) -> tuple[int, ...]:
        """The shape of a tensor of so many dimensions, none of them empty."""
        tensor = self._tensors.get(name)
        if tensor is None:
            raise DamagedModelError(f"the weights lack '{name}'")
        if tensor.ndim != dimensions or not tensor.numel():
            raise DamagedModelError(f"'{name}' has shape {list(tensor.shape)}; it must have {dimensions} dimensions")
        return tuple(tensor.shape)

    def count(self, prefix: str) -> int:
        """How many there are below the prefix, numbered from 0 without a gap."""
        pattern = re.compile(re.escape(prefix) + r"(\d{1,4})\.")
        numbers = {int(match[1]) for name in self._tensors if (match := pattern.match(name))}
        if numbers != set(range(len(numbers))):
            missing = min(set(range(len(numbers))) - numbers)
            raise DamagedModelError(
                f"the weights lack '{prefix}{missing}', and have {max(numbers) + 1 - missing} later"
            )
        return len(numbers)

    def has(self, beginning: str) -> bool:
        """Whether any name begins so."""
        return any(name.startswith(beginning) for name in self._tensors)


def labels_of(
    classes: int, hints: ConversionHints, published_counts: Collection[int]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of the classes, and notes on where they come from.

    published_counts  numbers of classes that the repository's own models have

    Raises UnsupportedModelError where nobody has said the names, or said another number of them.
    """
    if hints.labels is not None:
        if len(hints.labels) != classes:
            raise UnsupportedModelError(f"the weights have {classes} classes, and --labels names {len(hints.labels)}")
        return hints.labels, ()
    if classes in published_counts:
        data = {80: "COCO", 91: "COCO", 250: "COCO panoptic", 366: "Objects365"}[classes]
        return PUBLISHED_LABELS[classes], (f"its {classes} classes are taken for those of {data}",)
    raise UnsupportedModelError(
        f"the weights have {classes} classes, whose names the file does not hold: `detcli models convert --labels` "
        "takes them, as a list or a file"
    )


def numbers_from(args: Mapping[str, Any], fields: Mapping[str, str]) -> dict[str, Any]:
    """Arguments of a training run that are numbers, by the fields they set."""
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
