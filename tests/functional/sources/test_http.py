"""Images behind addresses: fetched within limits, refused in clauses that hold no credential."""

import base64
import gzip
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from detcli.errors import ImageError
from detcli.io.images.formats import check_head
from detcli.io.remote.addresses import is_url, scheme_of, without_credentials
from detcli.sources import http as urls
from detcli.sources.http import fetch
from detcli.sources.source import Source
from detcli.structures.frame import FailedFrame, Frame

Answer = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    """Answers by path, from a table; keeps the headers it was sent."""

    answers: dict[str, Answer]
    seen: list[tuple[str, dict[str, str]]]

    def do_GET(self) -> None:
        self.seen.append((self.path, {key.lower(): value for key, value in self.headers.items()}))
        self.answers[self.path.partition("?")[0]](self)

    def log_message(self, *_: object) -> None:
        pass

    def give(self, body: bytes, status: int = 200, *, length: int | None = None, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Handler]]:
    """A handler class that answers at `handler.url`; give it `answers`."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    urls._opener.cache_clear()
    monkeypatch.setattr(urls, "_PAUSES_S", (0.0, 0.0))
    handler: Any = type("Bound", (Handler,), {"answers": {}, "seen": []})
    monkeypatch.setattr(ThreadingHTTPServer, "handle_error", lambda *_: None)  # clients that hang up are part of it
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as listening:
        handler.url = f"http://127.0.0.1:{listening.server_address[1]}"
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield handler
        listening.shutdown()
        thread.join()


def refused(url: str, **options: Any) -> tuple[str, str]:
    with pytest.raises(ImageError) as caught:
        fetch(url, **options)
    return caught.value.code, str(caught.value)


def test_an_image_at_a_url_is_a_frame(server: Any, opened: Callable[..., Source], image: bytes, tmp_path: Path) -> None:
    server.answers["/a/b.jpg"] = lambda handler: handler.give(image, Content_Type="text/plain")
    source = opened(f"{server.url}/a/b.jpg?size=large")
    assert source.count() == 1
    (frame,) = [read() for read in source]
    assert isinstance(frame, Frame)
    assert frame.size_hw == (6, 8)
    assert frame.origin.file == f"{server.url}/a/b.jpg?size=large"
    assert frame.origin.relative == "127.0.0.1/a/b.jpg"
    assert server.seen[0][1]["user-agent"].startswith("detcli/")


def test_urls_in_a_list_are_downloaded_too(
    server: Any, opened: Callable[..., Source], image: bytes, tmp_path: Path
) -> None:
    server.answers["/a.jpg"] = lambda handler: handler.give(image)
    (tmp_path / "list").write_text(f"{server.url}/a.jpg\n{server.url}/a.jpg\n")
    answers = [read() for read in opened(files_from=str(tmp_path / "list"))]
    assert [answer.origin.relative for answer in answers] == ["127.0.0.1/a.jpg", "127.0.0.1/a-2.jpg"]
    assert all(isinstance(answer, Frame) for answer in answers)


@pytest.mark.parametrize(
    ("status", "code", "part"),
    [
        (404, "not-found", "the server does not have this file (HTTP 404"),
        (410, "not-found", "the server does not have this file (HTTP 410"),
        (401, "no-permission", "the server denies access (HTTP 401"),
        (403, "no-permission", "the server denies access (HTTP 403"),
        (418, "not-found", "the server does not send it (HTTP 418"),
    ],
)
def test_the_status_of_the_server_is_in_the_message(server: Any, status: int, code: str, part: str) -> None:
    server.answers["/a.jpg"] = lambda handler: handler.give(b"", status)
    found, message = refused(f"{server.url}/a.jpg")
    assert found == code
    assert message.startswith(part)
    assert len(server.seen) == 1


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_temporary_server_error_is_retried(server: Any, status: int) -> None:
    bodies = [(b"", status), (b"", status), (b"good", 200)]
    server.answers["/a.jpg"] = lambda handler: handler.give(*bodies.pop(0))
    assert fetch(f"{server.url}/a.jpg") == b"good"
    server.answers["/b.jpg"] = lambda handler: handler.give(b"", status)
    assert "try again later" in refused(f"{server.url}/b.jpg")[1]
    assert len(server.seen) == 6


def test_a_lost_connection_is_retried(server: Any) -> None:
    answers: list[Answer] = [lambda handler: handler.close_connection.__bool__(), lambda handler: handler.give(b"good")]
    server.answers["/a.jpg"] = lambda handler: answers.pop(0)(handler)
    assert fetch(f"{server.url}/a.jpg") == b"good"


def test_redirects_are_followed_and_lose_the_credentials(server: Any) -> None:
    server.answers["/a.jpg"] = lambda handler: handler.give(b"", 302, Location="/b.jpg")
    server.answers["/b.jpg"] = lambda handler: handler.give(b"good")
    assert fetch(server.url.replace("//", "//us%40er:pass@") + "/a.jpg") == b"good"
    first, second = (headers for _, headers in server.seen)
    assert first["authorization"] == "Basic " + base64.b64encode(b"us@er:pass").decode()
    assert "authorization" not in second


def test_a_redirect_loop_ends(server: Any) -> None:
    server.answers["/a.jpg"] = lambda handler: handler.give(b"", 302, Location="/a.jpg")
    assert refused(f"{server.url}/a.jpg") == (
        "not-found",
        "redirect loop, or a redirect to a URL that is neither http nor https (HTTP 302)",
    )
    assert len(server.seen) < 10


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://user:secret@host/a.jpg", "data:,x", "gopher://x/"])
def test_redirects_to_other_schemes_are_rejected(server: Any, target: str) -> None:
    server.answers["/a.jpg"] = lambda handler: handler.give(b"", 302, Location=target)
    code, message = refused(f"{server.url}/a.jpg")
    assert code in ("not-found", "unsupported")
    assert "http" in message
    assert "secret" not in message


def test_a_long_body_is_rejected_before_it_is_read(server: Any) -> None:
    server.answers["/a.jpg"] = lambda handler: handler.give(b"", length=10**12)
    assert refused(f"{server.url}/a.jpg") == (
        "too-large",
        "1,000,000,000,000 bytes are more than the limit of 67,108,864 for a URL",
    )


def test_a_body_without_a_length_is_limited_too(server: Any) -> None:
    def endless(handler: Handler) -> None:
        handler.send_response(200)
        handler.end_headers()
        try:
            while True:
                handler.wfile.write(b"x" * 65536)
        except OSError:
            pass

    server.answers["/a.jpg"] = endless
    assert refused(f"{server.url}/a.jpg", max_bytes=1 << 20)[0] == "too-large"


def test_a_body_that_ends_early_is_truncated(server: Any) -> None:
    server.answers["/a.jpg"] = lambda handler: handler.give(b"x" * 812, length=5000)
    assert refused(f"{server.url}/a.jpg") == ("truncated", "truncated after 812 of 5,000 bytes by the server")


def test_chunks_that_end_early_are_truncated(server: Any) -> None:
    def chunks(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        handler.wfile.write(b"400\r\n" + b"x" * 100)

    server.answers["/a.jpg"] = chunks
    assert refused(f"{server.url}/a.jpg")[0] == "truncated"


def test_an_empty_body_is_empty(server: Any) -> None:
    server.answers["/a.jpg"] = lambda handler: handler.give(b"")
    assert refused(f"{server.url}/a.jpg") == ("empty", "the server sent an empty file")


def test_a_web_page_is_rejected_before_its_end(server: Any, opened: Callable[..., Source]) -> None:
    page = b"<!DOCTYPE html><html><body>Please sign in" + b" " * 50_000_000
    server.answers["/a.jpg"] = lambda handler: handler.give(page, Content_Type="image/jpeg")
    (answer,) = [read() for read in opened(f"{server.url}/a.jpg")]
    assert isinstance(answer, FailedFrame)
    assert (answer.code, answer.message) == ("not-an-image", "a web page, not an image")


def test_the_first_bytes_are_checked_in_chunks_of_any_size(server: Any) -> None:
    def drip(handler: Handler) -> None:
        handler.send_response(200)
        handler.end_headers()
        for byte in b"text " * 30:
            handler.wfile.write(bytes([byte]))
            handler.wfile.flush()

    server.answers["/a.jpg"] = drip
    assert refused(f"{server.url}/a.jpg", check_head=check_head) == ("not-an-image", "text, not an image")


def test_a_compressed_body_is_rejected(server: Any, image: bytes) -> None:
    server.answers["/a.jpg"] = lambda handler: handler.give(gzip.compress(image), Content_Encoding="gzip")
    assert refused(f"{server.url}/a.jpg")[0] == "unsupported"
    assert server.seen[0][1]["accept-encoding"] == "identity"


def test_an_endless_body_is_rejected(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()

    def slow(handler: Handler) -> None:
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(b"x" * 100)
        release.wait(30)

    monkeypatch.setattr(urls, "_STEP_TIMEOUT_S", 0.2)
    server.answers["/a.jpg"] = slow
    assert refused(f"{server.url}/a.jpg") == ("not-found", "the server did not answer within 0 s")
    release.set()


def dripping(server: Any, monkeypatch: pytest.MonkeyPatch, *parts: bytes) -> Callable[[], None]:
    """Answer with these parts, then with one byte of a header, a chunk or a body now and then, until the result is called."""
    release = threading.Event()

    def drip(handler: Handler) -> None:
        for part in parts:
            handler.wfile.write(part)
        while not release.wait(0.02):
            handler.wfile.write(b"1")

    monkeypatch.setattr(urls, "_STEP_TIMEOUT_S", 5.0)
    server.answers["/a.jpg"] = drip
    return release.set


@pytest.mark.parametrize(
    "parts",
    [(), (b"HTTP/1.1 200 ",), (b"HTTP/1.1 200 OK\r\n", b"X-A: "), (b"HTTP/1.1 404 Not Found\r\nX-B: b\r\n", b"C")],
    ids=["status", "reason", "header", "error"],
)
def test_a_header_that_drips_is_rejected(
    server: Any, monkeypatch: pytest.MonkeyPatch, parts: tuple[bytes, ...]
) -> None:
    monkeypatch.setattr(urls, "_HEADER_TIMEOUT_S", 0.4)
    release = dripping(server, monkeypatch, *parts)
    begun = time.monotonic()
    assert refused(f"{server.url}/a.jpg") == ("not-found", "the server did not send its header within 0 s")
    assert time.monotonic() - begun < 5
    release()


def test_a_redirect_does_not_start_the_time_again(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(urls, "_HEADER_TIMEOUT_S", 0.4)
    release = dripping(server, monkeypatch, b"HTTP/1.1 200 OK\r\n", b"X-A: ")
    server.answers["/first"] = lambda handler: handler.give(b"", 302, Location="/a.jpg")
    assert refused(f"{server.url}/first") == ("not-found", "the server did not send its header within 0 s")
    release()


@pytest.mark.parametrize(
    "head", [b"Content-Length: 1000000\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n"], ids=["length", "chunk size"]
)
def test_a_body_that_drips_is_rejected(server: Any, monkeypatch: pytest.MonkeyPatch, head: bytes) -> None:
    monkeypatch.setattr(urls, "_TOTAL_TIMEOUT_S", 0.4)
    release = dripping(server, monkeypatch, b"HTTP/1.1 200 OK\r\n", head)
    begun = time.monotonic()
    assert refused(f"{server.url}/a.jpg")[0] == "truncated"
    assert time.monotonic() - begun < 5
    release()


def test_a_slow_body_is_rejected(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(urls, "_TOTAL_TIMEOUT_S", -1.0)
    server.answers["/a.jpg"] = lambda handler: handler.give(b"x" * 100)
    assert refused(f"{server.url}/a.jpg")[0] == "truncated"


@pytest.mark.parametrize(
    "url",
    ["http://", "http:///a.jpg", "http://[::1/a.jpg", "http://host:99999/a.jpg", "http://a:b@/x", "http://" + "ä" * 80],
)
def test_an_invalid_url_is_not_found(url: str, opened: Callable[..., Source]) -> None:
    assert refused(url)[0] == "not-found"
    (answer,) = [read() for read in opened(url)]
    assert isinstance(answer, FailedFrame)


def test_a_refused_connection_shows_no_credentials(server: Any) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        code, message = refused(f"http://user:secret@127.0.0.1:{port}/a.jpg?token=secret")
    assert code == "not-found"
    assert "cannot be reached" in message
    assert "secret" not in message


def test_special_characters_in_a_url_are_quoted(server: Any) -> None:
    server.answers["/a%20b/%C3%A4%0A.jpg"] = lambda handler: handler.give(b"good")
    assert fetch(f"{server.url}/a b/ä%0A.jpg#fragment") == b"good"
    with pytest.raises(ImageError):
        fetch(f"{server.url}/x\r\nInjected: header")
    assert not any("injected" in headers for _, headers in server.seen)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://user:pass@host:8/a.jpg", "https://host:8/a.jpg"),
        ("https://host/a.jpg?X-Amz-Signature=abc&size=1", "https://host/a.jpg?X-Amz-Signature=...&size=1"),
        ("https://host/a.jpg?token=t&sig=s;key=k", "https://host/a.jpg?token=...&sig=...;key=..."),
        ("https://host/a.jpg?width=10#part", "https://host/a.jpg?width=10#part"),
        ("https://user:pass@[host/a.jpg", "https://[host/a.jpg"),
        ("https://user:p@ss@[host/a.jpg?token=t&size=1", "https://[host/a.jpg?token=...&size=1"),
    ],
)
def test_credentials_are_never_shown(url: str, shown: str) -> None:
    assert without_credentials(url) == shown


def test_urls_and_paths_are_distinguished() -> None:
    assert is_url("HTTPS://host/a.jpg")
    assert not is_url("http:/host/a.jpg")
    assert scheme_of("S3://bucket/a") == "s3"
    assert scheme_of("a/b://c") is None
    assert scheme_of("C:/images") is None
