"""Ranges of numbers in braces, as WebDataset and the shell have them: `shard-{000..127}.tar`."""

import re
from collections.abc import Iterator
from itertools import product
from math import prod
from typing import Final

from detcli.errors import UsageError

MAX_NAMES: Final = 1_000_000
_RANGE = re.compile(r"\{(\d{1,18})\.\.(\d{1,18})\}", re.ASCII)


def has_range(text: str) -> bool:
    """Whether a text has a range of numbers in braces."""
    return _RANGE.search(text) is not None


def before_range(text: str) -> str:
    """The text before its first range."""
    return _RANGE.split(text, maxsplit=1)[0]


def check_ranges(text: str) -> None:
    """Raise UsageError for ranges that have too many names, or that run backwards."""
    ranges = _ranges(text)
    for first, last in ranges:
        if int(first) > int(last):
            raise UsageError(f"the range {{{first}..{last}}} in '{text}' is empty: its first number is the larger one")
    count = prod(int(last) - int(first) + 1 for first, last in ranges)
    if count > MAX_NAMES:
        raise UsageError(f"'{text}' stands for {count:,} names, and {MAX_NAMES:,} are the limit")


def expand_ranges(text: str) -> Iterator[str]:
    """Every name, the last range first. Numbers have leading zeros where one of the limits has."""
    parts = _RANGE.split(text)
    texts = parts[::3]
    for numbers in product(*(_numbers(first, last) for first, last in _ranges(text))):
        yield texts[0] + "".join(number + following for number, following in zip(numbers, texts[1:], strict=True))


def _ranges(text: str) -> list[tuple[str, str]]:
    return [(match[1], match[2]) for match in _RANGE.finditer(text)]


def _numbers(first: str, last: str) -> list[str]:
    has_zeros = any(len(number) > 1 and number.startswith("0") for number in (first, last))
    width = max(len(first), len(last)) if has_zeros else 0
    return [str(number).zfill(width) for number in range(int(first), int(last) + 1)]
