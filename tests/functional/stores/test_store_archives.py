"""Archives in S3: streamed part by part, and a store that refuses in the middle is an error after the images before."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from detcli.io.remote import read_objects
from detcli.sources.archives import parts_ahead
from detcli.sources.archives.read_ahead import ReadAhead
from detcli.sources.source import SourceSettings, make_source
from detcli.structures.frame import Frame
from tests.helpers.archive_files import tar_bytes, zip_bytes
from tests.helpers.object_store import SECRET_KEY, StoreServer, refusal

PART = 20_000


@pytest.fixture
def members(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """Ten images of 3 kB each, and parts of 20 kB."""
    for module in (read_objects, parts_ahead):
        monkeypatch.setattr(module, "PART_BYTES", PART)
    monkeypatch.setattr(parts_ahead.PartsAhead.__init__, "__defaults__", (PART,))
    pixels = np.random.default_rng(0).integers(0, 256, 3000, dtype=np.uint8).tobytes()
    return {f"{number}.ppm": b"P6 40 25 255\n" + pixels for number in range(10)}


def read(source: str) -> list[tuple[str, Any]]:
    answers = [item() for item in make_source([source], SourceSettings(read_ahead=ReadAhead()))]
    return [(answer.origin.file, "ok" if isinstance(answer, Frame) else answer.code) for answer in answers]


@pytest.mark.parametrize("make", [tar_bytes, zip_bytes, lambda members: tar_bytes(members, mode="w:gz")])
def test_archives_are_read_in_parts(s3: StoreServer, members: dict[str, bytes], make: Callable[..., bytes]) -> None:
    s3.put({"d/a.tar": make(members)})
    url = f"s3://{s3.bucket}/d/a.tar"
    s3.requests.clear()
    assert read(url) == [(f"{url}!/{name}", "ok") for name in members]
    gets = [path for method, path in s3.requests if method == "GET"]
    assert len(gets) <= 6


def test_a_store_that_refuses_ends_the_archive(s3: StoreServer, members: dict[str, bytes]) -> None:
    s3.put({"a.tar": tar_bytes(members)})
    url, gets = f"s3://{s3.bucket}/a.tar", 0

    def refuse_the_second(method: str, path: str) -> Any:
        nonlocal gets
        gets += method == "GET"
        return refusal("403 Forbidden", "AccessDenied") if gets > 1 else None

    s3.fault = refuse_the_second
    found = read(url)
    good = [name for name, code in found if code == "ok"]
    assert 2 <= len(good) < 10
    assert found[-1] == (url, "no-permission")
    assert SECRET_KEY not in str(found)


def test_a_missing_archive_or_bucket_is_a_failed_image(s3: StoreServer) -> None:
    for url in (f"s3://{s3.bucket}/none.tar", f"s3://no-such-{s3.bucket}/a.tar", f"s3://{s3.bucket}/none.tar!/a.jpg"):
        assert [code for _, code in read(url)] == ["not-found"]
