"""Why no connection to the Hub could be made, in words: its name, its port, its certificate, or a proxy."""

import socket
import ssl
from collections.abc import Iterator
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from detcli.errors import HubErrorReason


def connection_failure(
    error: BaseException, host: str, *, proxy: str | None = None, refused_by_proxy: bool = False
) -> tuple[str, HubErrorReason]:
    """The sentence and the reason for an error of the HTTP library; its text is not used, since it may have a URL.

    host              of the Hub, as messages show it
    proxy             that the request went through, or None
    refused_by_proxy  the proxy answered, and made no connection
    """
    if refused_by_proxy:
        return f"the proxy {proxy or 'of the environment'} makes no connection to {host}", "proxy"
    sentence, reason = _cause(error)
    if proxy is not None and reason != "certificate":
        return f"cannot reach the proxy {proxy}: {sentence}", "proxy"
    return f"cannot reach {host}: {sentence}", reason


def proxy_of(endpoint: str) -> str | None:
    """The proxy that the environment names for a URL, without user name and password; None for no proxy."""
    parts = urlsplit(endpoint)
    proxies = getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if not proxy or not parts.hostname or proxy_bypass(parts.hostname):
        return None
    try:
        found = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        port = f":{found.port}" if found.port else ""
    except ValueError:
        return "of the environment"
    return f"{found.scheme}://{found.hostname or ''}{port}"


def _cause(error: BaseException) -> tuple[str, HubErrorReason]:
    """The first cause that says something: the operating system's own reason."""
    for cause in causes(error):
        if isinstance(cause, socket.gaierror):
            return f"its name cannot be resolved (DNS): {cause.strerror or 'unknown host'}", "dns"
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted: {cause.verify_message}", "certificate"
        if isinstance(cause, ConnectionRefusedError):
            return "connection refused", "refused"
        if isinstance(cause, ssl.SSLError):
            return "no encrypted connection (TLS)", "connection"
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror, "connection"
    return "no connection", "connection"


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and what caused it, also the errors that urllib3 keeps as arguments or as `reason`."""
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        cause = waiting.pop()
        if isinstance(cause, BaseException) and id(cause) not in seen:
            seen.add(id(cause))
            yield cause
            waiting += [getattr(cause, "reason", None), *cause.args, cause.__context__, cause.__cause__]
