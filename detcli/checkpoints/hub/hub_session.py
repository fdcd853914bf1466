"""Requests through the session of huggingface_hub, so that its proxy, certificate and hook settings apply.

Its HTTP library depends on its release: requests before 1.0, httpx in 1.x, httpx2 from 2.0 on. Both kinds are used through
the same two functions here, and their errors become the three errors of this module.
"""

import importlib
import queue
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, Protocol

from huggingface_hub import get_session
from huggingface_hub.errors import HfHubHTTPError

from detcli.checkpoints.hub.connection_errors import causes
from detcli.errors import UsageError

_LIBRARY = HfHubHTTPError.__mro__[1].__module__.partition(".")[0]
_HTTP: Any = importlib.import_module(_LIBRARY)
_HEADER_SHARE = 1.3  # connection and header may take so many times the limit for one read
_CHUNK_BYTES = 1 << 13  # requests yields complete chunks only: what an interrupted download may lose


class NoResponseError(Exception):
    """The server did not respond in time."""


class NotReachedError(Exception):
    """No connection; the cause has the reason of the operating system.

    refused_by_proxy  the proxy answered, and made no connection
    """

    def __init__(self, *, refused_by_proxy: bool) -> None:
        super().__init__()
        self.refused_by_proxy = refused_by_proxy


class ConnectionLostError(Exception):
    """The connection ended before the response was complete."""


class InvalidExchangeError(Exception):
    """The request cannot be sent, or the response is invalid; the text is the kind of error."""


class Response(Protocol):
    """What both kinds of responses have; header names may be in any case."""

    status_code: int

    @property
    def headers(self) -> Mapping[str, str]:
        """Return the headers of the response."""
        ...


def head(url: str, headers: Mapping[str, str], timeout_s: float) -> Response:
    """Send a HEAD request; redirects are not followed. Raises the errors of this module."""
    session = _session()
    arguments = {"headers": dict(headers), "timeout": timeout_s} | _options(follow_redirects=False)
    with _errors():
        response: Response = _in_time(lambda: session.request("HEAD", url, **arguments), timeout_s)
        return response


@contextmanager
def get(url: str, headers: Mapping[str, str], timeout_s: float) -> Iterator[tuple[Response, Iterator[bytes]]]:
    """Yield the response to a GET request and its bytes as they arrive; redirects are followed.

    The token is not sent to another host. Raises the errors of this module, also while bytes are read.
    """
    session = _session()
    arguments = {"headers": dict(headers), "timeout": timeout_s} | _options(follow_redirects=True)
    with _errors(), ExitStack() as stack:
        if _LIBRARY == "requests":
            request = _in_time(lambda: session.request("GET", url, stream=True, **arguments), timeout_s)
            response = stack.enter_context(request)
            yield response, response.iter_content(_CHUNK_BYTES)
        else:
            streamed = session.stream("GET", url, **arguments)
            response = _in_time(streamed.__enter__, timeout_s)
            stack.push(streamed)
            yield response, response.iter_bytes()


def _in_time(request: Callable[[], Any], timeout_s: float) -> Any:
    """The result of a request; NoResponseError where connection and header take longer than the limit for both.

    The HTTP libraries limit each read only, which a server that sends its header byte by byte never exceeds. So another
    thread waits for the header; one that is late is left to end with its connection.
    """
    results: queue.SimpleQueue[tuple[Any, BaseException | None]] = queue.SimpleQueue()
    is_late = threading.Event()

    def run() -> None:
        try:
            result, error = request(), None
        except BaseException as caught:  # raised in the thread that waits
            result, error = None, caught
        if is_late.is_set():
            getattr(result, "close", lambda: None)()
        results.put((result, error))

    threading.Thread(target=run, name="hub request", daemon=True).start()
    try:
        result, error = results.get(timeout=_HEADER_SHARE * timeout_s)
    except queue.Empty:
        is_late.set()
        raise NoResponseError from None
    if error is not None:
        raise error
    return result


def _session() -> Any:
    """The session, which reads the environment when it is made. Raises UsageError if it cannot use what it finds there."""
    try:
        return get_session()
    except (ValueError, OSError, ImportError) as error:  # a scheme, a port, a missing file, a library for SOCKS
        reason = (str(error).splitlines() or [""])[0]
        raise UsageError(
            f"the network settings of the environment cannot be used ({type(error).__name__}: {reason[:200]}): check "
            "HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY, SSL_CERT_FILE and SSL_CERT_DIR"
        ) from error


def _options(*, follow_redirects: bool) -> dict[str, Any]:
    if _LIBRARY != "requests":
        return {"follow_redirects": follow_redirects}
    return {"allow_redirects": follow_redirects, "auth": _keep_headers}  # without `auth`, a .netrc replaces the token


def _keep_headers(request: Any) -> Any:
    return request


@contextmanager
def _errors() -> Iterator[None]:
    """Turn the errors of the HTTP library into those of this module; texts of libraries are not used."""
    try:
        yield
    except NoResponseError:
        raise
    except Exception as error:
        kind = _KINDS(error)
        if kind is None:
            raise
        raise kind from error


def _requests_error(error: Exception) -> Exception | None:
    errors = _HTTP.exceptions
    if not isinstance(error, errors.RequestException):
        return None
    names = {type(cause).__name__ for cause in causes(error)}
    if isinstance(error, errors.Timeout) or "ReadTimeoutError" in names:  # while bytes are read, a ConnectionError
        return NoResponseError()
    if isinstance(error, errors.ChunkedEncodingError):
        return ConnectionLostError()
    if isinstance(error, errors.ConnectionError):
        if names & {"NewConnectionError", "NameResolutionError", "SSLError"}:
            return NotReachedError(refused_by_proxy=False)
        return NotReachedError(refused_by_proxy=True) if "ProxyError" in names else ConnectionLostError()
    return InvalidExchangeError(_kind(error))


def _httpx_error(error: Exception) -> Exception | None:
    if isinstance(error, _HTTP.TimeoutException):
        return NoResponseError()
    if isinstance(error, (_HTTP.ConnectError, _HTTP.ProxyError)):
        return NotReachedError(refused_by_proxy=isinstance(error, _HTTP.ProxyError))
    if isinstance(error, (_HTTP.NetworkError, _HTTP.RemoteProtocolError)):
        return ConnectionLostError()
    if isinstance(error, (_HTTP.HTTPError, _HTTP.InvalidURL)):
        return InvalidExchangeError(_kind(error))
    return None


_KINDS = _requests_error if _LIBRARY == "requests" else _httpx_error


def _kind(error: BaseException) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(error).__name__).lower()
