"""Lists the images of object stores: objects, prefixes and patterns, while the store lists them.

An address that ends with "/" or names a bucket is a prefix; one with the suffix of an image is an object; for any other the
store is asked.
"""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import partial
from itertools import takewhile
from typing import Final

from detcli.errors import ImageError, UsageError
from detcli.io.images.formats import check_head
from detcli.io.naming import SkippedEntries, safe_relative
from detcli.io.output_paths import OUTPUT_TAG
from detcli.io.remote.addresses import StoreAddress, is_remote, store_address, without_credentials
from detcli.io.remote.background_calls import AheadCall, BackgroundCalls
from detcli.io.remote.listing import StoredObject, list_objects
from detcli.io.remote.read_objects import first_part, object_size, rest_of_object
from detcli.io.remote.stores import CONNECTIONS, check_driver, refuse_signature
from detcli.sources.images.lazy_image import FailedImage
from detcli.sources.images.listed_image import ListedImage
from detcli.sources.images.path_walker import is_glob

_ANY_DEPTH: Final = "**"
_NOT, _INSIDE, _ITSELF = range(3)  # what a pattern matches: not the file, a folder that it is in, the file


class ObjectBytes:
    """Reads an object, of this address with its credentials; its first part may be read ahead."""

    def __init__(self, url: StoreAddress, calls: BackgroundCalls, *, max_bytes: int) -> None:
        self.url, self._max_bytes = url, max_bytes
        self._first = AheadCall(partial(first_part, url, max_bytes=max_bytes), calls)

    def prefetch(self) -> None:
        """Request the first part."""
        self._first.start()

    def __call__(self) -> bytes:
        """All bytes. Raises ImageError."""
        return rest_of_object(self.url, self._first(), max_bytes=self._max_bytes, check_head=check_head)


class StoreImages:
    """The images that addresses in object stores name.

    arguments    all that the user named; names are relative to the deepest common prefix if all are such addresses
    suffixes     of the images below a prefix, with the dot
    recursive    also those whose keys have a further "/"
    is_excluded  whether a name is skipped
    max_bytes    a longer object is rejected
    skipped      gets the objects that are not taken for their suffix, and prefixes with outputs of earlier runs; None: not
                 needed
    """

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        suffixes: tuple[str, ...],
        recursive: bool,
        is_excluded: Callable[[str], bool],
        max_bytes: int,
        skipped: SkippedEntries | None,
    ) -> None:
        self._suffixes, self._recursive, self._max_bytes = suffixes, recursive, max_bytes
        self._is_excluded, self._skipped = is_excluded, skipped
        self._base = self._common(arguments)
        self._calls = BackgroundCalls(CONNECTIONS)

    def named(self, argument: str) -> Iterator[ListedImage]:
        """The images that an address names. A prefix that cannot be listed to its end is an image that fails."""
        try:
            address = store_address(argument)
            check_driver(address)
            refuse_signature(address)
        except (ImageError, UsageError) as error:
            yield self._failed(without_credentials(argument), ImageError("unsupported", str(error)))
            return
        try:
            if is_glob(address.key) and not _is_object(address):
                yield from self._matches(address)
            elif self._is_prefix(address):
                found = list_objects(address, recursive=self._recursive)
                yield from (self._image(item) for item in self._taken(found))
            elif not self._is_excluded(safe_relative(address.path)):
                yield ListedImage(str(address), self._relative(address), self._reader(address))
        except ImageError as error:  # of the listing
            yield self._failed(str(address), error)

    def _is_prefix(self, address: StoreAddress) -> bool:
        """Whether an address is the prefix of objects."""
        if not address.key or address.key.endswith("/"):
            return True
        if address.key.lower().endswith(self._suffixes):
            return False
        return next(list_objects(address), None) is not None

    def _matches(self, address: StoreAddress) -> Iterator[ListedImage]:
        """The images that a pattern matches; the prefix before its first wildcard is listed."""
        start, pattern = _split_pattern(address.key)
        names_suffix = _names_suffix(pattern)
        found = list_objects(replace(address, key=start), recursive="/" in pattern or not names_suffix)
        matches = partial(_match, patterns=pattern.split("/"), recursive=self._recursive)
        matched = False
        for item in self._taken(found, matches, takes_any=names_suffix):
            matched = True
            yield self._image(item)
        if not matched:
            yield self._failed(str(address), ImageError("not-found", "no object matches this pattern"))

    def _taken(
        self,
        found: Iterator[StoredObject],
        matches: Callable[[str], int] = lambda below: _INSIDE,
        *,
        takes_any: bool = False,
    ) -> Iterator[StoredObject]:
        """The images among objects, without hidden names and without outputs of earlier runs."""
        tagged: tuple[str, ...] = ()
        for item in found:
            folder, _, name = item.below.rpartition("/")
            if name == OUTPUT_TAG and folder:  # sorted before the outputs
                tagged = (*tagged, folder + "/")
                if self._skipped is not None:
                    self._skipped.output_folders.append(item.url.rpartition("/")[0])
            if (tagged and item.below.startswith(tagged)) or item.below.startswith(".") or "/." in item.below:
                continue
            how = matches(item.below)
            if how == _NOT or self._is_excluded(item.below):
                continue
            if (takes_any and how == _ITSELF) or name.lower().endswith(self._suffixes):
                yield item
            elif self._skipped is not None:
                self._skipped.by_suffix[os.path.splitext(name)[1].lower()] += 1  # noqa: PTH122 - a key

    def _image(self, item: StoredObject) -> ListedImage:
        return ListedImage(item.url, self._relative(item.address), self._reader(item.address))

    def _reader(self, address: StoreAddress) -> ObjectBytes:
        return ObjectBytes(address, self._calls, max_bytes=self._max_bytes)

    def _failed(self, name: str, error: ImageError) -> ListedImage:
        return ListedImage(name, safe_relative(name.partition("://")[2]), FailedImage(error))

    def _relative(self, address: StoreAddress) -> str:
        return safe_relative(address.path.removeprefix(self._base))

    def _common(self, arguments: Sequence[str]) -> str:
        """The deepest prefix of all addresses, with "/" at its end; "" where not all arguments are in one store."""
        folders: list[list[str]] = []
        schemes = set()
        for argument in arguments:
            if not is_remote(argument):
                return ""
            try:
                address = store_address(argument)
            except UsageError:
                continue
            key = _split_pattern(address.key)[0]
            is_object = bool(key) and not key.endswith("/") and key.lower().endswith(self._suffixes)
            parts = f"{address.bucket}/{key}".rstrip("/").split("/")
            folders.append(parts[:-1] if is_object else parts)
            schemes.add(address.scheme)
        if len(schemes) != 1:
            return ""
        common = takewhile(lambda parts: len(set(parts)) == 1, zip(*folders, strict=False))
        return "".join(f"{parts[0]}/" for parts in common)


def _is_object(address: StoreAddress) -> bool:
    """Whether there is an object with this name, whose wildcards are letters then."""
    try:
        object_size(address)
    except ImageError:
        return False
    return True


def _split_pattern(key: str) -> tuple[str, str]:
    """The prefix of a key that ends with "/" before its first wildcard, and the pattern after it; no pattern: the key."""
    magic = re.search(r"[*?[]", key)
    if magic is None:
        return key, ""
    end = key.rfind("/", 0, magic.start()) + 1
    return key[:end], key[end:]


def _names_suffix(pattern: str) -> bool:
    """Whether a pattern tells the suffix of the files that it matches, so that any suffix is taken."""
    last = pattern.rpartition("/")[2]
    suffix = os.path.splitext(last)[1]  # noqa: PTH122 - a pattern
    return not is_glob(last) or bool(suffix and not is_glob(suffix))


def _match(below: str, patterns: Sequence[str], *, recursive: bool) -> int:
    """Whether patterns match a path, or a folder that it is in."""
    parts = below.split("/")
    if _fits(parts, patterns):
        return _ITSELF
    ends = range(1, len(parts)) if recursive else range(len(parts) - 1, len(parts))
    return _INSIDE if any(_fits(parts[:end], patterns) for end in ends) else _NOT


def _fits(parts: Sequence[str], patterns: Sequence[str]) -> bool:
    """Whether each part fits its pattern; `**` stands for any number of parts."""
    if not patterns:
        return not parts
    if patterns[0] == _ANY_DEPTH:
        return any(_fits(parts[start:], patterns[1:]) for start in range(len(parts) + 1))
    return bool(parts) and fnmatchcase(parts[0], patterns[0]) and _fits(parts[1:], patterns[1:])
