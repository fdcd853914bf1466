"""Paths from a list, as it comes in: a file, a pipe, standard input, which may hold an image's bytes instead."""

import io
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol, cast

from detcli.errors import UsageError
from detcli.io.images.formats import image_format
from detcli.io.read import HEAD_BYTES

_PART_BYTES = 1 << 16
_LONGEST_PATH = 1 << 15  # bytes; no system takes more
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_MAY_BE_IMAGE = re.compile(rb"[\0\x89\xff]|BM|P[1-6fF]\s")  # with a line end or a zero in its first bytes
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


class ByteReader(Protocol):
    """A stream that gives what has come in so far: `read1` waits for one byte at least and is empty at the end."""

    def read1(self, size: int, /) -> bytes: ...  # noqa: D102 - said above


@contextmanager
def opened_list(name: str) -> Iterator[ByteReader]:
    """A list's bytes: "-" is standard input, anything else a file or a pipe.

    Raises UsageError where it cannot be opened.
    """
    if name == "-":
        yield standard_input()
        return
    try:
        file = open(name, "rb")  # noqa: PTH123, SIM115 - any name; closed below
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot open the list '{name}': {getattr(error, 'strerror', None) or error}") from error
    with file:
        yield file


def standard_input() -> ByteReader:
    """Raises UsageError where the process has none."""
    if sys.stdin is None:
        raise UsageError("'-' names standard input, and this process has none")
    stream = sys.stdin.buffer
    return stream if isinstance(stream, io.BufferedReader) else io.BufferedReader(cast("io.RawIOBase", stream))


def paths_in(stream: ByteReader, *, null_separated: bool, head: bytes = b"", name: str = "-") -> Iterator[str]:
    """The paths of a list, each as soon as its separator is there; empty lines are skipped.

    head  what was read of the stream before
    name  of the list, for messages

    Lines may end with LF or CRLF; bytes that are not UTF-8 become surrogate escapes. Raises UsageError for what is
    no list of paths.
    """
    separator = b"\0" if null_separated else b"\n"
    rest = head or stream.read1(_PART_BYTES)
    if rest.startswith(_UTF16_MARKS):
        raise UsageError(f"the list '{name}' is in UTF-16: save it as UTF-8")
    rest = rest.removeprefix(_BYTE_ORDER_MARK)
    while True:
        *entries, rest = rest.split(separator)
        for entry in entries:
            if path := _path(entry, name, null_separated=null_separated):
                yield path
        if len(rest) > _LONGEST_PATH:
            raise UsageError(f"'{name}' is no list of paths: an entry is longer than {_LONGEST_PATH:,} bytes")
        part = stream.read1(_PART_BYTES)
        if not part:
            break
        rest += part
    if path := _path(rest, name, null_separated=null_separated):
        yield path


def _path(entry: bytes, name: str, *, null_separated: bool) -> str:
    if null_separated:
        return os.fsdecode(entry)
    if b"\0" in entry:
        raise UsageError(f"the list '{name}' has zero bytes in it: --null reads lists that are separated by them")
    return os.fsdecode(entry.removesuffix(b"\r"))


def head_of(stream: ByteReader, *, null_separated: bool) -> bytes:
    """The first bytes of a stream: as many as tell an image from a list, and no more waiting than that takes."""
    head = b""
    while len(head) < HEAD_BYTES and not (head and _is_list(head, null_separated=null_separated)):
        part = stream.read1(_PART_BYTES)
        if not part:
            break
        head += part
    return head


def is_image(head: bytes, *, null_separated: bool) -> bool:
    """Whether a stream holds a file's bytes rather than a list: by a known format, or by what no list has in it."""
    if image_format(head) is not None:
        return True
    if null_separated or head.startswith(_UTF16_MARKS):
        return False
    return b"\0" in head[:HEAD_BYTES] and min(head[:HEAD_BYTES].replace(b"\0", b" ")) < 0x20


def _is_list(head: bytes, *, null_separated: bool) -> bool:
    """Whether a whole entry is there already, and no image begins like that."""
    return (b"\0" if null_separated else b"\n") in head and _MAY_BE_IMAGE.match(head) is None


def rest_of(stream: ByteReader, head: bytes, max_bytes: int) -> bytes:
    """Everything, but never much more than `max_bytes`: enough to see that it is too long."""
    parts, length = [head], len(head)
    while length <= max_bytes and (part := stream.read1(_PART_BYTES)):
        parts.append(part)
        length += len(part)
    return b"".join(parts)
