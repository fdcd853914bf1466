"""Conversion of weights between the Hub's names and ours: name tables, and the checks that all families share."""

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from detcli.errors import DamagedModelError

BATCH_COUNTER = ".num_batches_tracked"  # of batch norms; files may have it or not

# Parts of a name, the Hub's and ours.
NameParts = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class NameTable:
    """Names of tensors in the files of the Hub and in our networks.

    prefixes   beginning of the Hub's name, beginning of ours, and the parts that differ in the rest. A part begins after
               a dot, and never right after the prefix, where the index or the name of a layer is
    in_memory  patterns and replacements: names that transformers has in memory -> names on disk
    """

    prefixes: Sequence[tuple[str, str, NameParts]]
    in_memory: Sequence[tuple[str, str]] = ()

    def on_disk(self, name: str) -> str:
        """The name on disk of a name in memory, as a raw `state_dict()` of transformers has it; others are unchanged."""
        for pattern, replacement in self.in_memory:
            name = re.sub(pattern, replacement, name)
        return name

    def ours(self, name: str) -> str | None:
        """Our name for one on disk; None where the table has none."""
        for theirs, ours, parts in self.prefixes:
            if name.startswith(theirs):
                return ours + _with_part_replaced(name.removeprefix(theirs), parts)
        return None

    def theirs(self, name: str) -> str:
        """The name on disk for one of ours. Raises ValueError for a name that no network of the family has."""
        for theirs, ours, parts in self.prefixes:
            if name.startswith(ours):
                reverse = [(our_part, their_part) for their_part, our_part in parts]
                return theirs + _with_part_replaced(name.removeprefix(ours), reverse)
        raise ValueError(f"'{name}' is not a tensor of this family")


def _with_part_replaced(rest: str, parts: Iterable[tuple[str, str]]) -> str:
    """Replace the first part of the list that occurs after the first dot."""
    first, dot, others = rest.partition(".")
    for old, new in parts:
        if (position := f".{others}".find(f".{old}")) >= 0:
            return first + dot + others[:position] + new + others[position + len(old) :]
    return rest


def make_state(
    tensors: Mapping[str, Tensor],
    sources: Mapping[str, str],
    expected: Mapping[str, Tensor],
    *,
    unexpected: Sequence[str],
    hub_name: Callable[[str], str],
    scalars: Collection[str] = (),
) -> dict[str, Tensor]:
    """The network's complete state dict, in float32.

    tensors     of the file, by its names
    sources     our names -> the file's. A tensor that several of ours share is copied: training changes them separately
    expected    of the network; shapes and types count
    unexpected  names in the file that lead nowhere
    hub_name    our name -> the Hub's, for messages
    scalars     our names of tensors that may be integers, and have one value in any shape

    Batch counters that the file lacks are 0. Raises DamagedModelError where tensors are missing, unexpected, of a wrong
    shape or not of floats, naming the first one and how many there are.
    """
    missing = [f"'{hub_name(name)}'" for name in expected if name not in sources and not name.endswith(BATCH_COUNTER)]
    wrong = [
        f"'{source}' of shape {list(tensors[source].shape)} instead of {list(like.shape)}"
        for name, like in expected.items()
        if (source := sources.get(name)) is not None
        and tensors[source].shape != like.shape
        and not (name in scalars and tensors[source].numel() == 1)
    ]
    surplus = [f"'{name}'" for name in unexpected]
    for problem, names in (("lack", missing), ("have no place for", surplus), ("do not fit: they have", wrong)):
        if names:
            more = f" and {len(names) - 1} more tensors" if len(names) > 1 else ""
            raise DamagedModelError(f"the weights and config.json differ: the weights {problem} {names[0]}{more}")
    state: dict[str, Tensor] = {}
    taken: set[str] = set()
    for name, like in expected.items():
        source = sources.get(name)
        if source is None:
            state[name] = torch.zeros((), dtype=torch.int64)
            continue
        tensor = _converted(source, tensors[source], like, integers=name in scalars)
        state[name] = tensor.clone() if source in taken else tensor
        taken.add(source)
    return state


def share_first(sources: dict[str, str], expected: Iterable[str], modules: str) -> None:
    """Let all modules of a list share the tensors of index 0 where the file has only those.

    sources   our names -> the file's
    expected  names of the network
    modules   prefix of the list: "decoder.class_heads."
    """
    if any(name.startswith(modules) and not name.startswith(f"{modules}0.") for name in sources):
        return
    for name in expected:
        rest = name.removeprefix(modules).partition(".")[2]
        if name.startswith(modules) and (shared := sources.get(f"{modules}0.{rest}")) is not None:
            sources[name] = shared


def check_training_form(state: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    """Raise ValueError where a state dict is not that of a complete network in training form."""
    if state.keys() != expected.keys():
        first = min(state.keys() ^ expected.keys())
        raise ValueError(
            f"only the state of a complete network in training form can be written; '{first}' does not match"
        )


def _converted(source: str, tensor: Tensor, like: Tensor, *, integers: bool) -> Tensor:
    """The tensor in the type and shape that the network has."""
    if not like.is_floating_point():
        return tensor
    if not tensor.is_floating_point() and not integers:
        kind = str(tensor.dtype).removeprefix("torch.")
        raise DamagedModelError(f"the weights hold '{source}' as {kind}, not as floats")
    return tensor.to(torch.float32).reshape(like.shape)
