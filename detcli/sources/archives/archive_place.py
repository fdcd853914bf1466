"""Archives among arguments: by their suffix, or by "!" after the path: `shard.tar!/a/0001.jpg`."""

import os
import re
from dataclasses import dataclass
from typing import Final

from detcli.io.archives.member_names import clean_name
from detcli.io.remote.addresses import StoreAddress, is_remote, is_url, without_credentials
from detcli.sources.images.path_walker import is_glob

ARCHIVE_SUFFIXES: Final = (
    *(".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tbz"),
    *(".tar.xz", ".txz", ".tar.zst", ".tzst", ".zip"),
)
_MARK = re.compile(r"!(?=[/\\]|$)")


@dataclass(frozen=True, slots=True)
class ArchivePlace:
    """An archive, or a folder or a member in it.

    path       of the archive, as the user typed it, without credentials
    inside     clean name in the archive; empty for the whole archive
    is_member  `inside` is a member, not a folder
    address    of the archive, with credentials; None for a local file
    """

    path: str
    inside: str = ""
    is_member: bool = False
    address: str | StoreAddress | None = None

    @property
    def location(self) -> str | StoreAddress:
        """What opens it."""
        return self.path if self.address is None else self.address


def is_archive_name(path: str) -> bool:
    """Whether a path or an address has the suffix of an archive."""
    if is_url(path) and not os.path.lexists(path):
        path = re.split(r"[?#]", path, maxsplit=1)[0]
    return path.lower().endswith(ARCHIVE_SUFFIXES)


def archive_place(text: str) -> ArchivePlace | None:
    """The archive that a path names; None for any other path. A path that exists has no "!" after an archive."""
    if os.path.lexists(text):
        return ArchivePlace(text) if is_archive_name(text) and not os.path.isdir(text) else None  # noqa: PTH112
    for mark in _MARK.finditer(text):
        path, inside = text[: mark.start()], text[mark.end() :]
        if is_archive_name(path) or os.path.isfile(path):  # noqa: PTH113 - any name
            name = clean_name(inside)
            return _place(path, name, is_member=bool(name) and not inside.endswith(("/", "\\")))
    is_named = is_archive_name(text) and not (is_glob(text) and not is_url(text))
    return _place(text, "", is_member=False) if is_named else None


def _place(path: str, inside: str, *, is_member: bool) -> ArchivePlace:
    if (is_url(path) or is_remote(path)) and not os.path.lexists(path):
        return ArchivePlace(without_credentials(path), inside, is_member, address=path)
    return ArchivePlace(path, inside, is_member)
