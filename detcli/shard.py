"""A shard: the part of an input that one of several processes works on."""

import re
from dataclasses import dataclass
from operator import index as as_int
from typing import SupportsIndex, Union

from detcli.errors import UsageError

SHARD = "{shard}"  # in an output: the number of the shard
_FORM = re.compile(r"\s*([+-]?\d{1,12})\s*/\s*([+-]?\d{1,12})\s*", re.ASCII)

# A shard as callers give it: "2/8", (2, 8), or a record.
ShardLike = Union[str, tuple[int, int], "Shard"]


@dataclass(frozen=True, slots=True)
class Shard:
    """One of `count` shards: every `count`-th position of the input, from the position `number` on.

    Positions are dealt out one by one, so a source needs no length, and the shards of a sorted input are alike.

    number  from 1 to `count`
    count   of all shards
    """

    number: int
    count: int

    def __post_init__(self) -> None:
        if self.count < 1:
            raise UsageError(f"`shard` must be such as 2/8, the second of eight: there cannot be {self.count} shards")
        if not 1 <= self.number <= self.count:
            counted = f"shards are numbered from 1/{self.count} to {self.count}/{self.count}"
            hint = "; add 1 to a number that counts from 0" if self.number == 0 else ""
            raise UsageError(f"there is no shard {self.number}/{self.count}: {counted}{hint}")

    @classmethod
    def of(cls, value: object) -> "Shard":
        """The shard that "2/8" or (2, 8) names. Raises UsageError, or TypeError for a value of another type."""
        if isinstance(value, Shard):
            return value
        if isinstance(value, tuple | list) and len(value) == 2 and all(isinstance(n, SupportsIndex) for n in value):
            return cls(as_int(value[0]), as_int(value[1]))
        if not isinstance(value, str):
            raise TypeError(f'`shard` must be such as "2/8" or (2, 8), not {type(value).__name__}')
        match = _FORM.fullmatch(value)
        if match is None:
            is_unset = "" in (part.strip() for part in value.partition("/")[::2])
            hint = "; an environment variable may be unset" if is_unset and "/" in value else ""
            raise UsageError(f"`shard` must be such as 2/8, the second of eight, not '{value[:40]}'{hint}")
        return cls(int(match[1]), int(match[2]))

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    @property
    def name(self) -> str:
        """The number with zeros before it, so that the names of all shards sort: 03 of 16."""
        return str(self.number).zfill(len(str(self.count)))

    def has(self, position: int) -> bool:
        """Whether a position of the input, from 0, is in this shard."""
        return position % self.count == self.number - 1

    def size(self, total: int) -> int:
        """How many of so many positions are in this shard."""
        return len(range(self.number - 1, total, self.count))

    def fill(self, text: str) -> str:
        """A text with the number in the place of `{shard}`."""
        return text.replace(SHARD, self.name)
