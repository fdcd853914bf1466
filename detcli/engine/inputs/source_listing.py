"""A source that is listed once: checked before the model is loaded, replayed by a resumed run, then processed.

Standard input cannot be listed twice, so each step continues where the one before stopped.
"""

from collections.abc import Iterator
from itertools import chain

from detcli.io.naming import SkippedEntries
from detcli.sources.source import Source, SourceItem


class SourceListing:
    """The images of a source that were not taken yet; each is taken once.

    skipped  what was skipped in folders so far
    """

    def __init__(self, source: Source, skipped: SkippedEntries | None = None) -> None:
        self._source = source
        self.skipped = SkippedEntries() if skipped is None else skipped
        self._rest = iter(source)

    def is_empty(self) -> bool:
        """Whether there is no image left; takes none."""
        first = next(self._rest, None)
        if first is None:
            return True
        self._rest = chain((first,), self._rest)
        return False

    def __iter__(self) -> Iterator[SourceItem]:
        """Take the images that are left."""
        return self._rest

    def count(self) -> int | None:
        """The number of all images of the source, where it is known."""
        return self._source.count()
