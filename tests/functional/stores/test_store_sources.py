"""Images in object stores: listed page by page in the order of keys, chosen as files are, read over several connections."""

import sys
import threading
from collections.abc import Callable
from itertools import islice

import pytest

from detcli.errors import LibraryError, UsageError
from detcli.io.remote.listing import list_objects
from detcli.sources.source import Source
from detcli.structures.frame import Frame
from tests.helpers.cli_runs import Run
from tests.helpers.object_store import ACCESS_KEY, SECRET_KEY, StoreServer

pytestmark = pytest.mark.functional
Opened = Callable[..., Source]


def files(opened: Opened, *arguments: str, **settings: object) -> list[str]:
    found = [item.origin for item in opened(*arguments, **settings)]
    assert [origin.index for origin in found] == list(range(len(found)))
    return [origin.file for origin in found]


def pages(s3: StoreServer) -> int:
    return sum("list-type=2" in path for _, path in s3.requests)


def test_thousands_of_objects_are_listed_page_by_page(s3: StoreServer, opened: Opened, image: bytes) -> None:
    s3.put({f"a/{number:05d}.jpg": image for number in range(5000)})
    items = iter(opened(f"s3://{s3.bucket}/a/"))
    first = next(items)
    assert pages(s3) == 1
    assert isinstance(first(), Frame)
    rest = [item.origin.file for item in items]
    assert pages(s3) == 5
    assert [first.origin.file, *rest] == [f"s3://{s3.bucket}/a/{number:05d}.jpg" for number in range(5000)]


def test_a_limit_ends_the_listing(s3: StoreServer, opened: Opened, image: bytes) -> None:
    s3.put({f"a/{number:04d}.jpg": image for number in range(1100)})
    assert len(files(opened, f"s3://{s3.bucket}/a", limit=1000)) == 1000
    assert pages(s3) == 2  # one asks whether `a` is a prefix
    assert len(list(islice(list_objects(f"s3://{s3.bucket}"), 10))) == 10


def test_prefixes_are_filtered_as_folders_are(s3: StoreServer, opened: Opened, image: bytes) -> None:
    names = [
        "a.jpg",
        "b.JPG",
        "notes.txt",
        ".hidden.jpg",
        "sub/c.png",
        "sub/.x/d.jpg",
        "old/e.jpg",
        "old/.detcli-output",
    ]
    s3.put({f"in/{name}": image for name in names} | {"in/sub/": b"", "inside.jpg": image})
    start = f"s3://{s3.bucket}/in/"

    def names_of(*arguments: str, **settings: object) -> list[str]:
        return [name.removeprefix(start) for name in files(opened, *arguments, **settings)]

    assert names_of(start) == ["a.jpg", "b.JPG", "sub/c.png"]
    assert names_of(start, recursive=False) == ["a.jpg", "b.JPG"]
    assert names_of(start, exclude=("sub",)) == ["a.jpg", "b.JPG"]
    assert names_of(start, exclude=("*.jpg",)) == ["b.JPG", "sub/c.png"]
    assert names_of(start, extensions=("txt",)) == ["notes.txt"]
    assert names_of(f"{start}*.jpg") == ["a.jpg"]
    assert names_of(f"{start}*/?.png") == ["sub/c.png"]
    assert names_of(f"{start}**/*.png") == ["sub/c.png"]
    assert names_of(f"{start}s*") == ["sub/c.png"]
    assert names_of(f"{start}notes.*") == ["notes.*"]  # which fails: it matches no image
    assert names_of(f"{start}*.txt") == ["notes.txt"]
    assert names_of(f"{start}old/") == ["old/e.jpg"]  # named itself


def test_an_object_with_wildcards_in_its_name_is_read(
    s3: StoreServer, codes: Callable[..., dict[str, str]], image: bytes
) -> None:
    names = ["a[1].jpg", "b?*.jpg", "c d+%20#é.jpg", "e//f.jpg", "plain"]
    s3.put({f"in/{name}": image for name in names})
    start = f"s3://{s3.bucket}/in"
    assert codes(*(f"{start}/{name}" for name in names)) == {f"{start}/{name}": "ok" for name in names}
    assert codes(start) == {f"{start}/{name}": "ok" for name in names[:-1]}


def test_names_of_outputs_are_below_the_common_prefix(
    s3: StoreServer, relatives: Callable[..., list[str]], image: bytes
) -> None:
    s3.put(dict.fromkeys(("p/a/1.jpg", "p/b/2.jpg", "p/b/c/3.jpg"), image))
    start = f"s3://{s3.bucket}"
    assert relatives(f"{start}/p/b/") == ["2.jpg", "c/3.jpg"]
    assert relatives(f"{start}/p/a/", f"{start}/p/b/2.jpg") == ["a/1.jpg", "b/2.jpg"]
    assert relatives(f"{start}/p/a/1.jpg") == ["1.jpg"]
    assert relatives(f"{start}/p/*/2.jpg") == ["b/2.jpg"]
    assert relatives(f"{start}/p/a/", "nothing.jpg") == [f"{s3.bucket}/p/a/1.jpg", "nothing.jpg"]


def test_lists_name_objects_and_are_objects(s3: StoreServer, opened: Opened, image: bytes) -> None:
    start = f"s3://{s3.bucket}"
    s3.put({"in/1.jpg": image, "in/2.jpg": image, "3.jpg": image, "list.txt": f"{start}/3.jpg\n{start}/in/\n".encode()})
    assert files(opened, files_from=f"{start}/list.txt") == [f"{start}/3.jpg", f"{start}/in/1.jpg", f"{start}/in/2.jpg"]
    with pytest.raises(UsageError, match=rf"cannot read the list '{start}/none.txt': no object has this name"):
        files(opened, files_from=f"{start}/none.txt")


def test_credentials_of_an_address_are_used_and_not_shown(
    s3: StoreServer, opened: Opened, image: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    s3.put({"in/1.jpg": image})
    for address in (
        f"s3://{ACCESS_KEY}:{SECRET_KEY}@{s3.bucket}/in/",
        f"s3://{ACCESS_KEY}:{SECRET_KEY}@{s3.bucket}/*/*",
    ):
        (item,) = opened(address)
        frame = item()
        assert isinstance(frame, Frame)
        assert (frame.origin.file, ACCESS_KEY in repr(frame.origin)) == (f"s3://{s3.bucket}/in/1.jpg", False)
    (item,) = opened(f"s3://{s3.bucket}/in/1.jpg")
    failed = item()
    assert not isinstance(failed, Frame)
    assert failed.code == "no-permission"
    assert "set AWS_ACCESS_KEY_ID" in failed.message


@pytest.mark.parametrize(("scheme", "driver"), [("gs", "gcsfs"), ("az", "adlfs"), ("abfs", "adlfs"), ("s3", "s3fs")])
def test_a_missing_driver_is_named_before_anything_is_read(
    opened: Opened, monkeypatch: pytest.MonkeyPatch, scheme: str, driver: str
) -> None:
    monkeypatch.setitem(sys.modules, driver, None)
    with pytest.raises(LibraryError, match=f"{scheme}:// needs {driver}, which is not installed: pip install {driver}"):
        opened(f"{scheme}://bucket/a.jpg")


def test_objects_are_requested_before_their_turn(s3: StoreServer, detect: Callable[..., Run], image: bytes) -> None:
    s3.put({f"in/{number}.jpg": image for number in range(6)})
    together = threading.Barrier(4, timeout=10)

    def wait_for_others(method: str, path: str) -> None:
        if method == "GET" and path.endswith(("0.jpg", "1.jpg", "2.jpg", "3.jpg")):
            together.wait()  # fails unless four requests are there at once

    s3.fault = wait_for_others
    run = detect(f"s3://{s3.bucket}/in/", "--workers", "1", "--batch", "1")
    assert (run.code, run.out.count("\n")) == (0, 6)
