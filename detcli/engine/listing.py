"""A source that is listed once: looked into before the model is loaded, replayed from by a resumed run, then run.

Standard input cannot be listed twice, so everyone takes up where the one before stopped.
"""

from collections.abc import Iterator
from itertools import chain

from detcli.sources.source import Source, SourceItem


class SourceListing:
    """What is left of a source's images; each is handed out once, whoever asks."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._rest = iter(source)

    def is_empty(self) -> bool:
        """Whether there is no image left; takes none."""
        first = next(self._rest, None)
        if first is None:
            return True
        self._rest = chain((first,), self._rest)
        return False

    def __iter__(self) -> Iterator[SourceItem]:
        """Hand out what is left."""
        return self._rest

    def count(self) -> int | None:
        """How many images the source has in all, as the source counts them."""
        return self._source.count()
