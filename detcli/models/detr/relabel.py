"""A trained DETR for other classes: what it has learned of the same ones is kept."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from torch import Tensor

from detcli.models.detr.config import DetrConfig
from detcli.models.detr.network import Detr
from detcli.models.family import ReplacedClassHead
from detcli.structures.class_labels import plain_name


def relabel(state: Mapping[str, Tensor], config: DetrConfig, names: Sequence[str]) -> ReplacedClassHead:
    """The state for other classes, in the order of `names`.

    Rows of the class head go over where a name is the same in any case, and the last one, for "nothing here", always;
    other rows begin as in a new network. Where two classes of the checkpoint share a name, the first one counts.
    """
    old: dict[str, int] = {}
    for index, name in enumerate(config.labels):
        old.setdefault(plain_name(name), index)
    pairs = [(new, old[plain_name(name)]) for new, name in enumerate(names) if plain_name(name) in old]
    kept = [new for new, _ in pairs]
    relabelled = replace(config, labels=tuple(names))
    fresh = Detr(relabelled).class_head.state_dict()
    made = dict(state)
    for name, tensor in fresh.items():
        before = state[f"class_head.{name}"]
        rows = tensor.clone()
        rows[[*kept, len(names)]] = before[[*(row for _, row in pairs), len(config.labels)]].to(rows.dtype)
        made[f"class_head.{name}"] = rows
    return ReplacedClassHead(relabelled, made, tuple(kept))
