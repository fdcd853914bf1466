"""A trained Deformable DETR for other classes: what it has learned of the same ones is kept."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from torch import Tensor

from detcli.models.deformable_detr.config import DeformableDetrConfig
from detcli.models.deformable_detr.network import DeformableDetr
from detcli.models.family import ReplacedClassHead
from detcli.structures.class_labels import plain_name

_CLASS_HEADS = "decoder.class_heads."
_PROPOSALS = "start.class_head."


def relabel(state: Mapping[str, Tensor], config: DeformableDetrConfig, names: Sequence[str]) -> ReplacedClassHead:
    """The state for other classes, in the order of `names`.

    Rows of heads go over where a name is the same in any case; other rows begin as in a new network. Where two classes
    of the checkpoint share a name, the first one counts. Of the head that judges proposals the first row always goes
    over: it says how sure a place is to hold anything, whatever the first class is.
    """
    old: dict[str, int] = {}
    for index, name in enumerate(config.labels):
        old.setdefault(plain_name(name), index)
    pairs = [(new, old[plain_name(name)]) for new, name in enumerate(names) if plain_name(name) in old]
    relabelled = replace(config, labels=tuple(names))
    fresh = DeformableDetr(relabelled).state_dict()
    made: dict[str, Tensor] = {}
    for name, tensor in fresh.items():
        if name.startswith((_CLASS_HEADS, _PROPOSALS)):
            own = [(0, 0)] if name.startswith(_PROPOSALS) else pairs
            made[name] = tensor.clone()
            made[name][[new for new, _ in own]] = state[name][[row for _, row in own]].to(tensor.dtype)
        else:
            made[name] = state[name]
    return ReplacedClassHead(relabelled, made, tuple(new for new, _ in pairs))
