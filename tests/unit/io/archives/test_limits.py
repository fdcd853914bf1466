"""Archives cannot make a run endless: numbers of members, extended headers, and how far data expands."""

from pathlib import Path

import pytest

from detcli.io.archives import member, tar_members, zip_members
from tests.helpers.archive_files import contents, streamed, tar_bytes, zip_bytes


def test_the_number_of_members_is_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    members = {f"{number}.jpg": b"x" for number in range(5)}
    for module in (tar_members, zip_members):
        monkeypatch.setattr(module, "MAX_MEMBERS", 3)
    (tmp_path / "a.zip").write_bytes(zip_bytes(members))
    expected = [*list(members.items())[:3], ("", "too-large")]
    assert contents(tmp_path / "a.zip") == streamed(tar_bytes(members)) == expected


def test_a_member_that_expands_too_far_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(member, "FREE_BYTES", 1 << 16)
    (tmp_path / "a.zip").write_bytes(
        zip_bytes({"bomb.bmp": bytes(1 << 20), "small.bmp": bytes(1 << 16), "a.jpg": b"x"})
    )
    small = ("small.bmp", bytes(1 << 16))
    assert contents(tmp_path / "a.zip") == [("bomb.bmp", "too-large"), small, ("a.jpg", b"x")]


def test_a_tar_that_is_a_bomb_ends_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("detcli.io.archives.decompressed_stream.FREE_BYTES", 1 << 16)
    data = tar_bytes({"a.jpg": b"x", "bomb.bin": bytes(4 << 20), "b.jpg": b"y"}, mode="w:gz")
    (tmp_path / "a.tgz").write_bytes(data)
    found = contents(tmp_path / "a.tgz")
    assert found[0] == ("a.jpg", b"x")
    assert found[-1] == ("", "too-large")
    assert ("b.jpg", b"y") not in found
