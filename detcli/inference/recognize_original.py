"""Tensors of an original repository -> the family that they are of, their names on the Hub, and the class labels."""

import re
import warnings
from collections.abc import Mapping
from pathlib import Path, PurePath

from torch import Tensor

from detcli.checkpoints.pth.pth_files import OriginalFile
from detcli.errors import UnsupportedModelError
from detcli.models.family import FAMILIES, ConversionHints, ConvertedWeights, Family
from detcli.structures.class_labels import ClassLabels

_OF_DEIM = re.compile(r"deim|rt-?_?(?:detr)?[-_]?v4", re.IGNORECASE)
_ACTIVATION = "decoder_activation_function"


def recognize(file: OriginalFile, hints: ConversionHints) -> tuple[Family, ConvertedWeights]:
    """Return the family whose repository uses these tensor names, and the converted weights."""
    for family in FAMILIES.values():
        original = family.read_original(file.tensors, hints)
        if original is not None:
            return family, original
    first = next(iter(file.tensors), "")
    if first.startswith(("model.", "detr.model.", "class_labels_classifier.", "bbox_predictor.")):
        raise UnsupportedModelError(
            f"its tensors ('{first[:80]}' and others) have the names of the Hub: transformers reads it together with its "
            "config.json, and its save_pretrained() writes the model.safetensors that detcli takes"
        )
    raise UnsupportedModelError(
        f"its tensors ('{first[:80]}' and {len(file.tensors) - 1} more) have names of none of the repositories that detcli "
        "knows: D-FINE, DEIM, RT-DETR, DETR and Deformable DETR"
    )


def hub_tensors(family: Family, original: ConvertedWeights) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Return all tensors, checked against the network, under the names of the Hub; and warnings."""
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always", RuntimeWarning)
        state: Mapping[str, Tensor] = family.read_weights(original.tensors, original.config)
    return family.write_weights(state, original.config), tuple(str(warning.message) for warning in warned)


def hints_at_deim(path: PurePath) -> bool:
    """Whether the name of a file says that it may be of DEIM or RT-DETRv4; names prove nothing, since files are renamed."""
    return _OF_DEIM.search(path.name) is not None


def taken_variant(path: Path, original: ConvertedWeights) -> tuple[str, ...]:
    """Return a note on the variant if it is assumed. Raises UnsupportedModelError if the name of the file speaks against it."""
    if original.variant is None:
        if hints_at_deim(path) and any(entry.startswith(f"{_ACTIVATION}=") for entry in original.assumed):
            raise UnsupportedModelError(
                f"'{path}' may be of DEIM by its name, which trains RT-DETR's network too, perhaps with SiLU in the decoder; the "
                f"file does not tell: convert it with `fields` {_ACTIVATION}=relu, or {_ACTIVATION}=silu"
            )
        return ()
    if hints_at_deim(path):
        raise UnsupportedModelError(
            f"'{path}' may be of DEIM or RT-DETRv4 by its name: they have the tensors of D-FINE, but compute with SiLU "
            "where D-FINE has ReLU, which the file does not tell; add `variant=deim`, or `variant=dfine` for a D-FINE"
        )
    return (
        "taken as D-FINE, with ReLU: files of DEIM and RT-DETRv4 have the same tensors, but need SiLU; for one of them add "
        "`variant=deim`",
    )


def labels_of_file(names: tuple[str, ...], *, are_named: bool) -> ClassLabels:
    """Return the labels; category ids of classes that are named count from 0, as in all repositories."""
    default = ClassLabels.from_names(names)
    counts_from_one = default.category_ids == tuple(range(1, len(names) + 1))
    return ClassLabels(names, tuple(range(len(names)))) if are_named and counts_from_one else default
