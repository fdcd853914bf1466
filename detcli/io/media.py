"""Opens media files with every release of PyAV: texts in them that are not UTF-8 never fail the opening."""

from typing import Any, Final

import av
from av.container import InputContainer

# PyAV 19 has no `metadata_errors`: it decodes with "surrogateescape". Earlier ones fail without it, in strict mode.
_AS_UTF8: Final[dict[str, Any]] = {"metadata_errors": "replace"} if int(av.__version__.split(".")[0]) < 19 else {}


def open_media(file: object, **options: Any) -> InputContainer:
    """Open a file, an address or a file object for reading; `options` are those of `av.open`. Raises its errors."""
    container: InputContainer = av.open(file, "r", **_AS_UTF8, **options)
    return container


def clean_text(text: str) -> str:
    """A text of a media file with U+FFFD for each byte that is not UTF-8, so that every writer and terminal takes it."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def clean_metadata(metadata: dict[str, str]) -> dict[str, str]:
    """Metadata with clean names and values."""
    return {clean_text(name): clean_text(value) for name, value in metadata.items()}
