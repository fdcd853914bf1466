"""Why no connection to the Hub could be made, in words and as a reason."""

import socket
import ssl

import pytest

from detcli.checkpoints.hub.connection_errors import connection_failure, proxy_of

HOST = "https://huggingface.co"


def library_error(cause: BaseException) -> Exception:
    """An error of an HTTP library with this cause, and a secret in its own text."""
    try:
        try:
            raise cause
        except BaseException as inner:
            raise RuntimeError("https://user:secret@host") from inner
    except RuntimeError as error:
        return error


def certificate_error() -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_message = "self-signed certificate"
    return error


@pytest.mark.parametrize(
    ("cause", "sentence", "reason"),
    [
        (socket.gaierror(-2, "Name or service not known"), "cannot be resolved (DNS): Name or service", "dns"),
        (ConnectionRefusedError(111, "Connection refused"), "connection refused", "refused"),
        (OSError(101, "Network is unreachable"), "Network is unreachable", "connection"),
        (certificate_error(), "certificate is not trusted: self-signed", "certificate"),
        (ValueError("no reason"), "no connection", "connection"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_failure_is_told_by_its_cause(cause: BaseException, sentence: str, reason: str) -> None:
    told, kind = connection_failure(library_error(cause), HOST)
    assert told.startswith(f"cannot reach {HOST}: ")
    assert sentence in told
    assert kind == reason
    assert "secret" not in told


def test_a_proxy_that_cannot_be_reached_is_named() -> None:
    error = library_error(ConnectionRefusedError(111, "Connection refused"))
    told = connection_failure(error, HOST, proxy="http://proxy:3128")
    assert told == ("cannot reach the proxy http://proxy:3128: connection refused", "proxy")


def test_a_proxy_that_refuses_is_named() -> None:
    told = connection_failure(RuntimeError("407"), HOST, proxy="http://proxy:3128", refused_by_proxy=True)
    assert told == (f"the proxy http://proxy:3128 makes no connection to {HOST}", "proxy")


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, None),
        ({"https_proxy": "http://user:secret@proxy:3128/"}, "http://proxy:3128"),
        ({"https_proxy": "proxy:3128"}, "http://proxy:3128"),
        ({"all_proxy": "socks5://proxy"}, "socks5://proxy"),
        ({"http_proxy": "http://proxy:3128"}, None),
        ({"https_proxy": "http://proxy:3128", "no_proxy": "huggingface.co"}, None),
        ({"https_proxy": "http://[bad"}, "of the environment"),
    ],
    ids=str,
)
def test_the_proxy_comes_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], expected: str | None
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        for variable in (name, name.upper()):
            monkeypatch.delenv(variable, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert proxy_of(HOST) == expected
