"""A trained D-FINE for other classes: what it has learned of the same ones is kept."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from torch import Tensor

from detcli.models.dfine.config import DFineConfig
from detcli.models.dfine.network import DFine
from detcli.models.family import ReplacedClassHead
from detcli.structures.class_labels import plain_name

_CLASS_HEADS = ("picker.class_head.", "decoder.class_heads.")
_DENOISING = "denoising_labels.weight"


def relabel(state: Mapping[str, Tensor], config: DFineConfig, names: Sequence[str]) -> ReplacedClassHead:
    """The state for other classes, in the order of `names`.

    Rows of heads and of the denoising embedding go over where a name is the same in any case; other rows, and the
    embedding's padding row, begin as in a new network. Where two classes of the checkpoint share a name, the first one
    counts.
    """
    old: dict[str, int] = {}
    for index, name in enumerate(config.labels):
        old.setdefault(plain_name(name), index)
    pairs = [(new, old[plain_name(name)]) for new, name in enumerate(names) if plain_name(name) in old]
    kept, rows = [new for new, _ in pairs], [row for _, row in pairs]
    relabelled = replace(config, labels=tuple(names))
    fresh = DFine(relabelled).state_dict()
    made: dict[str, Tensor] = {}
    for name, tensor in fresh.items():
        if name.startswith(_CLASS_HEADS) or name == _DENOISING:
            made[name] = tensor.clone()
            made[name][kept] = state[name][rows].to(tensor.dtype)
        else:
            made[name] = state[name]
    return ReplacedClassHead(relabelled, made, tuple(kept))
