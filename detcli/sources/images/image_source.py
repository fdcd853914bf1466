"""Lists the images of files, folders, archives, globs, URLs, object stores and lists, and reads one image from standard input."""

import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Final

from detcli.errors import ImageError
from detcli.io.images.formats import IMAGE_SUFFIXES, check_head
from detcli.io.naming import UniqueNames, nearest_common_folder, relative_below, safe_relative
from detcli.io.read import read_bytes, real_path
from detcli.io.remote.addresses import is_remote, without_credentials
from detcli.sources.archives.archive_images import ArchiveImages, ArchiveSettings, MemberChoice, UncountedError
from detcli.sources.archives.archive_place import ArchivePlace, archive_place, is_archive_name
from detcli.sources.images.address_images import AddressImages
from detcli.sources.images.argument_paths import (
    absolute_path,
    anchor_of,
    comparable_path,
    is_address,
    is_excluded,
    is_pattern,
    is_range,
    may_exist,
    path_in_archive,
)
from detcli.sources.images.brace_ranges import check_ranges, expand_ranges
from detcli.sources.images.lazy_image import FailedImage, LazyImage
from detcli.sources.images.listed_image import ListedImage
from detcli.sources.images.path_lists import head_of, image_of, is_image, opened_list, paths_in, standard_input
from detcli.sources.images.path_walker import FoundPath, PathWalker, split_glob
from detcli.sources.images.store_images import StoreImages
from detcli.sources.source import STANDARD_INPUT, SourceItem, SourceSettings
from detcli.structures.frame import Origin

_MIN_MAX_BYTES: Final = 64 << 20
_BYTES_PER_PIXEL: Final = 8  # the maximum of all formats: four samples of 16 bits
_CAMERA = re.compile(r"(cam|/dev/video)\d{1,3}", re.ASCII)


class ImageSource:
    """The images that arguments name, in the order of the arguments; folders are sorted by the bytes of full paths.

    arguments  files, folders, archives, globs, ranges in braces, http and https URLs, addresses in object stores, "-" for
               standard input. An existing path is neither a glob nor a range, whatever characters it has.
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
        self._outputs = {comparable_path(path) for output in settings.outputs for path in (output, real_path(output))}
        self._max_bytes = max(_MIN_MAX_BYTES, _BYTES_PER_PIXEL * settings.max_pixels)
        choice = MemberChoice(self._suffixes, settings.recursive, self._is_excluded, settings.extensions is None)
        self._archives = ArchiveImages(
            ArchiveSettings(choice, self._max_bytes, settings.skipped, settings.read_ahead, settings.only_counts)
        )
        listed = () if settings.files_from else self._arguments
        stores = StoreImages(
            listed,
            suffixes=self._suffixes,
            recursive=settings.recursive,
            is_excluded=self._is_excluded,
            max_bytes=self._max_bytes,
            skipped=settings.skipped if settings.extensions is None else None,
        )
        self._addresses = AddressImages(listed, stores, self._archives, self._is_excluded)
        for argument in filter(is_range, self._arguments):
            check_ranges(argument)

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
        """The number of images; None where standard input, a pipe, an archive or an object store would have to be read."""
        listed = self._settings.files_from
        if any(map(is_remote, self._arguments)):
            return None
        if STANDARD_INPUT in self._arguments or (listed is not None and not os.path.isfile(listed)):  # noqa: PTH113
            return None
        settings = replace(self._settings, skipped=None, only_counts=True)  # what it skips is counted once
        try:
            return sum(1 for _ in ImageSource(self._arguments, settings)._limited())
        except UncountedError:
            return None

    def _limited(self) -> Iterator[tuple[str, ListedImage]]:
        limit = self._settings.limit
        return islice(self._all(), None if limit is None else min(limit, sys.maxsize))

    def _all(self) -> Iterator[tuple[str, ListedImage]]:
        """All images, each with the name of its source: the argument or the list that names it."""
        base = self._base()
        for argument in self._arguments:
            source = without_credentials(argument) if is_address(argument) else argument
            found = self._standard_input() if argument == STANDARD_INPUT else self._named(argument, base)
            for listed in found:
                yield source, listed
        files_from = self._settings.files_from
        if files_from is not None:
            with opened_list(files_from) as stream:
                paths = paths_in(stream, null_separated=self._settings.null_separated, name=files_from)
                for listed in self._from_list(paths):
                    yield without_credentials(files_from) if is_remote(files_from) else files_from, listed

    def _base(self) -> str:
        """The folder that output names are relative to: the nearest common one, or the current folder for lists.

        A list is a stream: when its first image needs a name, the other paths are unknown.
        """
        if self._settings.files_from is not None or STANDARD_INPUT in self._arguments:
            return absolute_path("")
        return nearest_common_folder(anchor_of(argument) for argument in self._arguments if not is_address(argument))

    def _named(self, argument: str, base: str) -> Iterator[ListedImage]:
        """The images that one argument names."""
        if is_range(argument):
            if not any(map(may_exist, expand_ranges(argument))):
                yield _failed(argument, base, ImageError("not-found", "no file of this range exists"))
                return
            for name in expand_ranges(argument):
                yield from self._named(name, base)
        elif os.path.isdir(argument):  # noqa: PTH112 - any name
            yield from self._found(self._walk(argument).folder(argument), argument, base)
        elif is_pattern(argument):
            matched = False
            start = split_glob(argument)[0]
            found = self._walk(start).glob(argument)
            existing = (item for item in found if item.below or item.error is None or item.error.code != "not-found")
            for listed in self._found(existing, start, base, opens_archives=True):
                matched = True
                yield listed
            if not matched:
                yield _failed(argument, base, ImageError("not-found", "no file matches this pattern"))
        else:
            yield from self._single(argument, base)

    def _single(self, path: str, base: str) -> Iterator[ListedImage]:
        """One file, archive or URL."""
        place = archive_place(path)
        if is_address(path):
            yield from self._addresses.named(path, place)
        elif _CAMERA.fullmatch(path) and not os.path.lexists(path):
            error = ImageError("not-found", "no such file or folder; cameras are read as videos")
            yield ListedImage(path, relative_below(absolute_path(path), base), FailedImage(error))
        elif self._is_excluded(safe_relative(path if place is None else place.path)):
            return
        elif place is not None:
            yield from self._archived(place, base)
        else:
            yield ListedImage(path, relative_below(absolute_path(path), base), self._reader(path))

    def _archived(self, place: ArchivePlace, base: str) -> Iterator[ListedImage]:
        for image in self._archives.of(place):
            full = path_in_archive(place.path, image.below) if image.below else absolute_path(place.path)
            yield ListedImage(image.file, relative_below(full, base), image.read)

    def _found(
        self, found: Iterable[FoundPath], start: str, base: str, *, opens_archives: bool = False
    ) -> Iterator[ListedImage]:
        """The paths of a walk, with names below the base. A glob that has the suffix of archives names them."""
        root = absolute_path(start).rstrip(os.sep)
        for item in found:
            if opens_archives and item.error is None and is_archive_name(item.path):
                yield from self._archived(ArchivePlace(item.path), base)
                continue
            full = f"{root}{os.sep}{item.below.replace('/', os.sep)}" if item.below else root
            read = self._reader(item.path) if item.error is None else FailedImage(item.error)
            yield ListedImage(item.path, relative_below(full, base), read)

    def _standard_input(self) -> Iterator[ListedImage]:
        stream = standard_input()
        null_separated = self._settings.null_separated
        head = head_of(stream, null_separated=null_separated)
        if not head:
            return
        if not is_image(head, null_separated=null_separated):
            yield from self._from_list(paths_in(stream, null_separated=null_separated, head=head))
            return
        relative, read = image_of(stream, head, self._max_bytes)
        yield ListedImage(STANDARD_INPUT, relative, read)

    def _from_list(self, paths: Iterable[str]) -> Iterator[ListedImage]:
        """The files, folders and URLs of a list; a list has no globs."""
        current = absolute_path("")
        below_current = (
            comparable_path("") + os.sep
        )  # an output folder that contains the current folder excludes nothing
        written = tuple(output + os.sep for output in self._outputs if not below_current.startswith(output + os.sep))
        for path in paths:
            if written and (comparable_path(path) + os.sep).startswith(written):
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
        return is_excluded(relative, self._exclude)


def _failed(argument: str, base: str, error: ImageError) -> ListedImage:
    return ListedImage(argument, relative_below(absolute_path(argument), base), FailedImage(error))
