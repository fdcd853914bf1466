"""HTTP connections with a deadline for connection and header, however slowly the server sends them, and one for the body.

A timeout of a socket is for one read: a server that sends a byte now and then never exceeds it.
"""

import http.client
import io
import socket
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final

_MIN_TIMEOUT_S: Final = 0.001  # 0 would mean: do not wait


class DeadlineError(TimeoutError):
    """The header or the body was not complete in time; `limit_s` is the time that it had."""

    def __init__(self, limit_s: float) -> None:
        super().__init__(f"time limit of {limit_s:g} s exceeded")
        self.limit_s = limit_s


@dataclass(slots=True)
class _Limit:
    """The limit in force, which the reads of this thread obey.

    step_s  for one read
    """

    step_s: float
    limit_s: float
    deadline: float

    def timeout_s(self) -> float:
        """For the next read. Raises DeadlineError."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise DeadlineError(self.limit_s)
        return max(min(self.step_s, left), _MIN_TIMEOUT_S)


_limit: ContextVar[_Limit | None] = ContextVar("limit", default=None)


@contextmanager
def within(limit_s: float, *, step_s: float) -> Iterator[None]:
    """Give all reads of this thread together so many seconds, and each one at most `step_s`."""
    token = _limit.set(_Limit(step_s, limit_s, time.monotonic() + limit_s))
    try:
        yield
    finally:
        _limit.reset(token)


class _Reader(io.RawIOBase):
    """Reads a socket within the limit in force."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._file: Any = connection.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        limit = _limit.get()
        if limit is not None:
            self._connection.settimeout(limit.timeout_s())
        try:
            count: int | None = self._file.readinto(buffer)
        except TimeoutError:
            if limit is not None:
                limit.timeout_s()  # the deadline, rather than the time of one read
            raise
        return count

    def close(self) -> None:
        self._file.close()
        super().close()


class _Response(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *arguments: Any, **options: Any) -> None:
        super().__init__(sock, *arguments, **options)
        self.fp.close()
        self.fp = io.BufferedReader(_Reader(sock))


class _Connection(http.client.HTTPConnection):
    response_class = _Response

    def connect(self) -> None:
        self.timeout = _connect_timeout_s(self.timeout)
        super().connect()


class _SecureConnection(http.client.HTTPSConnection):
    response_class = _Response

    def connect(self) -> None:
        self.timeout = _connect_timeout_s(self.timeout)
        super().connect()


def _connect_timeout_s(default: float | None) -> float | None:
    limit = _limit.get()
    return default if limit is None else limit.timeout_s()


class DeadlineHTTPHandler(urllib.request.HTTPHandler):
    """Opens http URLs within the limit in force."""

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        """Open a URL."""
        return self.do_open(_Connection, req)


class DeadlineHTTPSHandler(urllib.request.HTTPSHandler):
    """Opens https URLs within the limit in force."""

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        """Open a URL."""
        return self.do_open(_SecureConnection, req)
