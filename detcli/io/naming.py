"""Output names: the folder structure of the input below the common folder of the sources; every name is unique.

Works on names only, and reads no file.
"""

import ntpath
import os
import posixpath
import re
import sys
import unicodedata
from array import array
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final
from urllib.parse import unquote, urlsplit

UNNAMED: Final = "image"
_ARCHIVE_ENDINGS: Final = {".tar", ".tgz", ".tbz2", ".txz", ".zip"}
_MAX_PART_BYTES = 180  # bytes of a name made from a URL; leaves space for suffixes below the usual limit of 255
_NOT_PORTABLE = re.compile(r'[<>:"|?*\\/\x00-\x1f\x7f-\x9f]')
_DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)(\.|$)", re.IGNORECASE)


class UniqueNames:
    """Makes unique names in listing order; the same order gives the same names in every run.

    fold_case  names that differ only in case or Unicode form are equal, as on file systems of macOS and Windows; this is
               the default there

    Needs about 30 bytes per image, independent of the length of the names.
    """

    def __init__(self, *, fold_case: bool = sys.platform in ("darwin", "win32", "cygwin")) -> None:
        self._fold_case = fold_case
        self._taken = _HashSet()
        self._next_number: dict[int, int] = {}
        self._last_folder = ("", "")  # requested, unique: most images have the same folder as the one before

    def take(self, relative: str) -> tuple[str, str]:
        """The name for an image and its stem, both unique: `a/b.jpg`, `a/b`.

        relative  relative path with "/" between its parts and without "..": see `safe_relative`

        A used name gets a number: `a/b-2.jpg`. A used stem keeps its suffix: `a/b.png`.
        """
        folder, slash, name = relative.rpartition("/")
        prefix = self._folder(folder) + slash
        stem, suffix = posixpath.splitext(name)
        unique = self._first_free("file", prefix + stem, suffix, also_not="folder")
        bare = posixpath.splitext(unique)[0]
        if self._taken.add(self._key("stem", bare)):
            return unique, bare
        return unique, self._first_free("stem", unique, "")

    def _folder(self, folder: str) -> str:
        """The folder, renamed if one of its parts is already the name of an image."""
        if folder == self._last_folder[0]:
            return self._last_folder[1]
        given = ""
        for part in folder.split("/") if folder else ():
            path = f"{given}/{part}" if given else part
            number = 2
            while self._key("file", path) in self._taken:
                path = f"{given}/{part}-{number}" if given else f"{part}-{number}"
                number += 1
            self._taken.add(self._key("folder", path))
            given = path
        self._last_folder = (folder, given)
        return given

    def _first_free(self, kind: str, stem: str, suffix: str, *, also_not: str | None = None) -> str:
        first = self._key(kind, stem + suffix)
        number = self._next_number.get(first, 1)
        while True:
            candidate = f"{stem}-{number}{suffix}" if number > 1 else stem + suffix
            number += 1
            if also_not is not None and self._key(also_not, candidate) in self._taken:
                continue
            if self._taken.add(self._key(kind, candidate)):
                break
        if number > 2:
            self._next_number[first] = number
        return candidate

    def _key(self, kind: str, name: str) -> int:
        if self._fold_case:
            name = unicodedata.normalize("NFC", name).casefold()
        digest = blake2b(f"{kind}:{name}".encode(errors="surrogatepass"), digest_size=8).digest()
        return int.from_bytes(digest, "little") or 1


class _HashSet:
    """A set of 64-bit integers other than 0 in 11 to 22 bytes each: open addressing in one array."""

    def __init__(self) -> None:
        self._slots = array("Q", bytes(8 * 1024))
        self._count = 0

    def __contains__(self, number: int) -> bool:
        return self._slots[self._slot_of(number)] == number

    def add(self, number: int) -> bool:
        """Add a number; returns whether it is new."""
        slot = self._slot_of(number)
        if self._slots[slot] == number:
            return False
        self._slots[slot] = number
        self._count += 1
        if self._count * 4 > len(self._slots) * 3:
            self._grow()
        return True

    def _slot_of(self, number: int) -> int:
        mask = len(self._slots) - 1
        slot = number & mask
        while self._slots[slot] not in (0, number):
            slot = slot + 1 & mask
        return slot

    def _grow(self) -> None:
        old = self._slots
        self._slots = array("Q", bytes(16 * len(old)))
        for number in old:
            if number:
                self._slots[self._slot_of(number)] = number


def nearest_common_folder(folders: Iterable[str]) -> str:
    """The deepest common folder of absolute folders; "" if there is none (drives of Windows)."""
    common: str | None = None
    for folder in folders:
        if common is None:
            common = folder
        elif folder != common:
            try:
                common = os.path.commonpath((common, folder))
            except ValueError:
                return ""
    return common or ""


def relative_below(path: str, base: str) -> str:
    """The path relative to a base folder, both absolute; a path outside the folder becomes a safe relative one."""
    inside = base if base.endswith(os.sep) else base + os.sep
    if base and path.startswith(inside):
        return safe_relative(path[len(inside) :])
    return safe_relative(path)


def safe_relative(path: str) -> str:
    """Turn any path into a relative one with "/" between its parts and without "..".

    Roots, "." and ".." are removed, and a drive becomes a folder; all other parts stay the same.
    """
    if os.name == "nt":
        drive, path = ntpath.splitdrive(path)
        parts = [_portable(part) for part in re.split(r"[\\/]", f"{drive.rstrip(':')}/{path}")]
    else:
        parts = path.split("/")
    return "/".join(part for part in parts if part not in ("", ".", "..")) or UNNAMED


def relative_of_url(url: str) -> str:
    """Host and path of a URL as a relative path that is valid on every system; without query and credentials."""
    try:
        parts_of_url = urlsplit(url)
        host = parts_of_url.hostname or ""
    except ValueError:
        return UNNAMED
    parts = [_portable(part) for part in (host, *(unquote(part) for part in parts_of_url.path.split("/")))]
    kept = [part for part in parts if part not in ("", ".", "..")]
    if len(kept) < 2 or parts_of_url.path.endswith("/"):
        kept.append(UNNAMED)
    return "/".join(kept)


def is_device(name: str) -> bool:
    """Whether the name is a device on Windows, with any suffix: con, nul.txt, LPT1."""
    return _DEVICES.match(name) is not None


def _portable(part: str) -> str:
    """A file name that is valid on Windows, macOS and Linux."""
    part = _NOT_PORTABLE.sub("_", part.encode(errors="surrogateescape").decode(errors="replace"))
    if part not in (".", ".."):
        part = part.rstrip(". ")
    if is_device(part):
        part = f"_{part}"
    encoded = part.encode()
    if len(encoded) <= _MAX_PART_BYTES:
        return part
    stem, suffix = posixpath.splitext(part)
    suffix = suffix if len(suffix.encode()) <= 16 else ""
    mark = blake2b(encoded, digest_size=4).hexdigest()
    available = _MAX_PART_BYTES - len(suffix.encode()) - len(mark) - 1
    return f"{stem.encode()[:available].decode(errors='ignore')}-{mark}{suffix}"


@dataclass(frozen=True, slots=True)
class SkippedEntries:
    """What walks of folders left out, to be said to the user.

    by_suffix       files that were skipped for their suffix: how many, by suffix
    output_folders  folders with outputs of an earlier run
    playlist_parts  videos that are read as parts of a playlist next to them
    annotated       annotated videos of an earlier run
    outside         archives with names that lead outside: of how many images
    """

    by_suffix: Counter[str] = field(default_factory=Counter)
    output_folders: list[str] = field(default_factory=list)
    playlist_parts: list[str] = field(default_factory=list)
    annotated: list[str] = field(default_factory=list)
    outside: Counter[str] = field(default_factory=Counter)

    def __bool__(self) -> bool:
        return any((self.by_suffix, self.output_folders, self.playlist_parts, self.annotated, self.outside))

    def clear(self) -> None:
        """Forget all."""
        self.by_suffix.clear()
        self.output_folders.clear()
        self.playlist_parts.clear()
        self.annotated.clear()
        self.outside.clear()

    def sentences(self) -> list[str]:
        """What was skipped, one sentence for each kind."""
        folders, files = _skipped_folders(self.output_folders), _skipped_files(self.by_suffix)
        annotated, outside = _skipped_videos(self.annotated), _names_outside(self.outside)
        playlists = _read_in_playlists(self.playlist_parts)
        return [text for text in (folders, annotated, playlists, outside, files) if text]

    def ending(self) -> str:
        """The same as the end of a message; empty if nothing was skipped."""
        return "".join(f"; {sentence}" for sentence in self.sentences())


def _skipped_folders(folders: list[str]) -> str:
    if not folders:
        return ""
    names = ", ".join(f"'{folder}'" for folder in folders[:3])
    more = f" and {len(folders) - 3:,} more" if len(folders) > 3 else ""
    what = "1 folder" if len(folders) == 1 else f"{len(folders):,} folders"
    return f"skipped {what} with outputs of an earlier run: {names}{more}; a folder that is named itself is read"


def _skipped_videos(videos: list[str]) -> str:
    if not videos:
        return ""
    what = "1 annotated video" if len(videos) == 1 else f"{len(videos):,} annotated videos"
    more = f" and {len(videos) - 3:,} more" if len(videos) > 3 else ""
    names = ", ".join(f"'{video}'" for video in videos[:3])
    return f"skipped {what} of an earlier run: {names}{more}; a video that is named itself is read"


def _read_in_playlists(parts: list[str]) -> str:
    if not parts:
        return ""
    what = "1 file" if len(parts) == 1 else f"{len(parts):,} files"
    return f"{what} {'is' if len(parts) == 1 else 'are'} read as parts of playlists: '{parts[0]}'{' and more' if len(parts) > 1 else ''}"


def _names_outside(archives: Counter[str]) -> str:
    if not archives:
        return ""
    count = archives.total()
    names = ", ".join(f"'{archive}'" for archive in list(archives)[:3]) + (" and more" if len(archives) > 3 else "")
    what = "the name of 1 image leads" if count == 1 else f"the names of {count:,} images lead"
    return f"{what} out of the archive, as '/a.jpg' or '../a.jpg' do ({names}): outputs stay inside their folder"


def _skipped_files(by_suffix: Counter[str]) -> str:
    if not by_suffix:
        return ""
    most = sorted(by_suffix.items(), key=lambda item: (-item[1], item[0]))
    names = [f"{count:,} {suffix or 'without suffix'}" for suffix, count in most[:5]]
    more = f" and {len(most) - 5} more" if len(most) > 5 else ""
    total = by_suffix.total()
    text = f"skipped {total:,} {'file' if total == 1 else 'files'} of other suffixes: {', '.join(names)}{more}"
    return text + ("; an archive that is named itself is read" if _ARCHIVE_ENDINGS & set(by_suffix) else "")
