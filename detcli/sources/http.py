"""Bytes behind an http or https address, within limits of size, time and redirects.

The client is the standard library's: it reads the proxies and certificates of the machine like every other program,
and the packages that huggingface_hub brings along have changed names between its releases.
"""

import http.client
import re
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from email.message import Message
from functools import cache
from typing import IO, Final
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from detcli.errors import ImageError
from detcli.io.read import HEAD_BYTES
from detcli.version import __version__

MAX_BYTES: Final = 64 << 20
_STEP_TIMEOUT_S = 15.0  # to connect, and for each further piece
_TOTAL_TIMEOUT_S = 120.0
_PAUSES_S = (0.5, 2.0)  # before trying again what may pass
_PART_BYTES = 1 << 16
_WORTH_TRYING_AGAIN = {429, 500, 502, 503, 504}
_URL = re.compile(r"https?://", re.IGNORECASE)
_ANY_SCHEME = re.compile(r"([a-z][a-z0-9+.-]+)://", re.IGNORECASE)
_SECRET = re.compile(
    r"([?&;][^=&;#]*(?:token|secret|signature|sig|password|passwd|credential|key|auth)[^=&;#]*)=[^&;#]*", re.I
)
_SAFE = "%/:=&?~#+!$,;'@()*[]"


def is_url(text: str) -> bool:
    """Whether it is an http or https address."""
    return _URL.match(text) is not None


def scheme_of(text: str) -> str | None:
    """The scheme before `://`, lower case; None for what has none."""
    match = _ANY_SCHEME.match(text)
    return match[1].lower() if match else None


def without_credentials(url: str) -> str:
    """The address to show: no user, no password, and `...` for the values of secret parameters."""
    try:
        pieces = urlsplit(url)
        shown = urlunsplit(pieces._replace(netloc=pieces.netloc.rpartition("@")[2]))
    except ValueError:
        shown = re.sub(r"//[^/]*@", "//", url)
    return _SECRET.sub(r"\1=...", shown)


def fetch(url: str, *, max_bytes: int = MAX_BYTES, check_head: Callable[[bytes], None] | None = None) -> bytes:
    """Everything behind an address.

    max_bytes   a longer body is refused, unread where the server says its length
    check_head  is called with the first bytes before the rest is fetched; raises to refuse

    Raises PictureError: not-found (also for a server that does not answer), no-permission, empty, too-large, truncated,
    unsupported, and whatever `check_head` raises. No message holds a credential.
    """
    request = _request(url)
    deadline = time.monotonic() + _TOTAL_TIMEOUT_S
    for pause in (*_PAUSES_S, None):
        try:
            with _opener().open(request, timeout=_STEP_TIMEOUT_S) as response:
                return _body(response, max_bytes, deadline, check_head)
        except urllib.error.HTTPError as error:
            with error:
                if error.code not in _WORTH_TRYING_AGAIN or pause is None:
                    raise _refused(error) from None
        except (OSError, http.client.HTTPException) as error:  # URLError is an OSError
            if pause is None or not _may_pass(error):
                raise _unreachable(error) from None
        if time.monotonic() + pause > deadline:
            break
        time.sleep(pause)
    raise ImageError("not-found", f"the server did not answer within {_TOTAL_TIMEOUT_S:.0f} s")


def _request(url: str) -> urllib.request.Request:
    try:
        pieces = urlsplit(url)
        host, port = pieces.hostname, pieces.port
        if not host:
            raise ValueError("no host")
        name = host.encode("idna").decode() if not host.isascii() else host
    except ValueError as error:
        raise ImageError("not-found", f"not an address that can be fetched: {_plain(error)}") from None
    netloc = f"[{name}]" if ":" in name else name
    clean = urlunsplit(
        (pieces.scheme.lower(), netloc if port is None else f"{netloc}:{port}", pieces.path, pieces.query, "")
    )
    request = urllib.request.Request(  # noqa: S310 - http and https only
        quote(clean, safe=_SAFE, errors="surrogateescape"),
        headers={"User-Agent": f"detcli/{__version__}", "Accept": "image/*,*/*;q=0.5", "Accept-Encoding": "identity"},
    )
    if pieces.username is not None:
        import base64

        pair = f"{unquote(pieces.username)}:{unquote(pieces.password or '')}".encode()
        # Unredirected: a redirect leads elsewhere, and there they are nobody's business.
        request.add_unredirected_header("Authorization", f"Basic {base64.b64encode(pair).decode()}")
    return request


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows a few redirects, to http and https alone."""

    max_redirections = 5
    max_repeats = 2

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> urllib.request.Request | None:
        if not is_url(newurl):
            fp.close()
            raise ImageError("unsupported", "the server redirects to something that is neither http nor https")
        return super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]


@cache
def _opener() -> urllib.request.OpenerDirector:
    opener = urllib.request.OpenerDirector()  # not build_opener: that one also opens file: and ftp:
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
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
        raise ImageError("unsupported", f"the server sends it packed ({encoding}) though it was asked not to")
    announced = response.length
    parts: list[bytes] = []
    length = 0
    while True:
        if (announced or 0) > max_bytes or length > max_bytes:
            size = announced if announced and announced > max_bytes else length
            raise ImageError("too-large", f"{size:,} bytes are more than the limit of {max_bytes:,} for an address")
        try:
            part = response.read1(_PART_BYTES)
        except http.client.IncompleteRead:
            raise ImageError("truncated", f"truncated after {length:,} bytes by the server") from None
        if not part:
            break
        if check_head is not None and length < HEAD_BYTES <= length + len(part):
            check_head((b"".join(parts) + part)[:HEAD_BYTES])
        parts.append(part)
        length += len(part)
        if time.monotonic() > deadline:
            raise ImageError("truncated", f"the server sent {length:,} bytes in {_TOTAL_TIMEOUT_S:.0f} s; given up")
    if announced is not None and length < announced:
        raise ImageError("truncated", f"truncated after {length:,} of {announced:,} bytes by the server")
    if not length:
        raise ImageError("empty", "the server sent an empty file")
    return b"".join(parts)


def _refused(error: urllib.error.HTTPError) -> ImageError:
    said = _plain_text(f"HTTP {error.code} {error.reason}".strip())
    if error.code in (401, 403, 407, 451):
        return ImageError("no-permission", f"the server refuses it ({said})")
    if 300 <= error.code < 400:
        return ImageError("not-found", f"the server redirects in circles, or not to http or https (HTTP {error.code})")
    if error.code in (404, 410):
        return ImageError("not-found", f"the server has no such file ({said})")
    if error.code in _WORTH_TRYING_AGAIN:
        return ImageError("not-found", f"the server has trouble; trying again may help ({said})")
    return ImageError("not-found", f"the server does not give it ({said})")


def _may_pass(error: Exception) -> bool:
    """Whether the same request may succeed a moment later: a connection lost, not a name unknown or a bad certificate."""
    reason = getattr(error, "reason", error)
    return isinstance(reason, ConnectionError | http.client.RemoteDisconnected | http.client.BadStatusLine) and not (
        isinstance(reason, ConnectionRefusedError)
    )


def _unreachable(error: Exception) -> ImageError:
    reason = getattr(error, "reason", error)
    if isinstance(reason, TimeoutError):
        return ImageError("not-found", f"the server did not answer within {_STEP_TIMEOUT_S:.0f} s")
    if isinstance(reason, socket.gaierror):
        return ImageError("not-found", "no server has this name, or there is no network")
    return ImageError("not-found", f"the server cannot be reached ({_plain(reason)})")


def _plain(error: object) -> str:
    return _plain_text(getattr(error, "strerror", None) or f"{type(error).__name__}: {error}")


def _plain_text(text: str) -> str:
    """One line without anything that looks like a credential."""
    return re.sub(r"//[^/\s@]*@", "//", re.sub(r"\s+", " ", text))[:200]
