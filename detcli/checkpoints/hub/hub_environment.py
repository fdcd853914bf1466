"""What the environment says of the Hub and its cache, read whenever it is asked for, not once at import."""

import os
from pathlib import Path

from detcli.errors import UsageError


def cache_folder(given: Path | None = None) -> Path:
    """The folder of the Hub's cache: as given, else by HF_HUB_CACHE, HF_HOME, XDG_CACHE_HOME, else ~/.cache."""
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
    """True where the environment forbids to ask the Hub, as it is now."""
    return is_true("HF_HUB_OFFLINE") or is_true("TRANSFORMERS_OFFLINE")


def is_true(name: str) -> bool:
    """True where an environment variable says yes, in the Hub's words for it."""
    return os.environ.get(name, "").upper() in ("1", "ON", "YES", "TRUE")


def seconds(name: str, default: float) -> float:
    """A number of seconds from an environment variable. Raises UsageError where it is none."""
    text = os.environ.get(name, "")
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.0 < value < 86400.0:
        raise UsageError(f"{name} is not a number of seconds: '{text}'")
    return value


def _expanded(path: str) -> str:
    return os.path.expandvars(os.path.expanduser(path))  # noqa: PTH111 - Path.expanduser raises without a home
