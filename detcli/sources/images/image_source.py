"""Lists the images of files, folders, globs, URLs and lists of paths, and reads one image from standard input."""

import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Final

from detcli.errors import ImageError
from detcli.io.images.formats import IMAGE_SUFFIXES, SUFFIX_OF, check_head, image_format
from detcli.io.naming import UniqueNames, nearest_common_folder, relative_below, relative_of_url, safe_relative
from detcli.io.read import read_bytes, real_path
from detcli.io.remote.addresses import is_url, scheme_of, without_credentials
from detcli.sources.images.lazy_image import FailedImage, LazyImage
from detcli.sources.images.path_lists import head_of, is_image, opened_list, paths_in, rest_of, standard_input
from detcli.sources.images.path_walker import FoundPath, PathWalker, is_glob, split_glob
from detcli.sources.source import STANDARD_INPUT, SourceItem, SourceSettings
from detcli.structures.frame import Origin

_MIN_MAX_BYTES: Final = 64 << 20
_BYTES_PER_PIXEL: Final = 8  # the maximum of all formats: four samples of 16 bits
_CAMERA = re.compile(r"(cam|/dev/video)\d{1,3}", re.ASCII)
_STREAM_SCHEMES: Final = ("rtsp", "rtsps", "rtmp", "rtmps", "udp", "rtp", "tcp")


@dataclass(frozen=True, slots=True)
class _ListedPath:
    """An image without its index and its unique name."""

    file: str
    relative: str
    read: Callable[[], bytes]


class ImageSource:
    """The images that arguments name, in the order of the arguments; folders are sorted by the bytes of full paths.

    arguments  files, folders, globs, http and https URLs, "-" for standard input. An existing path is never a glob,
               whatever characters it has.
    settings   see `SourceSettings`; `files_from` comes after the arguments

    A missing file is listed too, and fails when it is read. Standard input and lists that are pipes can be listed only
    once. Listing raises UsageError for an invalid list.
    """

    def __init__(self, arguments: Sequence[str], settings: SourceSettings) -> None:
        self._arguments = tuple(arguments)
        self._settings = settings
        suffixes = IMAGE_SUFFIXES if settings.extensions is None else settings.extensions
        self._suffixes = tuple(f".{suffix.lower().lstrip('.')}" for suffix in suffixes)
        self._exclude = tuple(os.path.normcase(pattern.rstrip("/")) for pattern in settings.exclude)
        self._outputs = {_comparable(path) for output in settings.outputs for path in (output, real_path(output))}
        self._max_bytes = max(_MIN_MAX_BYTES, _BYTES_PER_PIXEL * settings.max_pixels)

    def __iter__(self) -> Iterator[SourceItem]:
        """List the images without opening them."""
        names = UniqueNames()
        if self._settings.skipped is not None:
            self._settings.skipped.clear()
        for index, (source, listed) in enumerate(self._limited()):
            relative, stem = names.take(listed.relative)
            origin = Origin(index, listed.file, relative, stem, source=source)
            yield LazyImage(origin, listed.read, self._settings.max_pixels)

    def count(self) -> int | None:
        """The number of images; None where standard input or a pipe would have to be read."""
        listed = self._settings.files_from
        if STANDARD_INPUT in self._arguments or (listed is not None and not os.path.isfile(listed)):  # noqa: PTH113
            return None
        uncounted = ImageSource(self._arguments, replace(self._settings, skipped=None))  # what it skips is counted once
        return sum(1 for _ in uncounted._limited())

    def _limited(self) -> Iterator[tuple[str, _ListedPath]]:
        limit = self._settings.limit
        return islice(self._all(), None if limit is None else min(limit, sys.maxsize))

    def _all(self) -> Iterator[tuple[str, _ListedPath]]:
        """All images, each with the name of its source: the argument or the list that names it."""
        base = self._base()
        for argument in self._arguments:
            source = without_credentials(argument) if _is_address(argument) else argument
            found = self._standard_input() if argument == STANDARD_INPUT else self._named(argument, base)
            for listed in found:
                yield source, listed
        files_from = self._settings.files_from
        if files_from is not None:
            with opened_list(files_from) as stream:
                paths = paths_in(stream, null_separated=self._settings.null_separated, name=files_from)
                for listed in self._from_list(paths):
                    yield files_from, listed

    def _base(self) -> str:
        """The folder that output names are relative to: the nearest common one, or the current folder for lists.

        A list is a stream: when its first image needs a name, the other paths are unknown.
        """
        if self._settings.files_from is not None or STANDARD_INPUT in self._arguments:
            return _absolute("")
        return nearest_common_folder(_anchor(argument) for argument in self._arguments if not _is_address(argument))

    def _named(self, argument: str, base: str) -> Iterator[_ListedPath]:
        """The images that one argument names."""
        if os.path.isdir(argument):  # noqa: PTH112 - any name
            yield from self._found(self._walk(argument).folder(argument), argument, base)
        elif _is_pattern(argument):
            matched = False
            start = split_glob(argument)[0]
            found = self._walk(start).glob(argument)
            existing = (item for item in found if item.below or item.error is None or item.error.code != "not-found")
            for listed in self._found(existing, start, base):
                matched = True
                yield listed
            if not matched:
                yield _failed(argument, base, ImageError("not-found", "no file matches this pattern"))
        else:
            yield from self._single(argument, base)

    def _single(self, path: str, base: str) -> Iterator[_ListedPath]:
        """One file or URL."""
        if _is_address(path):
            yield from self._address(path)
        elif _CAMERA.fullmatch(path) and not os.path.lexists(path):
            error = ImageError("not-found", "no such file or folder; cameras are read as videos")
            yield _ListedPath(path, relative_below(_absolute(path), base), FailedImage(error))
        elif not self._is_excluded(safe_relative(path)):
            yield _ListedPath(path, relative_below(_absolute(path), base), self._reader(path))

    def _address(self, url: str) -> Iterator[_ListedPath]:
        relative = relative_of_url(url)
        if self._is_excluded(relative):
            return
        if is_url(url):
            from detcli.sources.http import fetch  # takes a part of the start-up

            read: Callable[[], bytes] = partial(fetch, url, check_head=check_head)
        else:
            message = f"'{scheme_of(url)}' addresses are not supported; http and https are"
            if scheme_of(url) in _STREAM_SCHEMES:
                message += "; streams are read as videos"
            read = FailedImage(ImageError("unsupported", message))
        yield _ListedPath(without_credentials(url), relative, read)

    def _found(self, found: Iterable[FoundPath], start: str, base: str) -> Iterator[_ListedPath]:
        """The paths of a walk, with names below the base."""
        root = _absolute(start).rstrip(os.sep)
        for item in found:
            full = f"{root}{os.sep}{item.below.replace('/', os.sep)}" if item.below else root
            read = self._reader(item.path) if item.error is None else FailedImage(item.error)
            yield _ListedPath(item.path, relative_below(full, base), read)

    def _standard_input(self) -> Iterator[_ListedPath]:
        stream = standard_input()
        null_separated = self._settings.null_separated
        head = head_of(stream, null_separated=null_separated)
        if not head:
            return
        if not is_image(head, null_separated=null_separated):
            yield from self._from_list(paths_in(stream, null_separated=null_separated, head=head))
            return
        data = rest_of(stream, head, self._max_bytes)
        relative = f"stdin{SUFFIX_OF.get(image_format(head) or '', '')}"
        if len(data) > self._max_bytes:
            error = ImageError("too-large", f"more bytes than the limit of {self._max_bytes:,}")
            yield _ListedPath(STANDARD_INPUT, relative, FailedImage(error))
        else:
            yield _ListedPath(STANDARD_INPUT, relative, lambda: data)

    def _from_list(self, paths: Iterable[str]) -> Iterator[_ListedPath]:
        """The files, folders and URLs of a list; a list has no globs."""
        current = _absolute("")
        below_current = _comparable("") + os.sep  # an output folder that contains the current folder excludes nothing
        written = tuple(output + os.sep for output in self._outputs if not below_current.startswith(output + os.sep))
        for path in paths:
            if written and (_comparable(path) + os.sep).startswith(written):
                continue
            if os.path.isdir(path):  # noqa: PTH112 - any name
                yield from self._found(self._walk(path).folder(path), path, current)
            else:
                yield from self._single(path, current)

    def _reader(self, path: str) -> Callable[[], bytes]:
        return partial(read_bytes, path, max_bytes=self._max_bytes, check_head=check_head)

    def _walk(self, start: str) -> PathWalker:
        root = real_path(start)

        def skips(found: FoundPath) -> bool:
            if self._outputs and os.path.normcase(os.path.join(root, found.below)) in self._outputs:  # noqa: PTH118
                return True
            return self._exclude != () and self._is_excluded(found.below)

        return PathWalker(
            self._settings.recursive,
            lambda name: name.lower().endswith(self._suffixes),
            skips,
            self._settings.skipped,
            counts=self._settings.extensions is None,
        )

    def _is_excluded(self, relative: str) -> bool:
        """Whether a pattern matches the name or the path of a file, or of a folder that contains it."""
        if not self._exclude:
            return False
        parts = os.path.normcase(relative).replace(os.sep, "/").split("/")
        paths = ["/".join(parts[: end + 1]) for end in range(len(parts))]
        patterns = [pattern.replace(os.sep, "/") for pattern in self._exclude]
        return any(fnmatchcase(text, pattern) for pattern in patterns for text in (*parts, *paths))


def _failed(argument: str, base: str, error: ImageError) -> _ListedPath:
    return _ListedPath(argument, relative_below(_absolute(argument), base), FailedImage(error))


def _is_address(argument: str) -> bool:
    return scheme_of(argument) is not None and not os.path.lexists(argument)


def _is_pattern(argument: str) -> bool:
    return is_glob(argument) and not _is_address(argument) and not os.path.lexists(argument)


def _anchor(argument: str) -> str:
    """The folder that contains an argument's images."""
    if os.path.isdir(argument):  # noqa: PTH112 - any name
        return _absolute(argument)
    if _is_pattern(argument):
        return _absolute(split_glob(argument)[0])
    return os.path.dirname(_absolute(argument))  # noqa: PTH120 - any name


def _absolute(path: str) -> str:
    """The absolute path without "." and ".."; links are kept, because names follow what the user typed."""
    return os.path.abspath(path)  # noqa: PTH100 - any name


def _comparable(path: str | Path) -> str:
    return os.path.normcase(os.path.abspath(path))  # noqa: PTH100 - any name
