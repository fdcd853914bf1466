"""A Hub of the tests' own: two HTTP servers on this machine, one that answers as the Hub does and one for large files.

Weights are redirected to the second server with the checksum in the redirect's headers, as the Hub does for LFS and
Xet files; small files come at once, with git's checksum. Faults are queued by file name and used up one a request.
"""

import hashlib
import http.server
import json
import re
import socket
import struct
import threading
from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

COMMIT = "0123456789abcdef0123456789abcdef01234567"
LATER_COMMIT = "fedcba9876543210fedcba9876543210fedcba98"
CHUNK = 64 * 1024


@dataclass(frozen=True)
class Fault:
    """What goes wrong in one answer.

    status      answered instead of the file
    headers     added to the answer, or put in the place of its own
    cut_after   bytes of the body after which the connection is reset
    stall_after bytes of the body after which nothing comes any more, until the server is closed
    drip_header the header comes byte by byte, and never ends
    body        sent in the file's place
    no_range    the whole file is sent, whatever was asked for
    method      only requests of this kind meet it
    """

    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    cut_after: int | None = None
    stall_after: int | None = None
    drip_header: bool = False
    body: bytes | None = None
    no_range: bool = False
    method: str = "GET"


@dataclass
class Seen:
    """One request: what was asked, with which headers, at which server, and how many bytes of body were sent."""

    method: str
    path: str
    headers: dict[str, str]
    server: str
    sent: int = 0


@dataclass
class Repository:
    commits: dict[str, dict[str, bytes]]
    branches: dict[str, str]
    gated: bool = False
    token: str | None = None


class HubServer:
    """The two servers; `url` goes into HF_ENDPOINT. Use as a context manager."""

    def __init__(self) -> None:
        self.repositories: dict[str, Repository] = {}
        self.faults: defaultdict[str, deque[Fault]] = defaultdict(deque)
        self.requests: list[Seen] = []
        self.closing = threading.Event()
        self.error_codes = True
        self._hub = _Server(self, "hub", _HubHandler)
        self._store = _Server(self, "store", _StoreHandler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._hub.server_port}"

    @property
    def store_url(self) -> str:
        return f"http://localhost:{self._store.server_port}"

    def add(
        self, repository: str, files: Mapping[str, bytes], *, commit: str = COMMIT, branch: str = "main", **rules: Any
    ) -> None:
        """Put files into a repository; another commit moves the branch."""
        kept = self.repositories.setdefault(repository, Repository({}, {}, **rules))
        kept.commits[commit] = dict(files)
        kept.branches[branch] = commit

    def fail(self, name: str, *faults: Fault) -> None:
        """Queue faults for the next requests of a file."""
        self.faults[name].extend(faults)

    def fault(self, name: str, method: str) -> Fault:
        queue = self.faults[name]
        return queue.popleft() if queue and queue[0].method in (method, "ANY") else Fault(method=method)

    def seen(self, method: str, name: str = "") -> list[Seen]:
        """The requests of a kind whose path ends so."""
        return [seen for seen in self.requests if seen.method == method and seen.path.endswith(name)]

    def bodies_sent(self) -> int:
        return sum(seen.sent for seen in self.requests)

    def blob(self, sha256: str) -> tuple[str, bytes] | None:
        for repository in self.repositories.values():
            for files in repository.commits.values():
                for name, data in files.items():
                    if hashlib.sha256(data).hexdigest() == sha256:
                        return name, data
        return None

    def __enter__(self) -> "HubServer":
        for server in (self._hub, self._store):
            server.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        for server in (self._hub, self._store):
            server.shutdown()
            server.thread.join()
            server.server_close()


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, hub: HubServer, name: str, handler: type[http.server.BaseHTTPRequestHandler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.hub = hub
        self.name = name
        self.thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that was killed, or went away, is no news."""


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_HEAD(self) -> None:
        self._note()
        self.answer("HEAD")

    def do_GET(self) -> None:
        self._note()
        self.answer("GET")

    def answer(self, method: str) -> None:
        raise NotImplementedError

    def log_message(self, *_: object) -> None:
        """Keep quiet."""

    def _note(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.seen = Seen(self.command, unquote(self.path), headers, self.server.name)
        self.server.hub.requests.append(self.seen)

    def reply(self, status: int, headers: Mapping[str, str], fault: Fault | None = None) -> None:
        self.send_response(status)
        shown = {"Content-Length": "0", **headers, **(fault.headers if fault else {})}
        for name, value in shown.items():
            if value != "":
                self.send_header(name, value)
        self.end_headers()

    def refuse(self, status: int, code: str) -> None:
        body = json.dumps({"error": "\x1b[31mno\x1b[0m"}).encode()
        self.reply(
            status,
            {"Content-Length": str(len(body)), **({"X-Error-Code": code} if self.server.hub.error_codes else {})},
        )
        if self.command == "GET":
            self.wfile.write(body)

    def send_file(self, data: bytes, headers: Mapping[str, str], fault: Fault) -> None:
        """Send a file or the part that was asked for, with whatever goes wrong in it."""
        data = data if fault.body is None else fault.body
        start = 0
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if asked and not fault.no_range:
            start = int(asked[1])
            if start >= len(data):
                return self.reply(416, {"Content-Range": f"bytes */{len(data)}"})
        part = data[start:]
        shown = {**headers, "Content-Length": str(len(part))}
        if start:
            shown["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        self.reply(206 if start else 200, shown, fault)
        if self.command == "HEAD":
            return None
        stop = min((n for n in (fault.cut_after, fault.stall_after) if n is not None), default=len(part))
        for at in range(0, stop, CHUNK):
            self.wfile.write(part[at : min(at + CHUNK, stop)])
            self.seen.sent = min(at + CHUNK, stop)
        if fault.stall_after is not None:
            self.server.hub.closing.wait()
        if fault.cut_after is not None or fault.stall_after is not None:
            self.reset()
        return None

    def reset(self) -> None:
        """End the connection the hard way."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()


class _HubHandler(_Handler):
    def answer(self, method: str) -> None:
        hub = self.server.hub
        found = re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", self.path.partition("?")[0])
        if found is None:
            return self.refuse(404, "EntryNotFound")
        repository, revision, name = found[1], unquote(found[2]), unquote(found[3])
        kept = hub.repositories.get(repository)
        authorized = self.headers.get("Authorization") == f"Bearer {kept.token}" if kept and kept.token else False
        if kept is None:
            return self.refuse(401, "RepoNotFound")
        if kept.gated and not authorized:
            return self.refuse(403 if "Authorization" in self.headers else 401, "GatedRepo")
        commit = kept.branches.get(revision, revision)
        if commit not in kept.commits:
            return self.refuse(404, "RevisionNotFound")
        large = name.endswith(".safetensors")
        # Of a large file the Hub itself meets the faults of HEAD, and the store those of GET.
        fault = hub.fault(name, method) if not large or method == "HEAD" else Fault()
        if fault.status is not None:
            return self.reply(fault.status, {}, fault)
        if fault.drip_header:
            self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Drip: ")
            while not hub.closing.wait(0.02):
                self.wfile.write(b"1")
            return self.reset()
        if fault.stall_after is not None and method == "HEAD":
            hub.closing.wait()
            return self.reset()
        if fault.cut_after is not None and method == "HEAD":
            return self.reset()
        if name not in kept.commits[commit]:
            return self.refuse(404, "EntryNotFound")
        data = kept.commits[commit][name]
        if not large:
            git = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
            return self.send_file(data, {"ETag": f'"{git}"', "X-Repo-Commit": commit}, fault)
        sha256 = hashlib.sha256(data).hexdigest()
        linked = {
            "X-Repo-Commit": commit,
            "X-Linked-Etag": f'"{sha256}"',
            "X-Linked-Size": str(len(data)),
            "Location": f"{hub.store_url}/{sha256}?signed",
        }
        return self.reply(302, linked, fault)


class _StoreHandler(_Handler):
    def answer(self, method: str) -> None:
        hub = self.server.hub
        found = hub.blob(self.path.partition("?")[0].removeprefix("/"))
        if found is None:
            return self.refuse(404, "EntryNotFound")
        name, data = found
        fault = hub.fault(name, method)
        if fault.status is not None:
            return self.reply(fault.status, {}, fault)
        return self.send_file(data, {"ETag": '"of-the-store"'}, fault)
