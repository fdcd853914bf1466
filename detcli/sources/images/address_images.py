"""Lists the images behind addresses: of the web, in object stores, and in archives at both."""

from collections.abc import Callable, Iterator, Sequence

from detcli.errors import ImageError, UsageError
from detcli.io.archives.member_names import MARK
from detcli.io.naming import relative_of_url
from detcli.io.remote.addresses import is_remote, without_credentials
from detcli.sources.archives.archive_images import ArchiveImages
from detcli.sources.archives.archive_place import ArchivePlace, is_archive_name
from detcli.sources.images.address_names import address_base, address_name
from detcli.sources.images.lazy_image import FailedImage
from detcli.sources.images.listed_image import ListedImage, web_reader
from detcli.sources.images.store_images import ObjectBytes, StoreImages


class AddressImages:
    """The images that addresses name.

    arguments    all that the user named; empty where a list names more
    is_excluded  whether a name is skipped
    """

    def __init__(
        self,
        arguments: Sequence[str],
        stores: StoreImages,
        archives: ArchiveImages,
        is_excluded: Callable[[str], bool],
    ) -> None:
        self._stores, self._archives, self._is_excluded = stores, archives, is_excluded
        self._base = address_base(arguments) if arguments else ""

    def named(self, url: str, place: ArchivePlace | None) -> Iterator[ListedImage]:
        """The images of an address; `place` where it names an archive."""
        if place is not None:
            yield from self._archived(place, url)
        elif is_remote(url):
            for listed in self._stores.named(url):
                if is_archive_name(listed.file) and isinstance(listed.read, ObjectBytes):  # a pattern with this suffix
                    yield from self._members(ArchivePlace(listed.file, address=listed.read.url), listed.relative)
                else:
                    yield listed
        elif not self._is_excluded(relative_of_url(url)):
            yield ListedImage(without_credentials(url), relative_of_url(url), web_reader(url))

    def _archived(self, place: ArchivePlace, url: str) -> Iterator[ListedImage]:
        try:
            name = address_name(place)
        except UsageError as error:  # of an address without a bucket
            failed = FailedImage(ImageError("unsupported", str(error)))
            yield ListedImage(without_credentials(url), relative_of_url(url), failed)
            return
        if not self._is_excluded(name):
            yield from self._members(place, name)

    def _members(self, place: ArchivePlace, name: str) -> Iterator[ListedImage]:
        for image in self._archives.of(place):
            full = f"{name}{MARK}/{image.below}" if image.below else name
            yield ListedImage(image.file, full.removeprefix(self._base), image.read)
