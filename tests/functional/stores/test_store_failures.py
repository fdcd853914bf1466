"""What goes wrong with object stores is a record with a code, or one sentence; nothing hangs, and nothing secret is shown."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from detcli.io.remote import stores
from detcli.sources.source import Source
from detcli.structures.frame import FailedFrame, Frame
from tests.helpers.cli_runs import Run
from tests.helpers.object_store import ACCESS_KEY, SECRET_KEY, Answer, StoreServer, refusal

pytestmark = pytest.mark.functional


def failure(opened: Callable[..., Source], *arguments: str) -> FailedFrame:
    (item,) = opened(*arguments)
    frame = item()
    assert isinstance(frame, FailedFrame)
    return frame


@pytest.mark.parametrize(
    ("status", "code"),
    [
        ("503 Slow Down", "SlowDown"),
        ("500 Internal Server Error", "InternalError"),
        ("429 Too Many Requests", "Throttling"),
    ],
)
def test_an_overloaded_store_is_asked_again(
    s3: StoreServer, codes: Callable[..., dict[str, str]], image: bytes, status: str, code: str
) -> None:
    s3.put({f"in/{number}.jpg": image for number in range(5)})
    asked: Counter[str] = Counter()

    def throttle(method: str, path: str) -> Answer | None:
        asked[path] += 1
        return refusal(status, code) if asked[path] <= 3 else None

    s3.fault = throttle
    start = f"s3://{s3.bucket}/in/"
    assert codes(start) == {f"{start}{number}.jpg": "ok" for number in range(5)}
    assert set(asked.values()) == {4}


def test_a_store_that_stays_overloaded_fails_each_image(s3: StoreServer, opened: Callable[..., Source]) -> None:
    s3.fault = lambda method, path: refusal("503 Slow Down", "SlowDown")
    failed = failure(opened, f"s3://{s3.bucket}/1.jpg")
    assert (failed.code, "SlowDown" in failed.message) == ("not-found", True)
    assert len(s3.requests) == 6


def test_an_object_that_vanishes_after_the_listing_is_not_found(
    s3: StoreServer, opened: Callable[..., Source], image: bytes
) -> None:
    s3.put({f"in/{number}.jpg": image for number in range(3)})
    items = list(opened(f"s3://{s3.bucket}/in/"))
    s3.delete("in/1.jpg")
    frames = [item() for item in items]
    assert [isinstance(frame, Frame) for frame in frames] == [True, False, True]
    assert isinstance(frames[1], FailedFrame)
    assert (frames[1].code, frames[1].message) == ("not-found", "no object has this name")


def test_a_bucket_that_is_not_there_is_named(
    s3: StoreServer, opened: Callable[..., Source], detect: Callable[..., Run]
) -> None:
    for address in (
        "s3://no-such-bucket/in/",
        "s3://no-such-bucket/1.jpg",
        "s3://no-such-bucket",
        "s3://no-such-bucket/*",
    ):
        failed = failure(opened, address)
        assert (failed.code, failed.message) == ("not-found", "there is no bucket 'no-such-bucket'")
    run = detect("s3://no-such-bucket/in/")
    assert run.code == 4
    assert "'s3://no-such-bucket/in/': there is no bucket 'no-such-bucket'" in run.err


def test_a_bucket_without_permission_is_a_record(s3: StoreServer, opened: Callable[..., Source], image: bytes) -> None:
    s3.put({"in/1.jpg": image})
    s3.fault = lambda method, path: refusal("403 Forbidden", "AccessDenied")
    for address in ("in/", "in/1.jpg"):
        failed = failure(opened, f"s3://{s3.bucket}/{address}")
        assert (failed.code, failed.message) == ("no-permission", "the store denies access (AccessDenied)")
    assert len(s3.requests) == 2  # not repeated


def test_a_listing_that_breaks_keeps_what_it_listed(
    s3: StoreServer, opened: Callable[..., Source], image: bytes
) -> None:
    s3.put({f"in/{number:04d}.jpg": image for number in range(1001)})
    listings: list[str] = []

    def break_second_page(method: str, path: str) -> Answer | None:
        if path.rstrip("/") != f"/{s3.bucket}":
            return None
        listings.append(path)
        return refusal("403 Forbidden", "AccessDenied") if len(listings) > 1 else None

    s3.fault = break_second_page
    items = list(opened(f"s3://{s3.bucket}/in/"))
    assert len(items) == 1001
    assert isinstance(items[999](), Frame)
    broken = items[1000]()
    assert isinstance(broken, FailedFrame)
    assert (broken.origin.file, broken.code) == (f"s3://{s3.bucket}/in/", "no-permission")


def test_a_body_that_stalls_ends_in_time(
    s3: StoreServer, detect: Callable[..., Run], image: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores, "LIMITS", replace(stores.LIMITS, attempts=2, attempt_s=1.0))
    s3.put({"in/0.jpg": image, "in/1.jpg": image, "in/2.jpg": image})
    released = threading.Event()

    def stalled() -> Iterator[bytes]:
        yield image[:100]
        released.wait(30)

    s3.fault = lambda method, path: ("200 OK", stalled(), None) if path.endswith("1.jpg") else None
    try:
        run = detect(f"s3://{s3.bucket}/in/")
    finally:
        released.set()
    assert run.code == 3
    assert "1.jpg': the store did not answer in time; try again later; skipped" in run.err
    assert run.out.count('"error":null') == 2


def test_a_body_that_is_cut_off_is_read_again(
    s3: StoreServer, codes: Callable[..., dict[str, str]], image: bytes
) -> None:
    s3.put({"1.jpg": image})
    s3.fault = lambda method, path: ("206 Partial Content", [image[:50]], len(image)) if len(s3.requests) < 3 else None
    assert codes(f"s3://{s3.bucket}/1.jpg") == {f"s3://{s3.bucket}/1.jpg": "ok"}
    assert len(s3.requests) == 3


def test_empty_and_foreign_objects_have_the_codes_of_files(
    s3: StoreServer, codes: Callable[..., dict[str, str]], image: bytes
) -> None:
    s3.put(
        {
            "in/empty.jpg": b"",
            "in/page.jpg": b"<html>" * 50,
            "in/cut.jpg": image[: len(image) // 2],
            "in/good.jpg": image,
        }
    )
    start = f"s3://{s3.bucket}/in/"
    found = {name.removeprefix(start): code for name, code in codes(start).items()}
    assert found == {"cut.jpg": "truncated", "empty.jpg": "empty", "good.jpg": "ok", "page.jpg": "not-an-image"}


def test_a_signed_query_is_refused_and_not_shown(s3: StoreServer, opened: Callable[..., Source]) -> None:
    failed = failure(opened, f"s3://{s3.bucket}/1.jpg?X-Amz-Credential=AKIA&X-Amz-Signature=c0ffee")
    assert failed.code == "unsupported"
    assert "signed https:// URL" in failed.message
    assert "c0ffee" not in failed.origin.file + failed.message
    assert s3.requests == []


def test_no_credential_is_in_results_messages_or_logs(
    s3: StoreServer, detect: Callable[..., Run], image: bytes
) -> None:
    s3.put({"in/0.jpg": image, "list.txt": f"s3://{s3.bucket}/in/0.jpg".encode()})
    address = f"s3://{ACCESS_KEY}:{SECRET_KEY}@{s3.bucket}"
    for arguments in (
        (f"{address}/in/", f"{address}/none.jpg", "--header"),
        (f"{address}/in/", f"{address}/none.jpg", "-f", "coco", "-v"),
        (f"{address}/in/", "-n"),
        (f"{address}/nothing/",),
        ("--files-from", f"{address}/none.txt"),
        ("--files-from", f"{address}/list.txt", "--header"),
        ("--files-from", f"{address}/list.txt", "-f", "coco", "-v"),
        (f"s3://{ACCESS_KEY}:{SECRET_KEY}", "--debug"),
    ):
        run = detect(*arguments)
        for secret in (ACCESS_KEY, SECRET_KEY, SECRET_KEY.partition("/")[0]):
            assert secret not in run.out + run.err
