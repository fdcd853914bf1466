"""Seeded mutations of documents: damaged bytes, and values of a wrong type, size or depth in their places.

The same kind, seed and number give the same document on every machine, so that a failure can be repeated.
"""

import copy
import json
import os
import random
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from detcli.errors import DetcliError

COUNT_VARIABLE = "DETCLI_TEST_MUTATIONS"  # per kind of document
DEFAULT_COUNT = 1000
_MEMORY = 3 << 30

# Values that replace others: of every type, and the extremes of each.
ODD_VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 0.5, -0.0, 3.0, 1e308, -1e308, 5e-324, float("nan"), float("inf"), 2**31, 2**63, -(2**63) - 1,
    10**40, 10**4000, "", " ", "x", "0", "1e999", "nan", "\0", "\ud800", "\udc80", "\u202e", "é" * 300, "a/../../b", "/", [], {}, [[]], [{}], {"": None},
    [None] * 4, [1e308] * 4, ["1"] * 4, [0, 0, 0, 0], {"a": {"b": [1, "2", None]}},
)  # fmt: skip
_ODD_BYTES = (
    b"", b"\0", b"\xff", b"\xef\xbb\xbf", b"\xff\xfe", b"\xed\xa0\x80", b"\r", b"\n\n", b'"', b"'", b"\\", b"\\ud800", b"{", b"}", b"[", b"]", b":", b",", b"-", b"#",
    b"&a ", b"*a", b"<<: ", b"!!int ''", b"!!bool x", b"!!float x", b"!!timestamp x", b"!!binary x", b"!!python/object:os.system x", b"!!set {a}", b"!!null x", b"!!omap x",
    b"1:" * 40 + b"1", b"190:20:30", b"9" * 5000, b"1e999", b"-1e999", b"NaN", b"Infinity", b"null", b"true", b"0x", b"0x" + b"f" * 5000, b"- &a [*a]\n", b"&b [1]\n<<: *b\n", b"1_0", b"[" * 3000, b"{\"a\":" * 3000, b"- " * 500,
    b"? ", b"| ", b"> ", b"%YAML 9.9\n", b"---\n", b"1979-13-41", b"07:99:99", b"a.b.c = 1\n", b"[a]\n[a]\n", b"\xf0\x9f\x98\x80", b"\xe2\x80\xae",
)  # fmt: skip


class Unchanged(random.Random):
    """Random numbers with which no document is changed, to prove that the intact ones are read."""


def mutation_count() -> int:
    """How many documents each kind is tried with: DETCLI_TEST_MUTATIONS, else 1,000."""
    return int(os.environ.get(COUNT_VARIABLE) or DEFAULT_COUNT)


def generator(kind: str, number: int) -> random.Random:
    """The random numbers of one mutation."""
    return random.Random(zlib.crc32(kind.encode()) * 1_000_003 + number)


def mutated_bytes(rng: random.Random, data: bytes) -> bytes:
    """The bytes with one to four changes: flipped, cut, doubled, removed or inserted."""
    if isinstance(rng, Unchanged):
        return data
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        rng.choice((_flip, _flip, _truncate, _remove, _double, _insert, _insert, _replace_number))(rng, changed)
    return bytes(changed)


def mutated_value(rng: random.Random, value: Any) -> Any:
    """A copy of a tree of dicts and lists with one to three changes: replaced, removed, renamed, repeated, nested values."""
    root = [copy.deepcopy(value)]
    if isinstance(rng, Unchanged):
        return root[0]
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        container, key = rng.choice(list(_places(root)))
        _change(rng, container, key)
    return root[0]


def mutated_json(rng: random.Random, value: Any) -> bytes:
    """A JSON document: its values changed, its bytes changed, or a key repeated."""
    way = rng.random()
    if way < 0.65 or isinstance(rng, Unchanged):
        return json_bytes(mutated_value(rng, value))
    data = json_bytes(value)
    if way < 0.75:
        return _with_repeated_key(rng, data, value)
    return mutated_bytes(rng, data)


def mutated_lines(rng: random.Random, values: Sequence[Any]) -> bytes:
    """JSON Lines with changes in one line, or in the bytes."""
    lines = [json_bytes(value) + b"\n" for value in values]
    if isinstance(rng, Unchanged):
        return b"".join(lines)
    if rng.random() < 0.75:
        place = rng.randrange(len(lines))
        lines[place] = mutated_json(rng, values[place]) + b"\n"
        return b"".join(lines)
    return mutated_bytes(rng, b"".join(lines))


def json_bytes(value: Any) -> bytes:
    """The value as JSON with NaN, huge integers and lone surrogates, as other programs write them."""
    return json.dumps(_writable(value)).replace('"' + _HUGE, "").replace(_HUGE + '"', "").encode()


_HUGE = "@huge@"


def _writable(value: Any) -> Any:
    """Integers with more digits than Python prints become marked text."""
    if isinstance(value, dict):
        return {name: _writable(entry) for name, entry in value.items()}
    if isinstance(value, list):
        return [_writable(entry) for entry in value]
    if isinstance(value, int) and value.bit_length() > 1000:
        return f"{_HUGE}{'9' * 5000}{_HUGE}"
    return value


def failures(kind: str, read: Callable[[random.Random], object], *, count: int) -> list[str]:
    """Call `read` with the random numbers of each mutation; what it raised besides errors with a sentence.

    Overflow in an array counts as a failure too: it would print a warning of numpy.
    """
    found = []
    with _limited_memory(), np.errstate(over="raise", invalid="raise", divide="raise"):
        for number in range(count):
            try:
                read(generator(kind, number))
            except DetcliError as error:
                if not str(error).strip() or type(error).exit_code == 1:
                    found.append(f"{kind} {number}: {type(error).__name__} without a sentence or an exit code")
            except Exception as error:
                found.append(f"{kind} {number}: {type(error).__name__}: {str(error)[:200]}")
    return found


@contextmanager
def _limited_memory() -> Iterator[None]:
    """Allow this process 3 GB more than it has, so that a document that takes more raises MemoryError."""
    if not Path("/proc/self/statm").exists():
        yield
        return
    import resource

    before = resource.getrlimit(resource.RLIMIT_AS)
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + _MEMORY, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def _places(root: list[Any]) -> Iterator[tuple[Any, Any]]:
    """Every place of a tree: its container and its key or index."""
    stack: list[Any] = [root]
    while stack:
        container = stack.pop()
        for key in list(container) if isinstance(container, dict) else range(len(container)):
            yield container, key
            if isinstance(container[key], dict | list):
                stack.append(container[key])


def _change(rng: random.Random, container: Any, key: Any) -> None:
    way = rng.random()
    if way < 0.6:
        container[key] = copy.deepcopy(rng.choice(ODD_VALUES))
    elif way < 0.72:
        del container[key]
        if isinstance(container, list) and not container:
            container.append(None)
    elif way < 0.8 and isinstance(container, dict):
        container[rng.choice(("", "x", "\ud800", str(key) + "s", str(key).upper()))] = container.pop(key)
    elif way < 0.86 and isinstance(container, list):
        container.insert(rng.randrange(len(container) + 1), copy.deepcopy(container[key]))
    elif way < 0.92:
        container[key] = _nested(rng, container[key])
    else:
        container[key] = _nudged(rng, container[key])


def _nested(rng: random.Random, value: Any) -> Any:
    for _ in range(rng.choice((1, 2, 40, 100))):
        value = [value] if rng.random() < 0.5 else {"a": value}
    return value


def _nudged(rng: random.Random, value: Any) -> Any:
    """A value of the same type, else of another one."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int) and value.bit_length() > 1000:
        return -value
    if isinstance(value, int | float):
        return rng.choice((-value, value + 1, value * 1e6, str(value), value + 0.5, value * 10**9))
    if isinstance(value, str):
        return rng.choice((value[:1], value * 3, value + "\0", value.upper(), value[::-1], [value], "\ud800" + value))
    return [value, value]


def _with_repeated_key(rng: random.Random, data: bytes, value: Any) -> bytes:
    if not isinstance(value, dict) or not value:
        return b"[" + data + b"," + data + b"]"
    name = rng.choice(list(value))
    return b"{" + json_bytes(name) + b":" + json_bytes(rng.choice(ODD_VALUES)) + b"," + data[1:]


def _flip(rng: random.Random, data: bytearray) -> None:
    for _ in range(rng.choice((1, 1, 3)) if data else 0):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def _truncate(rng: random.Random, data: bytearray) -> None:
    del data[rng.randrange(len(data) + 1) :]


def _remove(rng: random.Random, data: bytearray) -> None:
    start = rng.randrange(len(data) + 1)
    del data[start : start + rng.choice((1, 2, 8, 64))]


def _double(rng: random.Random, data: bytearray) -> None:
    start = rng.randrange(len(data) + 1)
    data[start:start] = data[start : start + rng.choice((1, 8, 64, 512))]


def _insert(rng: random.Random, data: bytearray) -> None:
    start = rng.randrange(len(data) + 1)
    data[start:start] = rng.choice(_ODD_BYTES)


def _replace_number(rng: random.Random, data: bytearray) -> None:
    """Replace a run of digits: the likeliest place of a value."""
    starts = [place for place, byte in enumerate(data) if 48 <= byte < 58]
    if not starts:
        return
    start = end = rng.choice(starts)
    while end < len(data) and 48 <= data[end] < 58:
        end += 1
    data[start:end] = rng.choice(_ODD_BYTES)
