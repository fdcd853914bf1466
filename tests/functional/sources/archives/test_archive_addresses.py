"""Archives in object stores and on web servers: streamed, without credentials in any name, and failures as records."""

import threading
import uuid
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from detcli.io.remote.write_objects import write_object
from detcli.sources import http as urls
from detcli.sources.archives.read_ahead import ReadAhead
from detcli.sources.source import Source
from detcli.structures.frame import Frame
from tests.helpers.archive_files import tar_bytes, zip_bytes

Opened = Callable[..., Source]
Codes = Callable[..., dict[str, str]]


@pytest.fixture
def bucket() -> str:
    return f"memory://{uuid.uuid4().hex}"


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, dict[str, bytes]]]:
    """The address of a server, and the files that it has; a file named `cut-…` ends in its middle."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    urls._opener.cache_clear()
    monkeypatch.setattr(ThreadingHTTPServer, "handle_error", lambda *_: None)
    files: dict[str, bytes] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path[1:].partition("?")[0]
            if name not in files:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(files[name])))
            self.end_headers()
            self.wfile.write(files[name][: len(files[name]) // 2] if name.startswith("cut-") else files[name])

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}", files
        server.shutdown()
        thread.join()


def names(source: Source) -> list[tuple[str, str, bool]]:
    return [(item.origin.file, item.origin.relative, isinstance(item(), Frame)) for item in source]


@pytest.mark.parametrize("kind", ["tar", "tar.gz", "zip"])
def test_archives_in_stores_are_read_in_any_order(opened: Opened, bucket: str, image: bytes, kind: str) -> None:
    members = {"a/0.jpg": image, "a/1.jpg": image, "2.txt": b"text", "3.jpg": b"text, no image"}
    modes = {"tar": "w", "tar.gz": "w:gz"}
    write_object(f"{bucket}/x.{kind}", zip_bytes(members) if kind == "zip" else tar_bytes(members, mode=modes[kind]))
    name = f"{bucket}/x.{kind}"
    expected = [(f"{name}!/{path}", path, path != "3.jpg") for path in ("a/0.jpg", "a/1.jpg", "3.jpg")]
    for read_ahead in (None, ReadAhead()):
        assert names(opened(name, read_ahead=read_ahead)) == expected
        listed = list(opened(name, read_ahead=read_ahead))
        assert [isinstance(listed[n](), Frame) for n in (2, 1, 0, 1)] == [False, True, True, True]
    assert names(opened(f"{name}!/a/1.jpg")) == [(f"{name}!/a/1.jpg", "1.jpg", True)]
    assert opened(name).count() is None


def test_ranges_and_patterns_name_shards_in_stores(opened: Opened, codes: Codes, bucket: str, image: bytes) -> None:
    for number in (0, 1, 3):
        write_object(f"{bucket}/d/s-{number:03}.tar", tar_bytes({"0.jpg": image}))
    assert codes(f"{bucket}/d/s-{{000..003}}.tar") == {
        f"{bucket}/d/s-000.tar!/0.jpg": "ok",
        f"{bucket}/d/s-001.tar!/0.jpg": "ok",
        f"{bucket}/d/s-002.tar": "not-found",
        f"{bucket}/d/s-003.tar!/0.jpg": "ok",
    }
    relative = [item.origin.relative for item in opened(f"{bucket}/d/s-{{000..001}}.tar")]
    assert relative == ["s-000.tar!/0.jpg", "s-001.tar!/0.jpg"]
    assert set(codes(f"{bucket}/d/*.tar")) == {f"{bucket}/d/s-{number:03}.tar!/0.jpg" for number in (0, 1, 3)}


def test_archives_on_web_servers_are_streamed(opened: Opened, codes: Codes, site: Any, image: bytes) -> None:
    address, files = site
    members = {f"{number}.jpg": image for number in range(20)}
    files |= {"a.tar": tar_bytes(members), "b.tgz": tar_bytes(members, mode="w:gz"), "c.zip": zip_bytes(members)}
    files["cut-d.tar"] = files["a.tar"]
    for name in ("a.tar", "b.tgz"):
        found = names(opened(f"{address}/{name}?token=abc", read_ahead=ReadAhead()))
        assert found == [(f"{address}/{name}?token=...!/{number}.jpg", f"{number}.jpg", True) for number in range(20)]
    assert codes(f"{address}/c.zip") == {f"{address}/c.zip": "unsupported"}
    assert codes(f"{address}/none.tar") == {f"{address}/none.tar": "not-found"}
    cut = codes(f"{address}/cut-d.tar", read_ahead=ReadAhead())
    assert list(cut.values()).count("ok") == len(cut) - 2
    assert 5 < len(cut) < 20
    assert list(cut.values())[-2:] == ["truncated", "truncated"]
    assert list(cut)[-1] == f"{address}/cut-d.tar"


def test_credentials_are_in_no_name(opened: Opened, tmp_path: Path, site: Any, image: bytes) -> None:
    address, files = site
    files["a.tar"] = tar_bytes({"0.jpg": image})
    secret = address.replace("//", "//user:secret@")
    for argument in (f"{secret}/a.tar", f"{secret}/a.tar!/0.jpg", f"{secret}/{{0..0}}.tar", f"{secret}/none.tar"):
        for item in opened(argument):
            answer = item()
            assert "secret" not in f"{answer.origin}{getattr(answer, 'message', '')}"
