"""What an address is, and how it is shown; needs none of the modules that download it."""

import posixpath
import re
from dataclasses import dataclass, field, replace
from urllib.parse import unquote, urlsplit, urlunsplit

from detcli.errors import UsageError

# Scheme of a URL -> extra of pyproject.toml that has the driver; None: the driver comes with detcli.
DRIVERS = {
    "s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs", "az": "azure", "abfs": "azure", "abfss": "azure",
    "hf": None, "memory": None,
}  # fmt: skip
# An "@" is no end of a user there: abfs://CONTAINER@ACCOUNT.dfs.core.windows.net/PATH, hf://OWNER/REPOSITORY@REVISION/PATH
_WITH_AT = ("az", "abfs", "abfss", "hf")
_URL = re.compile(r"https?://", re.IGNORECASE)
_ANY_SCHEME = re.compile(r"([a-z][a-z0-9+.-]+)://", re.IGNORECASE)
_SECRET = re.compile(
    r"([?&;][^=&;#]*(?:token|secret|signature|sig|password|passwd|credential|key|auth)[^=&;#]*)=[^&;#]*", re.I
)
# User and password before the bucket; a secret key may have "/" in it, and the name of a bucket has no ":".
_USER = re.compile(r"(?!arn:)([^/@:]*):([^@]*)@|([^/@]*)@")


@dataclass(frozen=True, slots=True)
class StoreAddress:
    """An object, or the prefix of several, in an object store.

    scheme    in lower case
    bucket    the first part: a bucket, a container, the owner of a repository
    key       the rest, without a "/" at its beginning; "" for the complete bucket
    user, password  from the address; they are neither shown nor compared
    """

    scheme: str
    bucket: str
    key: str
    user: str | None = field(default=None, repr=False, compare=False)
    password: str | None = field(default=None, repr=False, compare=False)

    @property
    def path(self) -> str:
        """As fsspec names it within the store."""
        return f"{self.bucket}/{self.key}" if self.key else self.bucket

    @property
    def partial(self) -> "StoreAddress":
        """The address for the results of an interrupted run: `out.partial.jsonl` beside `out.jsonl`."""
        stem, suffix = posixpath.splitext(self.key)
        return replace(self, key=f"{stem}.partial{suffix}")

    def __str__(self) -> str:
        """The URL as the user can type it, without credentials."""
        return _SECRET.sub(r"\1=...", f"{self.scheme}://{self.path}")


def is_url(text: str) -> bool:
    """Whether it is an http or https URL."""
    return _URL.match(text) is not None


def is_remote(text: str) -> bool:
    """Whether it is an address in an object store: s3://, gs://, az://, abfs://, hf:// or memory://."""
    return scheme_of(text) in DRIVERS


def scheme_of(text: str) -> str | None:
    """The scheme before `://`, lower case; None where there is none."""
    match = _ANY_SCHEME.match(text)
    return match[1].lower() if match else None


def store_address(url: str | StoreAddress) -> StoreAddress:
    """The parts of an address in an object store. Raises UsageError where it names no bucket."""
    if isinstance(url, StoreAddress):
        return url
    scheme, _, rest = url.partition("://")
    scheme, user, password = scheme.lower(), None, None
    match = _USER.match(rest)
    if match is not None and (scheme not in _WITH_AT or match[2]):
        user, password = unquote(match[1] if match[3] is None else match[3]), unquote(match[2] or "")
        rest = rest[match.end() :]
    bucket, _, key = rest.partition("/")
    if not bucket:
        raise UsageError(f"an address '{scheme}://...' names no bucket: write {scheme}://BUCKET/KEY")
    if ":" in bucket and not bucket.startswith("arn:"):  # perhaps credentials, which no message shows
        raise UsageError(f"an address '{scheme}://...' has a ':' in its bucket: write {scheme}://BUCKET/KEY")
    return StoreAddress(scheme, bucket, key, user, password)


def has_signature(address: StoreAddress) -> bool:
    """Whether the address has a query with a secret, as signed https URLs have."""
    return _SECRET.search(address.key) is not None


def without_credentials(url: str) -> str:
    """The URL without user and password, and with `...` for the values of secret parameters."""
    if is_remote(url):
        try:
            return str(store_address(url))
        except UsageError:
            return f"{scheme_of(url)}://..."
    try:
        parts = urlsplit(url)
        shown = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    except ValueError:
        shown = re.sub(r"//[^/]*@", "//", url)
    return _SECRET.sub(r"\1=...", shown)


def without_secrets(text: str) -> str:
    """One line of a message without user, password and secret parameters of the URLs in it."""
    return _SECRET.sub(r"\1=...", re.sub(r"//[^/\s@]*@", "//", re.sub(r"\s+", " ", text)))[:200]
