"""The images in archives, listed in the order of each archive; broken members and archives are failed images."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final

from detcli.errors import ImageError
from detcli.io.archives.member import Member
from detcli.io.archives.member_names import clean_name, is_hidden, leads_outside, name_in_archive
from detcli.io.archives.sample_rule import SampleRule
from detcli.io.images.formats import check_head
from detcli.io.naming import SkippedEntries
from detcli.sources.archives.archive_place import ArchivePlace
from detcli.sources.archives.open_archive import OpenArchive, opened_archive
from detcli.sources.archives.read_ahead import HeldMember, ReadAhead
from detcli.sources.archives.second_reading import SecondReading
from detcli.sources.images.lazy_image import FailedImage

_MAX_COUNTED_BYTES: Final = 4 << 30  # of tars, whose headers are all over the file

Read = Callable[[], bytes]


class UncountedError(Exception):
    """The images of an archive cannot be counted without reading it."""


@dataclass(frozen=True, slots=True)
class ArchivedImage:
    """A member that is read when `read` is called, or an error of the archive.

    file   as results name it
    below  clean name in the archive; empty for an error of the archive
    """

    file: str
    below: str
    read: Read


@dataclass(frozen=True, slots=True)
class MemberChoice:
    """Which members are images.

    suffixes     of images, lower case with the dot
    recursive    read the folders inside an archive, too
    is_excluded  whether a clean name is skipped
    counts       members of other suffixes are counted
    """

    suffixes: tuple[str, ...]
    recursive: bool = True
    is_excluded: Callable[[str], bool] = lambda _: False
    counts: bool = True

    def takes(self, path: str, place: ArchivePlace) -> bool:
        """Whether a member of this clean name is an image, if it has the suffix of one."""
        if not path or is_hidden(path) or not path.startswith(f"{place.inside}/" if place.inside else ""):
            return False
        below = path[len(place.inside) :].lstrip("/")
        return (self.recursive or "/" not in below) and not self.is_excluded(below)


@dataclass(frozen=True, slots=True)
class ArchiveSettings:
    """How archives are listed and read.

    max_bytes    larger members are rejected
    skipped      gets what is skipped for its suffix, and names that lead outside; None: not needed
    read_ahead   limit of the members of streams that are listed and not read; None: they are not kept, and a second
                 reader reads them again
    only_counts  images are counted: nothing is read, and `UncountedError` is raised for archives that must be read to their end
    """

    choice: MemberChoice
    max_bytes: int
    skipped: SkippedEntries | None = None
    read_ahead: ReadAhead | None = None
    only_counts: bool = False


class ArchiveImages:
    """Lists the images of archives, one archive at a time, for one iteration over a source."""

    def __init__(self, settings: ArchiveSettings) -> None:
        self._settings = settings
        self._counted_bytes = 0
        self._search: _Search | None = None

    def of(self, place: ArchivePlace) -> Iterator[ArchivedImage]:
        """The images at a place. An archive that cannot be opened is one failed image."""
        if self._settings.only_counts and place.address is not None and not place.is_member:
            raise UncountedError
        if place.is_member:
            yield ArchivedImage(name_in_archive(place.path, place.inside), place.inside, self.reader(place))
            return
        try:
            with opened_archive(place.location) as archive:
                self._check_count(archive)
                yield from self._images(archive, place)
        except ImageError as error:
            yield ArchivedImage(place.path, "", FailedImage(error))

    def reader(self, place: ArchivePlace) -> Read:
        """What reads the member at a place, or fails."""
        if self._settings.only_counts:
            return FailedImage(ImageError("not-found", "counted, not opened"))
        if self._search is None or self._search.place.location != place.location:
            self._search = _Search(place, self._settings)
        return self._search.find(place.inside)

    def _images(self, archive: OpenArchive, place: ArchivePlace) -> Iterator[ArchivedImage]:
        suffixes = self._settings.choice.suffixes
        rule: SampleRule[ArchivedImage] = SampleRule(suffixes, self._count_skipped, has_samples=archive.is_tar)
        keeper = _Keeper(archive, place, self._settings)
        for position, entry in enumerate(archive.entries):
            if isinstance(entry, ImageError):
                yield from rule.rest()
                yield ArchivedImage(place.path, "", FailedImage(entry))
                continue
            path = clean_name(entry.name)
            if self._settings.choice.takes(path, place):
                yield from rule.take(path, partial(keeper.image, position, entry, path))
        yield from rule.rest()

    def _count_skipped(self, suffix: str) -> None:
        if self._settings.skipped is not None and self._settings.choice.counts:
            self._settings.skipped.by_suffix[suffix] += 1

    def _check_count(self, archive: OpenArchive) -> None:
        if self._settings.only_counts:
            self._counted_bytes += (archive.size or 0) if archive.is_tar else 0
            if archive.is_stream or self._counted_bytes > _MAX_COUNTED_BYTES:
                raise UncountedError


class _Keeper:
    """Makes images of members: those of a stream are read now, or again later."""

    def __init__(self, archive: OpenArchive, place: ArchivePlace, settings: ArchiveSettings) -> None:
        self._archive, self._path, self._settings = archive, place.path, settings
        self._again = SecondReading(place.location, max_bytes=settings.max_bytes, check_head=check_head)

    def image(self, position: int, member: Member, path: str, *, wait: bool) -> ArchivedImage:
        """The image of a member, which is the current one of its archive; `path` is its clean name."""
        skipped = self._settings.skipped
        if skipped is not None and leads_outside(member.name):
            skipped.outside[self._path] += 1
        return ArchivedImage(name_in_archive(self._path, path), path, self.read(position, member, wait=wait))

    def read(self, position: int, member: Member, *, wait: bool) -> Read:
        """What reads the member later.

        wait  wait until a member of a stream fits into the memory for it
        """
        if member.error is not None:
            return FailedImage(member.error)
        if not self._archive.is_stream:
            return partial(member.read, max_bytes=self._settings.max_bytes, check_head=check_head)
        limit, again = self._settings.read_ahead, self._again.member(position)
        if limit is None or member.size > self._settings.max_bytes or not limit.reserve(member.size, wait=wait):
            return again
        try:
            content: bytes | ImageError = member.read(max_bytes=self._settings.max_bytes, check_head=check_head)
        except ImageError as error:
            content = error
        return HeldMember(content, member.size, limit, again)


class _Search:
    """Finds members of one archive by name, each time from the last one on: lists have the order of the archive."""

    def __init__(self, place: ArchivePlace, settings: ArchiveSettings) -> None:
        self.place, self._settings = place, settings
        self._entries: Iterator[tuple[str, Callable[..., Read]]] = iter(())
        self._fault: ImageError | None = None

    def find(self, name: str) -> Read:
        """What reads the first member of this clean name, or fails."""
        for entries in (self._entries, self._from_start()):
            self._entries = entries
            try:
                for found, read in entries:
                    if found == name:
                        return read(wait=True)
            except ImageError as error:
                return FailedImage(error)
        missing = "the archive has no member of this name; a folder in it is named with '/' at its end"
        return FailedImage(self._fault or ImageError("not-found", missing))

    def _from_start(self) -> Iterator[tuple[str, Callable[..., Read]]]:
        with opened_archive(self.place.location) as archive:
            keeper = _Keeper(archive, self.place, self._settings)
            for position, entry in enumerate(archive.entries):
                if isinstance(entry, ImageError):
                    self._fault = entry
                else:
                    yield clean_name(entry.name), partial(keeper.read, position, entry)
