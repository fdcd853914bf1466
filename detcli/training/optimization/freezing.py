"""Parts of a network that are not trained: by a word for the part, or by the start of its parameters' names."""

from collections.abc import Iterable, Sequence

from torch import nn

from detcli.errors import UsageError
from detcli.models.family import Family
from detcli.text import did_you_mean, similar

BACKBONE, ENCODER, ALL_BUT_HEADS = "backbone", "encoder", "all-but-heads"


def frozen_parameters(frozen: Sequence[str], family: Family, names: Iterable[str]) -> frozenset[str]:
    """The names of the parameters that are not trained.

    frozen  "backbone", "encoder" (with its input projections), "all-but-heads", or starts of names
    names   of the parameters of the network
    """
    known = list(names)
    return frozenset(name for entry in frozen for name in _matching(entry, family, known))


def check_freeze(freeze: Sequence[str], family: Family, names: Iterable[str], *, where: str = "`freeze`") -> None:
    """Raise UsageError, naming `where`, for an entry that no parameter fits. Arguments as of `frozen_parameters`."""
    known = list(names)
    for entry in freeze:
        if not _matching(entry, family, known):
            raise UsageError(_unknown(entry, known, where))


def _matching(entry: str, family: Family, names: Sequence[str]) -> list[str]:
    if entry == ALL_BUT_HEADS:
        return [name for name in names if not name.startswith(family.heads)]
    prefixes = {BACKBONE: ("backbone.",), ENCODER: family.encoder}.get(entry, (entry,))
    return [name for name in names if name.startswith(prefixes)]


def keep_statistics(network: nn.Module, frozen: frozenset[str]) -> None:
    """Let the batch norms whose parameters are frozen use and keep the statistics that they have, in place.

    Call it after `train`, which would undo it.
    """
    for name, module in network.named_modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and f"{name}.weight" in frozen:
            module.eval()


def _unknown(entry: str, names: Sequence[str], where: str) -> str:
    starts = {name.rsplit(".", count)[0] for name in names for count in range(1, name.count(".") + 1)}
    words = (BACKBONE, ENCODER, ALL_BUT_HEADS, *sorted(starts))
    hint = did_you_mean(similar(entry, words, most=1))
    parts = ", ".join(sorted({name.partition(".")[0] for name in names}))
    return f"{where} has '{entry}', but no parameter has a name that starts with it; " + (
        hint or f"the network has {parts}"
    )
