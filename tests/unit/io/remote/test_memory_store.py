"""Objects are listed, read and written through fsspec; its store in memory needs no server."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest

from detcli.errors import ImageError
from detcli.io.remote import listing
from detcli.io.remote.listing import list_objects
from detcli.io.remote.read_objects import PART_BYTES, open_object, read_object
from detcli.io.remote.stores import Store
from detcli.io.remote.write_objects import ObjectFile, has_objects, object_exists, write_object

pytestmark = pytest.mark.unit


@pytest.fixture
def bucket() -> str:
    return f"memory://{uuid.uuid4().hex}"


def test_objects_are_listed_in_the_order_of_the_bytes_of_keys(bucket: str) -> None:
    keys = ["a.jpg", "a/1.jpg", "a/b/c.jpg", "a0.jpg", "b/\u00fc.jpg", "b/\U0001f600.jpg", "z"]
    for key in reversed(keys):
        write_object(f"{bucket}/{key}", b"x")
    found = list(list_objects(bucket))
    assert [item.below for item in found] == sorted(keys, key=str.encode)
    assert [item.url for item in found] == [f"{bucket}/{item.below}" for item in found]
    assert {item.size for item in found} == {1}
    assert [item.below for item in list_objects(f"{bucket}/a/", recursive=False)] == ["1.jpg"]
    assert not list(list_objects(f"{bucket}/nothing"))


class GooglePages:
    """Answers the listing of gcsfs: two objects a page."""

    def __init__(self, names: list[str]) -> None:
        self.names, self.asked = names, 0

    def call(self, method: str, path: str, bucket: str, **options: Any) -> dict[str, Any]:
        assert (method, path, bucket, options["json_out"]) == ("GET", "b/{}/o", "bucket", True)
        self.asked += 1
        found = [name for name in self.names if name.startswith(options["prefix"])]
        start = int(options.get("pageToken", 0))
        page: dict[str, Any] = {"items": [{"name": name, "size": "7"} for name in found[start : start + 2]]}
        return page | ({"nextPageToken": str(start + 2)} if start + 2 < len(found) else {})


def test_google_cloud_is_listed_page_by_page(monkeypatch: pytest.MonkeyPatch) -> None:
    pages = GooglePages([f"a/{number}.jpg" for number in range(5)] + ["b/5.jpg"])
    monkeypatch.setattr(listing, "store_of", lambda address: Store("gs", pages))
    found = list_objects("gs://bucket/a")
    assert (next(found).url, pages.asked) == ("gs://bucket/a/0.jpg", 1)
    assert [(item.below, item.size) for item in found] == [(f"{number}.jpg", 7) for number in range(1, 5)]
    assert pages.asked == 3


def test_long_objects_are_read_in_parts_and_at_any_position(bucket: str) -> None:
    data = bytes(range(256)) * (PART_BYTES // 256 * 2 + 3)
    write_object(f"{bucket}/long", data)
    assert read_object(f"{bucket}/long", max_bytes=1 << 30) == data
    with open_object(f"{bucket}/long") as file:
        assert file.read() == data
        for position in (PART_BYTES - 3, 5, len(data) - 2, 2 * PART_BYTES):
            file.seek(position)
            assert file.read(10) == data[position : position + 10]


@pytest.mark.parametrize(
    ("content", "max_bytes", "code"), [(b"", 9, "empty"), (b"1234567890", 9, "too-large"), (None, 9, "not-found")]
)
def test_objects_that_cannot_be_read_have_the_codes_of_files(
    bucket: str, content: bytes | None, max_bytes: int, code: str
) -> None:
    if content is not None:
        write_object(f"{bucket}/x", content)
    with pytest.raises(ImageError) as raised:
        read_object(f"{bucket}/x", max_bytes=max_bytes)
    assert raised.value.code == code


def test_the_head_is_checked_before_a_second_part_is_read(bucket: str) -> None:
    write_object(f"{bucket}/long", b"x" * (PART_BYTES + 1))

    def refuse(head: bytes) -> None:
        raise ImageError("not-an-image", f"{len(head)} bytes")

    with pytest.raises(ImageError, match="64 bytes"):
        read_object(f"{bucket}/long", max_bytes=1 << 30, check_head=refuse)


@pytest.mark.parametrize("end", [ObjectFile.commit, ObjectFile.discard])
def test_an_output_appears_when_it_is_committed(bucket: str, end: Callable[[ObjectFile], None]) -> None:
    file = ObjectFile(f"{bucket}/folder/out.jsonl")
    file.write(b"1\n")
    file.flush()
    file.write(b"2\n")
    assert not object_exists(f"{bucket}/folder/out.jsonl")
    end(file)
    file.discard()
    assert object_exists(f"{bucket}/folder/out.jsonl") == has_objects(f"{bucket}/folder") == (end is ObjectFile.commit)
    if end is ObjectFile.commit:
        assert read_object(f"{bucket}/folder/out.jsonl", max_bytes=99) == b"1\n2\n"
