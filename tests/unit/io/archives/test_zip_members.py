"""Zips are read by their directory as zipfile reads them; a damaged member costs itself only."""

import io
import random
import struct
import zipfile
from pathlib import Path

import pytest

from detcli.errors import ImageError
from detcli.io.archives import zip_members
from detcli.sources.archives.open_archive import opened_archive
from tests.helpers.archive_files import contents, zip_bytes

METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
MEMBERS = {
    "a.jpg": b"first" * 300,
    "ä/名 b.png": random.Random(0).randbytes(5000),
    "c/": b"",
    "c/empty.jpg": b"",
    "big.jpg": random.Random(1).randbytes(300_000),
}
EXPECTED = [(name, data or "empty") for name, data in MEMBERS.items() if name != "c/"]


@pytest.mark.parametrize("method", METHODS)
def test_members_are_those_of_zipfile(tmp_path: Path, method: int) -> None:
    (tmp_path / "a.zip").write_bytes(zip_bytes(MEMBERS, method=method))
    assert contents(tmp_path / "a.zip") == EXPECTED


def test_a_comment_or_bytes_before_the_archive_do_not_matter(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.jpg", b"data")
        archive.comment = b"PK\5\6 is a comment" * 50
    assert contents(tmp_path / "a.zip") == [("a.jpg", b"data")]
    (tmp_path / "b.zip").write_bytes(b"#!/bin/sh\n" * 70 + zip_bytes(MEMBERS))
    assert contents(tmp_path / "b.zip") == EXPECTED


def test_a_zip_with_64_bit_fields_is_read(tmp_path: Path) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive, archive.open("a.jpg", "w", force_zip64=True) as member:
        member.write(b"wide")
    (tmp_path / "a.zip").write_bytes(file.getvalue())
    assert contents(tmp_path / "a.zip") == [("a.jpg", b"wide")]


def test_a_large_directory_is_read_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 100)  # more members have end records of 64 bits
    monkeypatch.setattr(zip_members, "_WINDOW_BYTES", 1000)
    many = {f"{number}.jpg": b"x" for number in range(500)}
    (tmp_path / "many.zip").write_bytes(zip_bytes(many, method=zipfile.ZIP_STORED))
    assert contents(tmp_path / "many.zip") == list(many.items())


def test_names_without_a_flag_are_utf_8_or_of_the_old_code_page(tmp_path: Path) -> None:
    data = zip_bytes({"xxxx.jpg": b"1", "yy.jpg": b"2"})
    (tmp_path / "a.zip").write_bytes(data.replace(b"xxxx.jpg", "名a.jpg".encode()).replace(b"yy.jpg", b"\x84\x81.jpg"))
    assert contents(tmp_path / "a.zip") == [("名a.jpg", b"1"), ("äü.jpg", b"2")]


def test_a_damaged_member_costs_itself_only(tmp_path: Path) -> None:
    data = bytearray(zip_bytes(MEMBERS, method=zipfile.ZIP_STORED))
    data[data.index(b"first") + 700] ^= 1
    local = data.index(b"PK\3\4", data.index(b"first"))
    data[local : local + 4] = b"XXXX"
    (tmp_path / "a.zip").write_bytes(data)
    found = contents(tmp_path / "a.zip")
    assert found[:2] == [("a.jpg", "decode-failed"), ("ä/名 b.png", "decode-failed")]
    assert found[2:] == EXPECTED[2:]


def test_encrypted_members_and_links_have_reasons(tmp_path: Path) -> None:
    data = bytearray(zip_bytes({"a.jpg": b"secret", "b.jpg": b"free"}))
    data[data.index(b"PK\1\2") + 8] |= 1
    (tmp_path / "a.zip").write_bytes(data)
    assert contents(tmp_path / "a.zip") == [("a.jpg", "unsupported"), ("b.jpg", b"free")]
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        link = zipfile.ZipInfo("link.jpg")
        link.create_system, link.external_attr = 3, 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    assert contents(tmp_path / "b.zip") == [("link.jpg", "unsupported")]


def test_an_unknown_compression_is_named(tmp_path: Path) -> None:
    data = bytearray(zip_bytes({"a.jpg": b"data"}))
    struct.pack_into("<H", data, data.index(b"PK\1\2") + 10, 9)
    (tmp_path / "a.zip").write_bytes(data)
    with opened_archive(str(tmp_path / "a.zip")) as archive:
        (entry,) = archive.entries
    assert not isinstance(entry, ImageError)
    assert str(entry.error) == "its compression (Deflate64) is not supported"


def test_a_zip_that_is_cut_short_is_one_error(tmp_path: Path) -> None:
    data = zip_bytes(MEMBERS)
    for length in (30, 200, len(data) // 2, len(data) - 30):
        (tmp_path / "a.zip").write_bytes(data[:length])
        assert contents(tmp_path / "a.zip") == [("", "truncated")]


def test_a_size_that_lies_is_damage_not_memory(tmp_path: Path) -> None:
    bomb = zip_bytes({"a.jpg": bytes(10 << 20), "b.jpg": b"good"})
    for size, code in ((1000, "decode-failed"), (11 << 20, "decode-failed"), (0xFFFFFFF0, "too-large")):
        data = bytearray(bomb)
        struct.pack_into("<L", data, data.index(b"PK\1\2") + 24, size)
        (tmp_path / "a.zip").write_bytes(data)
        assert contents(tmp_path / "a.zip") == [("a.jpg", code), ("b.jpg", b"good")]


def test_damage_never_ends_in_anything_but_entries(tmp_path: Path) -> None:
    whole = zip_bytes({name: data[:200] for name, data in MEMBERS.items()})
    numbers = random.Random(0)
    for _ in range(150):
        data = bytearray(whole)
        for _ in range(numbers.randint(1, 6)):
            data[numbers.randrange(len(data))] = numbers.randrange(256)
        (tmp_path / "a.zip").write_bytes(data)
        assert len(contents(tmp_path / "a.zip")) < 10
