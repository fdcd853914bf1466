"""Requests through the session of huggingface_hub, so that its proxy, certificate and hook settings apply.

Its HTTP library depends on its release: requests before 1.0, httpx in 1.x, httpx2 from 2.0 on. Both kinds are used through
the same two functions here, and their errors become the three errors of this module.
"""

import importlib
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

from huggingface_hub import get_session
from huggingface_hub.errors import HfHubHTTPError

from detcli.checkpoints.hub.connection_errors import causes

_LIBRARY = HfHubHTTPError.__mro__[1].__module__.partition(".")[0]
_HTTP: Any = importlib.import_module(_LIBRARY)
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
    with _errors():
        response: Response = get_session().request(
            "HEAD", url, headers=dict(headers), timeout=timeout_s, **_options(follow_redirects=False)
        )
        return response


@contextmanager
def get(url: str, headers: Mapping[str, str], timeout_s: float) -> Iterator[tuple[Response, Iterator[bytes]]]:
    """Yield the response to a GET request and its bytes as they arrive; redirects are followed.

    The token is not sent to another host. Raises the errors of this module, also while bytes are read.
    """
    session: Any = get_session()
    arguments = {"headers": dict(headers), "timeout": timeout_s} | _options(follow_redirects=True)
    with _errors():
        if _LIBRARY == "requests":
            with session.request("GET", url, stream=True, **arguments) as response:
                yield response, response.iter_content(_CHUNK_BYTES)
        else:
            with session.stream("GET", url, **arguments) as response:
                yield response, response.iter_bytes()


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
