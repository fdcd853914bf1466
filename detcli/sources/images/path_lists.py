"""Reads paths from a list while it arrives: a file, a pipe or standard input, which may hold an image instead."""

import io
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Protocol, cast

from detcli.errors import ImageError, UsageError
from detcli.io.images.formats import SUFFIX_OF, image_format
from detcli.io.images.limits import HEAD_BYTES
from detcli.io.remote.addresses import is_remote, without_credentials
from detcli.io.remote.read_objects import open_object
from detcli.sources.images.lazy_image import FailedImage

_PART_BYTES = 1 << 16
_MAX_PATH_BYTES = 1 << 15  # no system supports longer paths
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_MAY_BE_IMAGE = re.compile(rb"[\0\x89\xff]|BM|P[1-6fF]\s")  # with a line end or a zero byte in its first bytes
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


class ByteReader(Protocol):
    """A stream that returns the bytes that have arrived: `read1` waits for at least one byte and is empty at the end."""

    def read1(self, size: int, /) -> bytes: ...  # noqa: D102 - documented above


@contextmanager
def opened_list(name: str) -> Iterator[ByteReader]:
    """The bytes of a list: "-" is standard input, anything else a file, a pipe or an object of an object store.

    Raises UsageError if it cannot be opened, or an object not read to its end.
    """
    if name == "-":
        yield standard_input()
        return
    if is_remote(name):
        try:
            with open_object(name) as stored:
                yield stored
        except ImageError as error:
            raise UsageError(f"cannot read the list '{without_credentials(name)}': {error}") from error
        return
    try:
        file = open(name, "rb")  # noqa: PTH123, SIM115 - any name; closed below
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot open the list '{name}': {getattr(error, 'strerror', None) or error}") from error
    with file:
        yield file


def standard_input() -> ByteReader:
    """The bytes of standard input. Raises UsageError if the process has none."""
    if sys.stdin is None:
        raise UsageError("'-' names standard input, and this process has none")
    stream = sys.stdin.buffer
    return stream if isinstance(stream, io.BufferedReader) else io.BufferedReader(cast("io.RawIOBase", stream))


def paths_in(stream: ByteReader, *, null_separated: bool, head: bytes = b"", name: str = "-") -> Iterator[str]:
    """The paths of a list, each as soon as its separator is there; empty lines are skipped.

    head  the bytes of the stream that are read already
    name  name of the list, for messages

    Lines may end with LF or CRLF; bytes that are not UTF-8 become surrogate escapes. Raises UsageError for
    an invalid list.
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
        if len(rest) > _MAX_PATH_BYTES:
            raise UsageError(f"'{name}' is not a list of paths: an entry is longer than {_MAX_PATH_BYTES:,} bytes")
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
        raise UsageError(
            f"the list '{name}' contains zero bytes; `null_separated` reads a list that is separated by them"
        )
    return os.fsdecode(entry.removesuffix(b"\r"))


def head_of(stream: ByteReader, *, null_separated: bool) -> bytes:
    """The first bytes of a stream, enough to distinguish an image from a list, without waiting for more."""
    head = b""
    while len(head) < HEAD_BYTES and not (head and _is_list(head, null_separated=null_separated)):
        part = stream.read1(_PART_BYTES)
        if not part:
            break
        head += part
    return head


def is_image(head: bytes, *, null_separated: bool) -> bool:
    """Whether a stream is a file, not a list: it has a known format, or bytes that a list cannot have."""
    if image_format(head) is not None:
        return True
    if null_separated or head.startswith(_UTF16_MARKS):
        return False
    return b"\0" in head[:HEAD_BYTES] and min(head[:HEAD_BYTES].replace(b"\0", b" ")) < 0x20


def _is_list(head: bytes, *, null_separated: bool) -> bool:
    """Whether there is a complete entry, and no image starts with these bytes."""
    return (b"\0" if null_separated else b"\n") in head and _MAY_BE_IMAGE.match(head) is None


def image_of(stream: ByteReader, head: bytes, max_bytes: int) -> tuple[str, Callable[[], bytes]]:
    """The name of a stream that is an image, and what reads it; an image that is too long fails then."""
    data = rest_of(stream, head, max_bytes)
    name = f"stdin{SUFFIX_OF.get(image_format(head) or '', '')}"
    if len(data) > max_bytes:
        return name, FailedImage(ImageError("too-large", f"more bytes than the limit of {max_bytes:,}"))
    return name, partial(bytes, data)  # not a function of its own: other processes get it too


def rest_of(stream: ByteReader, head: bytes, max_bytes: int) -> bytes:
    """The complete stream, or a little more than `max_bytes` of a longer one."""
    parts, length = [head], len(head)
    while length <= max_bytes and (part := stream.read1(_PART_BYTES)):
        parts.append(part)
        length += len(part)
    return b"".join(parts)
