"""Requests to the Hub: URL, commit, size and checksum of a file; and the meaning of each error response.

Data from a server is checked before it is used in a file name or a message. The token is sent to the endpoint only.
"""

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NoReturn
from urllib.parse import urljoin, urlsplit

from huggingface_hub import get_token, hf_hub_url
from huggingface_hub.errors import OfflineModeIsEnabled

from detcli.checkpoints.catalog import find, suggestion
from detcli.checkpoints.hub import hub_session
from detcli.checkpoints.hub.checksums import is_checksum, is_commit
from detcli.checkpoints.hub.connection_errors import connection_failure, proxy_of
from detcli.checkpoints.hub.hub_environment import hub_endpoint, is_true, seconds
from detcli.errors import AccessError, HubError, HubErrorReason, NotCachedError, UsageError
from detcli.version import __version__

_LONGEST_WAIT_S = 30.0  # if a server asks for more, the user has to try again
_BUSY = {408, 425, 429, 500, 502, 503, 504}


class TransientError(Exception):
    """One request failed, but another attempt may succeed.

    weight   number of failures that it counts for; a time-out takes as long as several
    after_s  seconds to wait before the next request, as the server asks; or None
    reason   why it failed
    """

    def __init__(
        self, sentence: str, *, weight: int = 1, after_s: float | None = None, reason: HubErrorReason = "response"
    ) -> None:
        super().__init__(sentence)
        self.weight = weight
        self.after_s = after_s
        self.reason: HubErrorReason = reason


@dataclass(slots=True)
class Attempts:
    """The number of attempts, and the waiting time before each: 0.5 s, 1 s, 2 s, 4 s, or what the server asks for.

    repository, name  of the file that is requested
    """

    repository: str
    name: str
    allowed: int = 5
    _failures: int = field(default=0, init=False)

    def failed(self, error: TransientError) -> None:
        """Wait for the next attempt. Raises HubError if no attempt is left."""
        self._failures += error.weight
        wait_s = 0.25 * 2**self._failures if error.after_s is None else error.after_s
        if self._failures >= self.allowed or wait_s > _LONGEST_WAIT_S:
            request = f" and asks to wait {wait_s:.0f} s" if error.after_s is not None and error.after_s >= 1 else ""
            raise HubError(
                f"{_cannot_download(self.repository, self.name)}: {error}{request}; try again later: downloaded data is kept",
                reason=error.reason,
                repository=self.repository,
            ) from error
        time.sleep(wait_s)

    def progressed(self) -> None:
        """Data arrived: count failures from 0 again."""
        self._failures = 0


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file of a repository, as the Hub describes it.

    url       of its bytes
    commit    of the file
    checksum  sha256 (64 hex digits), or git's sha1 (40)
    size      in bytes; None: unknown
    """

    repository: str
    name: str
    url: str
    commit: str
    checksum: str
    size: int | None


@dataclass(frozen=True, slots=True)
class Hub:
    """The Hub or a mirror of it.

    endpoint   its URL
    headers    of each request, with the token
    timeout_s  seconds to wait for the next bytes
    """

    endpoint: str
    headers: Mapping[str, str] = field(repr=False)
    timeout_s: float

    @classmethod
    def from_environment(cls) -> "Hub":
        """By HF_ENDPOINT, HF_TOKEN (or a login) and HF_HUB_DOWNLOAD_TIMEOUT, at this time. Raises UsageError."""
        endpoint = hub_endpoint()
        headers = {"user-agent": f"detcli/{__version__}", "accept-encoding": "identity"}
        token = None if is_true("HF_HUB_DISABLE_IMPLICIT_TOKEN") else get_token()
        if token:
            if not re.fullmatch(r"[\x21-\x7e]+", token):
                raise UsageError("the token in HF_TOKEN, or of your login, has invalid characters")
            headers["authorization"] = f"Bearer {token}"
        return cls(endpoint, headers, seconds("HF_HUB_DOWNLOAD_TIMEOUT", 10.0))

    @property
    def host(self) -> str:
        """The endpoint without user name and password, for messages."""
        parts = urlsplit(self.endpoint)
        port = f":{parts.port}" if parts.port else ""
        return f"{parts.scheme}://{parts.hostname}{port}{parts.path}"

    def find_file(self, repository: str, name: str, revision: str) -> RemoteFile | None:
        """Request the description of a file; None if the repository has no such file.

        Raises AccessError if the Hub denies access, HubError for an invalid response.
        """
        attempts = Attempts(repository, name)
        while True:
            try:
                return self._request(repository, name, revision)
            except TransientError as error:
                attempts.failed(error)

    @contextmanager
    def open(self, url: str, start: int) -> Iterator[tuple[hub_session.Response, Iterator[bytes]]]:
        """Yield the response to a request for the bytes of a file from `start` on, and the bytes; redirects are followed."""
        headers = dict(self.headers)
        if start:
            headers["range"] = f"bytes={start}-"
        with self.http_errors(), hub_session.get(url, headers, self.timeout_s) as opened:
            yield opened

    @contextmanager
    def http_errors(self) -> Iterator[None]:
        """Turn errors of a request into TransientError and HubError."""
        try:
            yield
        except hub_session.NoResponseError as error:
            sentence = f"{self.host} does not respond within {self.timeout_s:g} s"
            raise TransientError(sentence, weight=3, reason="timeout") from error  # two attempts: 30 s
        except hub_session.NotReachedError as error:
            sentence, reason = connection_failure(
                error, self.host, proxy=proxy_of(self.endpoint), refused_by_proxy=error.refused_by_proxy
            )
            weight = 9 if reason == "certificate" else 2  # another attempt meets the same certificate
            raise TransientError(sentence, weight=weight, reason=reason) from error
        except hub_session.ConnectionLostError as error:
            raise TransientError(f"the connection to {self.host} was lost", reason="connection") from error
        except hub_session.InvalidExchangeError as error:
            raise HubError(f"{self.host} cannot be used: {error}") from error
        except OfflineModeIsEnabled as error:
            raise NotCachedError(
                "HF_HUB_OFFLINE was set when this process started, so nothing can be downloaded"
            ) from error

    def refuse(self, response: hub_session.Response, repository: str, name: str, revision: str) -> NoReturn:
        """Raise the error for a status of 400 or more."""
        status, code = response.status_code, response.headers.get("X-Error-Code")
        if status in _BUSY or status >= 500:
            wait = response.headers.get("Retry-After", "")
            raise TransientError(
                f"{self.host} responds with status {status}",
                after_s=float(wait) if re.fullmatch(r"\d{1,6}", wait) else None,
            )
        if code == "GatedRepo":
            raise AccessError(
                f"'{repository}' is gated: accept its terms on {self.host}/{repository}, "
                "then set HF_TOKEN to a token of that account"
            )
        if status == 404 and code == "RevisionNotFound":
            raise AccessError(f"'{repository}' has no revision '{revision}' on {self.host}")
        if status in (401, 403) and "authorization" in self.headers and code != "RepoNotFound":
            raise AccessError(
                f"{self.host} denies access to '{repository}' with the token in HF_TOKEN (or of your login)"
            )
        if status in (401, 403, 404, 410):
            raise AccessError(
                f"{self.host} has no repository '{repository}', or it is private and needs a token in HF_TOKEN"
                + suggestion(repository)
            )
        raise HubError(f"{self.host} responds with status {status} for '{name}' of '{repository}'")

    def _request(self, repository: str, name: str, revision: str) -> RemoteFile | None:
        url = hf_hub_url(repository, name, revision=revision, endpoint=self.endpoint)
        headers: dict[str, str] = {}
        for _ in range(5):  # renamed repositories; a redirect to another host has the description in its headers
            with self.http_errors():
                response = hub_session.head(url, self.headers, self.timeout_s)
            if response.status_code >= 400:
                code = response.headers.get("X-Error-Code")
                if response.status_code == 404 and (code == "EntryNotFound" or (code is None and is_commit(revision))):
                    return None  # the commit exists, since an earlier response named it
                self.refuse(response, repository, name, revision)
            headers |= {key.lower(): value for key, value in response.headers.items()}
            target = _joined(url, headers.pop("location", url))
            if response.status_code // 100 != 3 or urlsplit(target)[:2] != urlsplit(url)[:2]:
                break
            url = target
        else:
            raise HubError(f"{self.host} redirects '{name}' of '{repository}' in a loop")
        if response.status_code // 100 == 3:
            headers.pop("content-length", None)  # of the redirect page
        return self._described(repository, name, revision, headers)

    def _described(self, repository: str, name: str, revision: str, headers: Mapping[str, str]) -> RemoteFile:
        commit = headers.get("x-repo-commit", "")
        if not is_commit(commit) or (is_commit(revision) and commit != revision):
            raise HubError(
                f"{self.host} does not report the commit of '{name}' of '{repository}': it is not a Hub, "
                "or a proxy or login page changed its response"
            )
        checksum = headers.get("x-linked-etag") or headers.get("etag", "")
        checksum = checksum.removeprefix("W/").strip('"')
        if not is_checksum(checksum):
            raise HubError(f"{self.host} reports no checksum for '{name}' of '{repository}'; nothing was downloaded")
        size = headers.get("x-linked-size") or headers.get("content-length", "")
        url = hf_hub_url(repository, name, revision=commit, endpoint=self.endpoint)  # a branch may move meanwhile
        return RemoteFile(
            repository, name, url, commit, checksum, int(size) if re.fullmatch(r"\d{1,15}", size) else None
        )


def _cannot_download(repository: str, name: str) -> str:
    entry = find(repository)
    return f"cannot download '{entry.name if entry else repository}' ('{name}' of {repository})"


def _joined(url: str, location: str) -> str:
    try:
        target = urljoin(url, location)
        urlsplit(target)
    except ValueError:
        return ""  # an invalid URL: it counts as another host
    return target
