"""Compressed streams are read to their end, in limited memory; what is cut, damaged or a bomb is an error."""

import bz2
import gzip
import io
import lzma
import random
from collections.abc import Callable

import pytest

from detcli.errors import ImageError
from detcli.io.archives import decompressed_stream
from detcli.io.archives.decompressed_stream import DecompressedStream

COMPRESS: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "bzip2": bz2.compress, "xz": lzma.compress}
DATA = random.Random(0).randbytes(300_000) + bytes(500_000) + random.Random(1).randbytes(100)
kinds = pytest.mark.parametrize("compress", COMPRESS.values(), ids=COMPRESS)


def all_of(compressed: bytes, part: int = 100_000) -> bytes:
    stream = DecompressedStream(io.BytesIO(compressed).read)
    parts = []
    while data := stream.read(part):
        assert len(data) <= part
        parts.append(data)
    return b"".join(parts)


@kinds
def test_content_is_complete_whatever_the_parts(compress: Callable[[bytes], bytes]) -> None:
    assert all_of(compress(DATA)) == DATA
    assert all_of(compress(DATA[-3000:]), part=7) == DATA[-3000:]


@kinds
def test_streams_that_follow_each_other_are_one(compress: Callable[[bytes], bytes]) -> None:
    assert all_of(compress(b"first ") + compress(b"second")) == b"first second"
    assert all_of(compress(b"first") + bytes(1000)) == b"first"
    assert all_of(compress(b"first") + b"something else") == b"first"


@kinds
def test_a_stream_that_is_cut_short_is_said(compress: Callable[[bytes], bytes]) -> None:
    data = compress(DATA)
    for length in (len(data) // 2, len(data) - 1):
        with pytest.raises(ImageError, match="ends too early") as caught:
            all_of(data[:length])
        assert caught.value.code == "truncated"


@kinds
def test_damage_is_said(compress: Callable[[bytes], bytes]) -> None:
    data = bytearray(compress(DATA))
    data[len(data) // 2] ^= 0xFF
    with pytest.raises(ImageError) as caught:
        all_of(bytes(data))
    assert caught.value.code in ("decode-failed", "truncated")


def test_a_bomb_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decompressed_stream, "FREE_BYTES", 1 << 18)
    for compress in COMPRESS.values():
        with pytest.raises(ImageError, match="more than 250 times") as caught:
            all_of(compress(bytes(4 << 20)))
        assert caught.value.code == "too-large"


def test_zstandard_is_read_or_the_release_of_python_named() -> None:
    try:
        from compression import zstd
    except ImportError:
        with pytest.raises(ImageError, match=r"need Python 3\.14") as caught:
            DecompressedStream(io.BytesIO(b"\x28\xb5\x2f\xfd").read)
        assert caught.value.code == "unsupported"
    else:
        assert all_of(zstd.compress(DATA)) == DATA
