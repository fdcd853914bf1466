"""The videos that addresses in object stores name: objects, prefixes and patterns."""

from collections.abc import Sequence
from itertools import takewhile
from urllib.parse import quote

from detcli.errors import ImageError, InputError, SourceError
from detcli.io.naming import SkippedEntries, safe_relative
from detcli.io.remote.addresses import StoreAddress, store_address
from detcli.io.remote.stores import check_driver
from detcli.sources.images.lazy_image import FailedImage
from detcli.sources.images.store_images import ObjectBytes, StoreImages


def store_videos(argument: str, suffixes: tuple[str, ...], skipped: SkippedEntries | None) -> list[str]:
    """The addresses of the videos that an address names, with the credentials that it has; opens none of them.

    suffixes  of the videos below a prefix, with the dot
    skipped   gets what is skipped below a prefix

    A prefix must be listed to its end, because shards and names depend on all videos. Raises SourceError where it cannot be,
    and for a pattern without a match; InputError for a prefix without videos; UsageError and LibraryError as `check_driver`.
    """
    address = store_address(argument)
    check_driver(address)
    listing = StoreImages(
        (argument,), suffixes=suffixes, recursive=True, is_excluded=lambda _: False, max_bytes=0, skipped=skipped
    )
    found = []
    for listed in listing.named(argument):
        if isinstance(listed.read, ObjectBytes):
            found.append(_typed(listed.read.url))
        elif isinstance(listed.read, FailedImage):
            error = listed.read.error
            code = error.code if isinstance(error, ImageError) else "not-found"
            raise SourceError(code, f"cannot read '{listed.file}': {error}", reason=str(error))
    if not found:
        raise InputError(f"no videos in '{address}'" + ("" if skipped is None else skipped.ending()))
    return found


def store_names(videos: Sequence[str], *, is_alone: bool) -> dict[str, str]:
    """The relative path of each address: below their deepest common prefix, or with the bucket.

    is_alone  there are no other sources
    """
    addresses = {video: store_address(video) for video in videos}
    base = ""
    if is_alone and len({address.scheme for address in addresses.values()}) == 1:
        folders = [address.path.split("/")[:-1] for address in addresses.values()]
        common = takewhile(lambda parts: len(set(parts)) == 1, zip(*folders, strict=False))
        base = "".join(f"{parts[0]}/" for parts in common)
    return {video: safe_relative(address.path.removeprefix(base)) for video, address in addresses.items()}


def _typed(address: StoreAddress) -> str:
    """The address as it was typed, with its credentials."""
    access = "" if address.user is None else f"{quote(address.user, safe='')}:{quote(address.password or '', safe='')}@"
    return f"{address.scheme}://{access}{address.path}"
