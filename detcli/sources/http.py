"""Downloads http and https URLs, with limits for size, time and redirects.

It uses the standard library, which reads the proxy and certificate settings of the system. The HTTP packages that
huggingface_hub depends on differ between its releases.
"""

import http.client
import re
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.message import Message
from functools import cache
from typing import IO, Final
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from detcli.errors import ImageError
from detcli.io.images.limits import HEAD_BYTES
from detcli.io.remote.addresses import is_url
from detcli.io.remote.retries import RETRY_STATUS
from detcli.sources.http_deadline import DeadlineError, DeadlineHTTPHandler, DeadlineHTTPSHandler, within
from detcli.version import __version__

MAX_BYTES: Final = 64 << 20
_STEP_TIMEOUT_S = 15.0  # to connect, and for each read
_HEADER_TIMEOUT_S = 30.0  # from the connection to the end of the header, over all redirects
_TOTAL_TIMEOUT_S = 120.0
_PAUSES_S = (0.5, 2.0)  # before a retry
_STREAM_TIMEOUT_S = 60.0  # for each part of a stream
_CHUNK_BYTES = 1 << 16
_SAFE = "%/:=&?~#+!$,;'@()*[]"


def fetch(url: str, *, max_bytes: int = MAX_BYTES, check_head: Callable[[bytes], None] | None = None) -> bytes:
    """The content of a URL.

    max_bytes   a longer body is rejected, without reading it where the server reports its length
    check_head  called with the first bytes before the rest is downloaded; raises to reject the content

    Raises ImageError: not-found (also for a server that does not answer), no-permission, empty, too-large, truncated,
    unsupported, and what `check_head` raises. Messages contain no credentials.
    """
    request = _request(url)
    deadline = time.monotonic() + _TOTAL_TIMEOUT_S
    for pause in (*_PAUSES_S, None):
        try:
            with within(_HEADER_TIMEOUT_S, step_s=_STEP_TIMEOUT_S):
                response = _opener().open(request, timeout=_STEP_TIMEOUT_S)
            with response, within(max(deadline - time.monotonic(), 0.0), step_s=_STEP_TIMEOUT_S):
                return _body(response, max_bytes, deadline, check_head)
        except urllib.error.HTTPError as error:
            with error:
                if error.code not in RETRY_STATUS or pause is None:
                    raise _status_error(error) from None
        except (OSError, http.client.HTTPException) as error:  # URLError is an OSError
            if pause is None or not _is_temporary(error):
                raise _connection_error(error) from None
        if time.monotonic() + pause > deadline:
            break
        time.sleep(pause)
    raise ImageError("not-found", f"the server did not answer within {_TOTAL_TIMEOUT_S:.0f} s")


@contextmanager
def opened_url(url: str) -> Iterator[Callable[[int], bytes]]:
    """A function that returns up to so many bytes of a URL, empty at the end; for content of any length.

    Only each read has a time limit. Raises ImageError as `fetch` does, also where the content ends too early.
    """
    with _response(url) as response:
        reported, length = response.length, 0

        def read(limit: int) -> bytes:
            nonlocal length
            try:
                with within(_STREAM_TIMEOUT_S, step_s=_STEP_TIMEOUT_S):
                    part = response.read1(min(limit, _CHUNK_BYTES))
            except (OSError, http.client.HTTPException) as error:
                raise ImageError("truncated", f"truncated after {length:,} bytes: {_reason_text(error)}") from None
            length += len(part)
            if not part and reported is not None and length < reported:
                raise ImageError("truncated", f"truncated after {length:,} of {reported:,} bytes by the server")
            return part

        yield read


def _response(url: str) -> http.client.HTTPResponse:
    """The open answer of a server. Raises ImageError as `fetch` does."""
    request = _request(url)
    for pause in (*_PAUSES_S, None):
        try:
            with within(_HEADER_TIMEOUT_S, step_s=_STEP_TIMEOUT_S):
                response: http.client.HTTPResponse = _opener().open(request, timeout=_STEP_TIMEOUT_S)
            encoding = response.headers.get("Content-Encoding", "identity")
            if encoding in ("identity", ""):
                return response
            response.close()
            raise ImageError("unsupported", f"the server sends unrequested compression ({encoding})")
        except urllib.error.HTTPError as error:
            with error:
                if error.code not in RETRY_STATUS or pause is None:
                    raise _status_error(error) from None
        except (OSError, http.client.HTTPException) as error:  # URLError is an OSError
            if pause is None or not _is_temporary(error):
                raise _connection_error(error) from None
        time.sleep(pause)
    raise AssertionError("the last attempt returns or raises")


def _request(url: str) -> urllib.request.Request:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
        if not host:
            raise ValueError("no host")
        name = host.encode("idna").decode() if not host.isascii() else host
    except ValueError as error:
        raise ImageError("not-found", f"not a valid URL: {_reason_text(error)}") from None
    netloc = f"[{name}]" if ":" in name else name
    clean = urlunsplit(
        (parts.scheme.lower(), netloc if port is None else f"{netloc}:{port}", parts.path, parts.query, "")
    )
    request = urllib.request.Request(  # noqa: S310 - http and https only
        quote(clean, safe=_SAFE, errors="surrogateescape"),
        headers={"User-Agent": f"detcli/{__version__}", "Accept": "image/*,*/*;q=0.5", "Accept-Encoding": "identity"},
    )
    if parts.username is not None:
        import base64

        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
        # Unredirected: another server must not get the credentials.
        request.add_unredirected_header("Authorization", f"Basic {base64.b64encode(pair).decode()}")
    return request


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows a few redirects, only to http and https."""

    max_redirections = 5
    max_repeats = 2

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> urllib.request.Request | None:
        if not is_url(newurl):
            fp.close()
            raise ImageError("unsupported", "the server redirects to a URL that is neither http nor https")
        return super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]


@cache
def _opener() -> urllib.request.OpenerDirector:
    opener = urllib.request.OpenerDirector()  # not build_opener, which also opens file: and ftp:
    for handler in (
        urllib.request.ProxyHandler(),
        DeadlineHTTPHandler(),
        DeadlineHTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        _Redirects(),
        urllib.request.HTTPErrorProcessor(),
    ):
        opener.add_handler(handler)
    return opener


def _body(
    response: http.client.HTTPResponse, max_bytes: int, deadline: float, check_head: Callable[[bytes], None] | None
) -> bytes:
    encoding = response.headers.get("Content-Encoding", "identity")
    if encoding not in ("identity", ""):
        raise ImageError("unsupported", f"the server sends unrequested compression ({encoding})")
    reported = response.length
    chunks: list[bytes] = []
    length = 0
    while True:
        if (reported or 0) > max_bytes or length > max_bytes:
            size = reported if reported and reported > max_bytes else length
            raise ImageError("too-large", f"{size:,} bytes are more than the limit of {max_bytes:,} for a URL")
        try:
            chunk = response.read1(_CHUNK_BYTES)
        except http.client.IncompleteRead:
            raise ImageError("truncated", f"truncated after {length:,} bytes by the server") from None
        except DeadlineError:
            raise _too_slow(length) from None
        if not chunk:
            break
        if check_head is not None and length < HEAD_BYTES <= length + len(chunk):
            check_head((b"".join(chunks) + chunk)[:HEAD_BYTES])
        chunks.append(chunk)
        length += len(chunk)
        if time.monotonic() > deadline:
            raise _too_slow(length)
    if reported is not None and length < reported:
        raise ImageError("truncated", f"truncated after {length:,} of {reported:,} bytes by the server")
    if not length:
        raise ImageError("empty", "the server sent an empty file")
    return b"".join(chunks)


def _too_slow(length: int) -> ImageError:
    return ImageError("truncated", f"the server sent {length:,} bytes in {_TOTAL_TIMEOUT_S:.0f} s: time limit exceeded")


def _status_error(error: urllib.error.HTTPError) -> ImageError:
    status = _one_line(f"HTTP {error.code} {error.reason}".strip())
    if error.code in (401, 403, 407, 451):
        return ImageError("no-permission", f"the server denies access ({status})")
    if 300 <= error.code < 400:
        return ImageError(
            "not-found", f"redirect loop, or a redirect to a URL that is neither http nor https (HTTP {error.code})"
        )
    if error.code in (404, 410):
        return ImageError("not-found", f"the server does not have this file ({status})")
    if error.code in RETRY_STATUS:
        return ImageError("not-found", f"the server failed; try again later ({status})")
    return ImageError("not-found", f"the server does not send it ({status})")


def _is_temporary(error: Exception) -> bool:
    """Whether a retry may succeed: after a lost connection, but not for an unknown host or an invalid certificate."""
    reason = getattr(error, "reason", error)
    return isinstance(reason, ConnectionError | http.client.RemoteDisconnected | http.client.BadStatusLine) and not (
        isinstance(reason, ConnectionRefusedError)
    )


def _connection_error(error: Exception) -> ImageError:
    reason = getattr(error, "reason", error)
    if isinstance(reason, DeadlineError):
        return ImageError("not-found", f"the server did not send its header within {reason.limit_s:.0f} s")
    if isinstance(reason, TimeoutError):
        return ImageError("not-found", f"the server did not answer within {_STEP_TIMEOUT_S:.0f} s")
    if isinstance(reason, socket.gaierror):
        return ImageError("not-found", "unknown host, or no network")
    return ImageError("not-found", f"the server cannot be reached ({_reason_text(reason)})")


def _reason_text(error: object) -> str:
    return _one_line(getattr(error, "strerror", None) or f"{type(error).__name__}: {error}")


def _one_line(text: str) -> str:
    """One line without credentials."""
    return re.sub(r"//[^/\s@]*@", "//", re.sub(r"\s+", " ", text))[:200]
