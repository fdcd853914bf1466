"""An S3 server on this machine: moto's, with answers of a store that is overloaded, refuses, or falls silent."""

import threading
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import unquote

import pytest

from detcli.io.remote import stores

Answer = tuple[str, Iterable[bytes], int | None]  # status, body and the length that it announces; None: no length
Fault = Callable[[str, str], Answer | None]  # method and path -> the answer; None: that of moto
ACCESS_KEY, SECRET_KEY = "AKIATESTTESTTEST", "s3cr3t/with+signs="
_XML = '<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>{code}</Message></Error>'


def refusal(status: str, code: str) -> Answer:
    """The answer of S3 with an error code."""
    text = _XML.format(code=code).encode()
    return status, [text], len(text)


def environment_of(server: "StoreServer") -> dict[str, str]:
    """The variables that name the server, and the credentials for it."""
    return {
        "AWS_ENDPOINT_URL": server.url,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": "/nowhere",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


class StoreServer:
    """The server, and what it was asked.

    fault     answers instead of moto, where it returns an answer
    requests  method and path with query of each request
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.bucket = ""
        self.fault: Fault | None = None
        self.requests: list[tuple[str, str]] = []

    def put(self, objects: Mapping[str, bytes]) -> None:
        """Store objects of the bucket by key, without requests."""
        for key, data in objects.items():
            self._backend.put_object(self.bucket, key, data)

    def get(self, key: str) -> bytes:
        """The content of an object."""
        content: bytes = self._backend.get_object(self.bucket, key).value
        return content

    def delete(self, key: str) -> None:
        """Remove an object."""
        self._backend.delete_object(self.bucket, key)

    def names(self) -> list[str]:
        """All keys of the bucket."""
        return sorted(self._backend.buckets[self.bucket].keys)

    def uploads(self) -> int:
        """The number of uploads in parts that were begun and neither completed nor removed."""
        return len(self._backend.buckets[self.bucket].multiparts)

    def new_bucket(self) -> str:
        """Make a bucket and use it."""
        self.bucket = f"photos-{uuid.uuid4().hex[:8]}"
        self._backend.create_bucket(self.bucket, "us-east-1")
        return self.bucket

    @property
    def _backend(self) -> Any:
        from moto.s3.models import s3_backends

        return s3_backends["123456789012"]["aws"]


@pytest.fixture(scope="session")
def store_server() -> Iterator[StoreServer]:
    """The server, started once."""
    pytest.importorskip("moto.server")
    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Quiet(WSGIRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_request(self, *_: Any) -> None:
            """Print nothing."""

    application = DomainDispatcherApplication(create_backend_app)

    def answer(environ: Any, start_response: Any) -> Any:
        path, query = unquote(environ["PATH_INFO"]), environ.get("QUERY_STRING", "")
        server.requests.append((environ["REQUEST_METHOD"], f"{path}?{query}" if query else path))
        fault = server.fault(environ["REQUEST_METHOD"], path) if server.fault is not None else None
        if fault is None:
            return application(environ, start_response)
        status, body, length = fault
        headers = [("Content-Type", "application/xml"), ("Connection", "close")]
        if length is not None:
            headers.append(("Content-Length", str(length)))
        start_response(status, headers)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else body

    listener = make_server("127.0.0.1", 0, answer, threaded=True, request_handler=Quiet)
    server = StoreServer(f"http://127.0.0.1:{listener.server_port}")
    thread = threading.Thread(target=listener.serve_forever, daemon=True)
    thread.start()
    yield server
    listener.shutdown()


@pytest.fixture
def s3(store_server: StoreServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[StoreServer]:
    """The server with an empty bucket, as the environment names it."""
    for name, value in environment_of(store_server).items():
        monkeypatch.setenv(name, value)
    stores.forget_stores()
    store_server.new_bucket()
    store_server.requests.clear()
    yield store_server
    store_server.fault = None
    stores.forget_stores()
