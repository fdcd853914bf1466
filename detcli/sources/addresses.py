"""What an address is, and how it is shown; needs none of the modules that download it."""

import re
from urllib.parse import urlsplit, urlunsplit

_URL = re.compile(r"https?://", re.IGNORECASE)
_ANY_SCHEME = re.compile(r"([a-z][a-z0-9+.-]+)://", re.IGNORECASE)
_SECRET = re.compile(
    r"([?&;][^=&;#]*(?:token|secret|signature|sig|password|passwd|credential|key|auth)[^=&;#]*)=[^&;#]*", re.I
)


def is_url(text: str) -> bool:
    """Whether it is an http or https URL."""
    return _URL.match(text) is not None


def scheme_of(text: str) -> str | None:
    """The scheme before `://`, lower case; None where there is none."""
    match = _ANY_SCHEME.match(text)
    return match[1].lower() if match else None


def without_credentials(url: str) -> str:
    """The URL without user and password, and with `...` for the values of secret parameters."""
    try:
        parts = urlsplit(url)
        shown = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    except ValueError:
        shown = re.sub(r"//[^/]*@", "//", url)
    return _SECRET.sub(r"\1=...", shown)
