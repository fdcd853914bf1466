"""An entry of an archive, as the readers of every kind of archive yield it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from detcli.errors import ImageError

MAX_MEMBERS: Final = 100_000_000  # of one archive; headers of empty members compress a thousand times
FREE_BYTES: Final = 256 << 20  # data may expand to so many bytes, whatever its compressed size
MAX_RATIO: Final = 250  # of larger data; images of photos and drawings stay far below it

CheckHead = Callable[[bytes], None]


class ReadMember(Protocol):
    """Returns the content of a member."""

    def __call__(self, *, max_bytes: int, check_head: CheckHead | None = None) -> bytes:
        """Read it.

        max_bytes   longer content is rejected before it is read
        check_head  called with the first bytes before the rest is read; raises to reject the content

        Raises ImageError.
        """


@dataclass(frozen=True, slots=True)
class Member:
    """A file in an archive, or something else with a name.

    name   as the archive has it; see `clean_name`
    size   bytes of its content
    read   returns the content. Of an archive that is a stream, call it before the next member is taken, and once
    error  why it has no content to read, such as a link; None for a file
    """

    name: str
    size: int
    read: ReadMember
    error: ImageError | None = None


# An archive is read as its members, with an error at each place where members may be missing.
Entry = Member | ImageError


def check_size(size: int, max_bytes: int) -> None:
    """Raise ImageError for a member that is empty or too long."""
    if size == 0:
        raise ImageError("empty", "an empty file")
    if size > max_bytes:
        raise ImageError("too-large", f"{size:,} bytes are more than the limit of {max_bytes:,}")


def check_ratio(size: int, compressed: int) -> None:
    """Raise ImageError where compressed data expands far more than images do."""
    if size > FREE_BYTES and size > MAX_RATIO * compressed:
        raise ImageError("too-large", f"its data expands to more than {MAX_RATIO} times its compressed size")
