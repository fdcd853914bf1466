"""Names of archives at addresses, for outputs: host or bucket, and path."""

from collections.abc import Sequence
from itertools import takewhile

from detcli.errors import UsageError
from detcli.io.archives.member_names import MARK
from detcli.io.naming import relative_of_url, safe_relative
from detcli.io.remote.addresses import is_remote, store_address
from detcli.sources.archives.archive_place import ArchivePlace, archive_place
from detcli.sources.images.brace_ranges import before_range, has_range


def address_name(place: ArchivePlace) -> str:
    """The archive as a relative path."""
    path = place.path
    return safe_relative(store_address(path).path) if is_remote(path) else relative_of_url(path)


def address_base(arguments: Sequence[str]) -> str:
    """The folder, with "/" at its end, that output names leave out; "" where not all arguments are archives at addresses."""
    folders = []
    for argument in arguments:
        ranged = has_range(argument)
        place = archive_place(f"{before_range(argument)}0.tar" if ranged else argument)
        if place is None or place.address is None:
            return ""
        try:
            archive = address_name(place) + MARK
        except UsageError:  # it fails when it is listed
            return ""
        parts = [*archive.split("/"), *(part for part in place.inside.split("/") if part)]
        folders.append(parts[:-1] if ranged or place.is_member else parts)
    common = takewhile(lambda parts: len(set(parts)) == 1, zip(*folders, strict=False))
    return "".join(f"{parts[0]}/" for parts in common)
