"""What the Hub says of a file: where it is, which commit, how large, which checksum; and each way to say no.

Nothing a server sends becomes a file name or a message unchecked, and a token is only ever sent to the endpoint itself.
"""

import importlib
import os
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NoReturn
from urllib.parse import urljoin, urlsplit

from huggingface_hub import get_session, get_token, hf_hub_url
from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

from detcli.checkpoints.catalog import suggestion
from detcli.checkpoints.hub.checksums import is_checksum, is_commit
from detcli.checkpoints.hub.hub_environment import is_true, seconds
from detcli.errors import AccessError, HubError, NotCachedError, UsageError
from detcli.version import __version__

_DEFAULT_ENDPOINT = "https://huggingface.co"
_LONGEST_WAIT_S = 30.0  # a server that asks for more is asked again by the user
_BUSY = {408, 425, 429, 500, 502, 503, 504}
# The library behind huggingface_hub's session: httpx up to its version 1, httpx2 from 2 on; their errors are the same.
_HTTP: Any = importlib.import_module(HfHubHTTPError.__mro__[1].__module__.partition(".")[0])


class TransientError(Exception):
    """One request failed in a way that another may not.

    weight   failures it counts for; a silence has cost as much time as several
    after_s  seconds the server asked to be left alone, or None
    """

    def __init__(self, sentence: str, *, weight: int = 1, after_s: float | None = None) -> None:
        super().__init__(sentence)
        self.weight = weight
        self.after_s = after_s


@dataclass(slots=True)
class Attempts:
    """How often to try again, and how long to wait before: 0.5 s, 1 s, 2 s, 4 s, or what the server asks for."""

    allowed: int = 5
    _failures: int = field(default=0, init=False)

    def failed(self, error: TransientError) -> None:
        """Wait for the next attempt. Raises HubError where there is none left."""
        self._failures += error.weight
        wait_s = 0.25 * 2**self._failures if error.after_s is None else error.after_s
        if self._failures >= self.allowed or wait_s > _LONGEST_WAIT_S:
            wish = f" and asks to wait {wait_s:.0f} s" if error.after_s is not None and error.after_s >= 1 else ""
            raise HubError(f"{error}{wish}; try again later: what has arrived is kept") from error
        time.sleep(wait_s)

    def progressed(self) -> None:
        """Something arrived: start counting again."""
        self._failures = 0


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file of a repository, as the Hub describes it.

    url       where its bytes are asked for
    commit    that it belongs to
    checksum  sha256 (64 hex digits), or git's sha1 (40)
    size      in bytes, or None where the server does not say
    """

    repository: str
    name: str
    url: str
    commit: str
    checksum: str
    size: int | None


@dataclass(frozen=True, slots=True)
class Hub:
    """A Hub or a mirror of it, with what it takes to ask it.

    endpoint   its address, without a user name
    headers    of each request; hold the token
    silence_s  seconds to wait for the next bytes
    """

    endpoint: str
    headers: Mapping[str, str] = field(repr=False)
    silence_s: float

    @classmethod
    def from_environment(cls) -> "Hub":
        """By HF_ENDPOINT, HF_TOKEN (or a login) and HF_HUB_DOWNLOAD_TIMEOUT, as they are now. Raises UsageError."""
        endpoint = (os.environ.get("HF_ENDPOINT") or _DEFAULT_ENDPOINT).rstrip("/")
        if not _is_address(endpoint):
            raise UsageError("HF_ENDPOINT is not an address such as https://huggingface.co")
        headers = {"user-agent": f"detcli/{__version__}", "accept-encoding": "identity"}
        token = None if is_true("HF_HUB_DISABLE_IMPLICIT_TOKEN") else get_token()
        if token:
            if not re.fullmatch(r"[\x21-\x7e]+", token):
                raise UsageError("the token in HF_TOKEN, or of your login, holds characters that no token has")
            headers["authorization"] = f"Bearer {token}"
        return cls(endpoint, headers, seconds("HF_HUB_DOWNLOAD_TIMEOUT", 10.0))

    @property
    def host(self) -> str:
        """The endpoint as it may be shown: without user name and password."""
        parts = urlsplit(self.endpoint)
        port = f":{parts.port}" if parts.port else ""
        return f"{parts.scheme}://{parts.hostname}{port}{parts.path}"

    def look_up(self, repository: str, name: str, revision: str) -> RemoteFile | None:
        """Ask for a file of a repository; None where the repository has no such file.

        Raises AccessError where the Hub refuses, HubError where it does not answer sensibly.
        """
        attempts = Attempts()
        while True:
            try:
                return self._ask(repository, name, revision)
            except TransientError as error:
                attempts.failed(error)

    @contextmanager
    def open(self, url: str, start: int) -> Iterator[Any]:
        """The response to a request for a file's bytes from `start` on; redirects are followed without the token."""
        headers = dict(self.headers)
        if start:
            headers["range"] = f"bytes={start}-"
        with (
            self.told(),
            get_session().stream(
                "GET", url, headers=headers, timeout=self.silence_s, follow_redirects=True
            ) as response,
        ):
            yield response

    @contextmanager
    def told(self) -> Iterator[None]:
        """Turn the HTTP library's errors into TransientError and HubError; none of their texts is passed on."""
        try:
            yield
        except _HTTP.TimeoutException as error:
            raise TransientError(f"{self.host} is silent for {self.silence_s:g} s", weight=2) from error
        except _HTTP.ConnectError as error:
            raise TransientError(f"cannot reach {self.host}: {_reason(error)}") from error
        except (_HTTP.NetworkError, _HTTP.RemoteProtocolError) as error:
            raise TransientError(f"the connection to {self.host} broke") from error
        except (_HTTP.HTTPError, _HTTP.InvalidURL) as error:
            kind = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(error).__name__).lower()
            raise HubError(f"{self.host} cannot be used: {kind}") from error
        except OfflineModeIsEnabled as error:
            raise NotCachedError("HF_HUB_OFFLINE was set when this process began, so nothing can be fetched") from error

    def refuse(self, response: Any, repository: str, name: str, revision: str) -> NoReturn:
        """Raise what a status of 400 and more means."""
        status, code = response.status_code, response.headers.get("X-Error-Code")
        if status in _BUSY or status >= 500:
            wait = response.headers.get("Retry-After", "")
            raise TransientError(
                f"{self.host} answers {status}", after_s=float(wait) if re.fullmatch(r"\d{1,6}", wait) else None
            )
        if code == "GatedRepo":
            raise AccessError(
                f"'{repository}' is gated: accept its terms on {self.host}/{repository}, "
                "then put a token of that account into HF_TOKEN"
            )
        if status == 404 and code == "RevisionNotFound":
            raise AccessError(f"'{repository}' has no revision '{revision}' on {self.host}")
        if status in (401, 403) and "authorization" in self.headers and code != "RepoNotFound":
            raise AccessError(f"{self.host} refuses '{repository}' with the token in HF_TOKEN (or of your login)")
        if status in (401, 403, 404, 410):
            raise AccessError(
                f"{self.host} has no repository '{repository}', or it is private and needs a token in HF_TOKEN"
                + suggestion(repository)
            )
        raise HubError(f"{self.host} answers {status} for '{name}' of '{repository}'")

    def _ask(self, repository: str, name: str, revision: str) -> RemoteFile | None:
        url = hf_hub_url(repository, name, revision=revision, endpoint=self.endpoint)
        headers: dict[str, str] = {}
        for _ in range(5):  # renamed repositories; what leads to another host carries its answer in its headers
            with self.told():
                response = get_session().request(
                    "HEAD", url, headers=dict(self.headers), timeout=self.silence_s, follow_redirects=False
                )
            if response.status_code >= 400:
                code = response.headers.get("X-Error-Code")
                if response.status_code == 404 and (code == "EntryNotFound" or (code is None and is_commit(revision))):
                    return None  # the commit is there, since it was named by an earlier answer
                self.refuse(response, repository, name, revision)
            headers |= {key.lower(): value for key, value in response.headers.items()}
            target = _joined(url, headers.pop("location", url))
            if response.status_code // 100 != 3 or urlsplit(target)[:2] != urlsplit(url)[:2]:
                break
            url = target
        else:
            raise HubError(f"{self.host} sends '{name}' of '{repository}' in circles")
        if response.status_code // 100 == 3:
            headers.pop("content-length", None)  # of the redirect's own page
        return self._described(repository, name, revision, headers)

    def _described(self, repository: str, name: str, revision: str, headers: Mapping[str, str]) -> RemoteFile:
        commit = headers.get("x-repo-commit", "")
        if not is_commit(commit) or (is_commit(revision) and commit != revision):
            raise HubError(
                f"{self.host} does not say which commit '{name}' of '{repository}' belongs to: it is no Hub, "
                "or what stands between (a proxy, a login page) changed its answer"
            )
        checksum = headers.get("x-linked-etag") or headers.get("etag", "")
        checksum = checksum.removeprefix("W/").strip('"')
        if not is_checksum(checksum):
            raise HubError(f"{self.host} gives no checksum for '{name}' of '{repository}'; nothing was fetched")
        size = headers.get("x-linked-size") or headers.get("content-length", "")
        url = hf_hub_url(repository, name, revision=commit, endpoint=self.endpoint)  # a branch may move meanwhile
        return RemoteFile(
            repository, name, url, commit, checksum, int(size) if re.fullmatch(r"\d{1,15}", size) else None
        )


def _is_address(endpoint: str) -> bool:
    try:
        parts = urlsplit(endpoint)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0 and not parts.query
    except ValueError:
        return False


def _joined(url: str, location: str) -> str:
    try:
        target = urljoin(url, location)
        urlsplit(target)
    except ValueError:
        return ""  # an address of nowhere, so of another host
    return target


def _reason(error: BaseException) -> str:
    """What the operating system said, from the chain of causes; never the text of a library, which may quote a URL."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        cause = cause.__cause__ or cause.__context__
    return "no connection"
