"""The interface of sources, their registry, and the source that arguments name.

A source lists its images one after the other without opening them. Each `SourceItem` reads its image when it is called,
in any thread. So listing is fast and keeps the order, and reading can run ahead.
"""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, runtime_checkable

from detcli.errors import UsageError
from detcli.io.images.limits import DEFAULT_MAX_PIXELS
from detcli.io.naming import SkippedEntries
from detcli.io.remote.addresses import is_remote, store_address
from detcli.registry import Registry
from detcli.sources.archives.read_ahead import ReadAhead
from detcli.structures.frame import FailedFrame, Frame, Origin, Resize

STANDARD_INPUT: Final = "-"


@dataclass(frozen=True, slots=True)
class SourceSettings:
    """Which images are read, and how.

    recursive       search subfolders
    extensions      suffixes taken from folders, lower case without the dot; None: those of every image format
    exclude         glob patterns of paths or names to skip
    outputs         files and folders that the run writes, never read as input
    files_from      file with a list of paths, "-" for standard input; None: no list
    null_separated  the list is separated by NUL bytes, not by line ends
    limit           maximum number of images
    max_pixels      an image with more pixels is rejected before it is decoded
    skipped         gets what listing skips in folders and archives; None: not needed
    read_ahead      limit of the members of compressed archives that are listed and not read yet; None: they are not kept,
                    and read again when they are needed
    only_counts     the images are only counted
    """

    recursive: bool = True
    extensions: tuple[str, ...] | None = None
    exclude: tuple[str, ...] = ()
    outputs: tuple[Path, ...] = ()
    files_from: str | None = None
    null_separated: bool = False
    limit: int | None = None
    max_pixels: int = DEFAULT_MAX_PIXELS
    skipped: SkippedEntries | None = None
    read_ahead: ReadAhead | None = None
    only_counts: bool = False


class SourceItem(Protocol):
    """An image of the input that is not read yet."""

    @property
    def origin(self) -> Origin:
        """Its index, path and name in the input."""

    def __call__(self, resize: Resize | None = None) -> Frame | FailedFrame:
        """Read and decode it; returns a FailedFrame for an image that cannot be read. Works in any thread.

        resize  given where the full-size pixels are not needed: the frame may then have the resized pixels only, which
                saves two copies of the image
        """


@runtime_checkable
class Prefetchable(Protocol):
    """An item, or what reads it, that can be requested before it is called: a connection waits, no thread."""

    def prefetch(self) -> None:
        """Begin to read it in the background."""


class Source(Protocol):
    """A list of images."""

    def __iter__(self) -> Iterator[SourceItem]:
        """List the images in input order; the same order at each call."""

    def count(self) -> int | None:
        """The number of images, or None where it is unknown; may take some time. Works in any thread."""


class NamedSource(Source, Protocol):
    """A source made from arguments."""

    def __init__(self, arguments: Sequence[str], settings: SourceSettings) -> None: ...


_DEFAULT = "images"

# A source named `x` gets the arguments that start with `x:`; the default one gets all others.
SOURCES: Registry[type[NamedSource]] = Registry(
    "source", {_DEFAULT: "detcli.sources.images.image_source:ImageSource"}, group="detcli.sources"
)

_PREFIX = re.compile(r"([a-z][a-z0-9+._-]+):", re.ASCII)  # two characters or more: a letter is a drive of Windows
_NOT_SOURCES = ("http", "https", "file")


def make_source(arguments: Sequence[str], settings: SourceSettings) -> Source:
    """The source that arguments and settings name; nothing is listed or read yet.

    Raises UsageError where nothing is named, or standard input twice, or a list that does not exist or cannot be opened, or
    an address in an object store without a bucket; LibraryError where the driver of a store is not installed.
    """
    listed = settings.files_from
    if not arguments and listed is None:
        raise UsageError(
            "no images are named: `sources` must name files, folders, globs, addresses or '-', or `files_from` a list of them"
        )
    if [*arguments, listed].count(STANDARD_INPUT) > 1:
        raise UsageError("standard input ('-') is named more than once, and it can be read only once")
    if listed is not None and listed != STANDARD_INPUT:
        _check_list(listed)
    for argument in arguments:
        _is_stored(argument)
    prefixed = {name: argument for argument in arguments if (name := source_of(argument)) is not None}
    if not prefixed:
        return SOURCES[_DEFAULT](arguments, settings)
    name, claimed = next(iter(prefixed.items()))
    others = [argument for argument in arguments if source_of(argument) != name]
    if others or listed is not None:
        raise UsageError(f"'{claimed}' is of the source '{name}', and cannot be combined with '{(*others, listed)[0]}'")
    return SOURCES[name](arguments, settings)


def source_of(argument: str) -> str | None:
    """The name of the source whose prefix an argument has, `x` for `x:anything`; None for the default source.

    An existing file of that name is taken as the file.
    """
    match = _PREFIX.match(argument)
    if match is None or match[1] in _NOT_SOURCES or os.path.lexists(argument):
        return None
    return match[1] if match[1] != _DEFAULT and match[1] in SOURCES else None


def _is_stored(name: str) -> bool:
    """Whether a name is an address in an object store. Raises UsageError and LibraryError as `make_source`."""
    if not is_remote(name) or os.path.lexists(name):
        return False
    from detcli.io.remote.stores import check_driver  # takes a part of the start-up

    check_driver(store_address(name))
    return True


def _check_list(name: str) -> None:
    if _is_stored(name):
        return
    try:
        exists = Path(name).exists()
    except OSError as error:
        raise UsageError(f"cannot open the list '{name}': {error.strerror}") from error
    if not exists:
        raise UsageError(f"the list '{name}' does not exist")
