"""Tars of every format are read as tarfile reads them; damage costs the member it is in, and what is missing is said."""

import io
import random
import tarfile
from pathlib import Path

import pytest

from detcli.errors import ImageError
from detcli.sources.archives.open_archive import opened_archive
from tests.helpers.archive_files import contents, special_tar, streamed, tar_bytes

FORMATS = (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)
END = b"\0" * 1024


def some_members(seed: int) -> dict[str, bytes]:
    numbers = random.Random(seed)
    names = [
        "a.jpg",
        "folder/b.jpg",
        "ä/ünïcode 名.png",
        f"{'long' * 20}/{'name' * 20}.jpg",
        f"deep/{'/'.join(['folder'] * 12)}/c.jpg",
        "with space!.jpg",
    ]
    return {name: numbers.randbytes(numbers.choice([0, 1, 511, 512, 513, 3000])) for name in names}


@pytest.mark.parametrize("form", FORMATS)
def test_members_are_those_of_tarfile(tmp_path: Path, form: int) -> None:
    for seed in range(5):
        members = some_members(seed)
        path = tmp_path / f"{seed}.tar"
        path.write_bytes(tar_bytes(members, form=form))
        expected = [(name, data or "empty") for name, data in members.items()]
        assert contents(path) == expected
        assert streamed(path.read_bytes()) == expected


def test_very_long_and_invalid_names_are_read(tmp_path: Path) -> None:
    members = {f"{'x' * 200}/{'y' * 3000}.jpg": b"1", "\udcff\udc80.jpg": b"2"}
    for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        (tmp_path / "a.tar").write_bytes(tar_bytes(members, form=form))
        assert contents(tmp_path / "a.tar") == list(members.items())


def test_what_pax_says_of_the_size_counts(tmp_path: Path) -> None:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
        info = tarfile.TarInfo("a.jpg")
        info.size, info.pax_headers = 700, {"size": "700", "comment": "=\n7 a=b\n", "path": "renamed.jpg"}
        tar.addfile(info, io.BytesIO(b"x" * 700))
    data = bytearray(file.getvalue())
    at = data.index(b"a.jpg\0", 1024)
    data[at + 124 : at + 136] = b"00000000000\0"  # as in files of more than 8 GB: only pax knows the size
    data[at + 148 : at + 156] = b" " * 8
    data[at + 148 : at + 156] = f"{sum(data[at : at + 512]):06o}\0 ".encode()
    (tmp_path / "a.tar").write_bytes(data)
    assert contents(tmp_path / "a.tar") == [("renamed.jpg", b"x" * 700)]


def test_headers_without_magic_are_read(tmp_path: Path) -> None:
    data = bytearray(tar_bytes({"a.jpg": b"old"}, form=tarfile.USTAR_FORMAT))
    data[257:265] = bytes(8)
    data[148:156] = b" " * 8
    data[148:156] = f"{sum(data[:512]):06o}\0 ".encode()
    (tmp_path / "old.tar").write_bytes(data)
    assert contents(tmp_path / "old.tar") == [("a.jpg", b"old")]


def test_a_tar_that_is_cut_short_gives_its_beginning_and_an_error() -> None:
    members = {f"{number}.jpg": bytes([number]) * 700 for number in range(4)}
    whole = tar_bytes(members, form=tarfile.PAX_FORMAT)
    expected = list(members.items())
    end = whole.rindex(b"\3") // 512 * 512 + 512
    for length in [*range(300, end, 97), *range(512, end + 1, 512)]:
        found = streamed(whole[:length])
        assert found[-1] == ("", "truncated"), length
        good = [item for item in found if isinstance(item[1], bytes)]
        assert good == expected[: len(good)]
        assert len(found) <= len(good) + 2
        assert len(good) == sum(length >= whole.index(bytes([n]) * 700) + 700 for n in range(1, 4)) + (length >= 1212)
    assert streamed(whole[: end + 512]) == expected  # one block of zeros is an end mark


def test_a_file_that_is_cut_short_fails_as_a_stream_does(tmp_path: Path) -> None:
    whole = tar_bytes({"a.jpg": b"a" * 700, "b.jpg": b"b" * 700})
    for length in (512 + 1024, 512 + 1024 + 300, 512 + 1024 + 512 + 20):
        (tmp_path / "cut.tar").write_bytes(whole[:length])
        assert contents(tmp_path / "cut.tar") == streamed(whole[:length])
        assert contents(tmp_path / "cut.tar")[-1] == ("", "truncated")


def test_a_damaged_header_costs_one_member(tmp_path: Path) -> None:
    members = {f"{number}.jpg": bytes([number]) * 1500 for number in range(5)}
    whole = tar_bytes(members, form=tarfile.USTAR_FORMAT)
    for lost in range(5):
        data = bytearray(whole)
        data[lost * (512 + 1536) + 20] ^= 0xFF
        (tmp_path / "a.tar").write_bytes(data)
        expected: list[tuple[str, bytes | str]] = list(members.items())
        expected[lost] = ("", "decode-failed")
        assert contents(tmp_path / "a.tar") == streamed(bytes(data)) == expected


def test_damage_never_ends_in_anything_but_entries() -> None:
    whole = tar_bytes(some_members(1), form=tarfile.PAX_FORMAT)
    numbers = random.Random(0)
    for _ in range(300):
        data = bytearray(whole)
        for _ in range(numbers.randint(1, 8)):
            data[numbers.randrange(len(data))] = numbers.randrange(256)
        assert len(streamed(bytes(data[: numbers.randint(0, len(data))]))) < 100


def test_joined_tars_are_read_to_the_end() -> None:
    first, second = tar_bytes({"a.jpg": b"1"}), tar_bytes({"b.jpg": b"2"})
    assert streamed(first + second) == [("a.jpg", b"1"), ("b.jpg", b"2")]
    assert streamed(first + b"something else" * 100) == [("a.jpg", b"1")]
    assert streamed(tar_bytes({})) == []


def test_links_devices_and_sparse_files_have_reasons(tmp_path: Path) -> None:
    data = special_tar(
        ("folder", tarfile.DIRTYPE, None),
        ("hard.jpg", tarfile.LNKTYPE, "a.jpg"),
        ("symbolic.jpg", tarfile.SYMTYPE, "/etc/passwd"),
        ("fifo.jpg", tarfile.FIFOTYPE, None),
        ("device.jpg", tarfile.CHRTYPE, None),
        ("sparse.jpg", tarfile.GNUTYPE_SPARSE, None),
    )
    (tmp_path / "a.tar").write_bytes(data)
    assert contents(tmp_path / "a.tar") == [
        ("hard.jpg", "unsupported"),
        ("symbolic.jpg", "unsupported"),
        ("fifo.jpg", "not-a-file"),
        ("device.jpg", "not-a-file"),
        ("sparse.jpg", "unsupported"),
    ]
    with opened_archive(str(tmp_path / "a.tar")) as archive:
        first = next(iter(archive.entries))
    assert not isinstance(first, ImageError)
    assert str(first.error) == "a hard link to 'a.jpg': links in archives are not followed"


def test_listing_a_huge_tar_reads_headers_only(tmp_path: Path) -> None:
    path, size = tmp_path / "huge.tar", 1 << 40
    with path.open("wb") as file:
        for name in ("a.jpg", "b.jpg"):
            info = tarfile.TarInfo(name)
            info.size = size
            file.write(info.tobuf(tarfile.GNU_FORMAT))
            file.seek(size, io.SEEK_CUR)
        file.write(END)
    with opened_archive(str(path)) as archive:
        names = [entry.name for entry in archive.entries if not isinstance(entry, ImageError)]
    assert names == ["a.jpg", "b.jpg"]


def test_what_headers_promise_is_not_taken_as_memory() -> None:
    info = tarfile.TarInfo("a.jpg")
    info.size = 1 << 40
    assert streamed(info.tobuf(tarfile.GNU_FORMAT) + b"x" * 100) == [("a.jpg", "too-large"), ("", "truncated")]
    header = tarfile.TarInfo("x")
    header.size, header.type = 1 << 40, tarfile.GNUTYPE_LONGNAME
    assert streamed(header.tobuf(tarfile.GNU_FORMAT) + b"x" * 100) == [("", "too-large")]


def test_other_files_are_no_archive(tmp_path: Path) -> None:
    for data in (b"text " * 300, b"\xff\xd8\xff" + b"jpeg" * 300, b"x"):
        (tmp_path / "a.tar").write_bytes(data)
        assert contents(tmp_path / "a.tar") in ([("", "not-an-image")], [("", "truncated")])
