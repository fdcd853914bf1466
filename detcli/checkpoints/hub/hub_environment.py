"""Environment variables of the Hub and its cache; read at each call, not at import."""

import os
from pathlib import Path
from urllib.parse import urlsplit

from detcli.errors import UsageError

_DEFAULT_ENDPOINT = "https://huggingface.co"
_TRUE = ("1", "ON", "YES", "TRUE")
_FALSE = ("", "0", "OFF", "NO", "FALSE")


def hub_endpoint() -> str:
    """Return the address of the Hub or its mirror. Raises UsageError if HF_ENDPOINT is none.

    The library of the Hub reads HF_ENDPOINT when it is imported, so this is called before.
    """
    endpoint = (os.environ.get("HF_ENDPOINT") or _DEFAULT_ENDPOINT).rstrip("/")
    if not _is_address(endpoint):
        raise UsageError(f"HF_ENDPOINT must be a URL such as {_DEFAULT_ENDPOINT}, not '{endpoint[:200]}'")
    return endpoint


def cache_folder(given: Path | None = None) -> Path:
    """Return the cache folder of the Hub: `given`, else by HF_HUB_CACHE, HF_HOME, XDG_CACHE_HOME, else ~/.cache."""
    if given is not None:
        return Path(_expanded(str(given)))
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        if os.environ.get(name):
            return Path(_expanded(os.environ[name]))
    home = os.environ.get("HF_HOME") or str(
        Path(os.environ.get("XDG_CACHE_HOME") or os.path.join("~", ".cache")) / "huggingface"  # noqa: PTH118
    )
    return Path(_expanded(home)) / "hub"


def is_offline() -> bool:
    """Whether the environment forbids downloads."""
    return is_true("HF_HUB_OFFLINE") or is_true("TRANSFORMERS_OFFLINE")


def is_true(name: str) -> bool:
    """Whether an environment variable has a value that the Hub takes as true.

    Raises UsageError for a value that is neither true nor false: the Hub's library takes it as false without a word.
    """
    text = os.environ.get(name, "").strip().upper()
    if text not in _TRUE and text not in _FALSE:
        raise UsageError(f"{name} must be 1 or 0, not '{os.environ[name][:40]}'")
    return text in _TRUE


def seconds(name: str, default: float) -> float:
    """Return a number of seconds from an environment variable. Raises UsageError for an invalid value."""
    text = os.environ.get(name, "")
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.0 < value < 86400.0:
        raise UsageError(f"{name} must be a number of seconds, not '{text}'")
    return value


def _is_address(endpoint: str) -> bool:
    try:
        parts = urlsplit(endpoint)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0 and not parts.query
    except ValueError:  # of a port that is no number or too large, or of brackets
        return False


def _expanded(path: str) -> str:
    return os.path.expandvars(os.path.expanduser(path))  # noqa: PTH111 - Path.expanduser raises without a home
