"""A source that is listed once: checked before the model is loaded, replayed by a resumed run, then processed.

Standard input cannot be listed twice, so each step continues where the one before stopped.
"""

from collections import Counter
from collections.abc import Iterator
from itertools import chain

from detcli.sources.source import Source, SourceItem


class SourceListing:
    """The images of a source that were not taken yet; each is taken once.

    skipped  the files of folders that were skipped for their suffix so far, by suffix
    """

    def __init__(self, source: Source, skipped: Counter[str] | None = None) -> None:
        self._source = source
        self.skipped: Counter[str] = Counter() if skipped is None else skipped
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
