"""A source that is listed once: checked before the model is loaded, replayed by a resumed run, then processed.

Standard input cannot be listed twice, so each step continues where the one before stopped.
"""

from collections.abc import Iterator
from itertools import chain

from detcli.io.naming import SkippedEntries
from detcli.shard import Shard
from detcli.sources.archives.read_ahead import ReadAhead
from detcli.sources.source import Source, SourceItem
from detcli.sources.watching.watched_folders import WatchedFolders


class SourceListing:
    """The images of a source that were not taken yet; each is taken once.

    skipped     what was skipped in folders and archives so far
    shard       take only the images of this shard, by their index in the source; None: all
    read_ahead  of the source, which ends with the run
    watched     the source, where it watches folders: it waits for images, and ends with the run
    """

    def __init__(
        self,
        source: Source,
        skipped: SkippedEntries | None = None,
        *,
        shard: Shard | None = None,
        read_ahead: ReadAhead | None = None,
        watched: WatchedFolders | None = None,
    ) -> None:
        self._source, self.shard, self.watched = source, shard, watched
        self._read_ahead = read_ahead
        self.skipped = SkippedEntries() if skipped is None else skipped
        self._rest = iter(source)

    def is_empty(self) -> bool:
        """Whether the source has no image left, of any shard; takes none."""
        first = next(self._rest, None)
        if first is None:
            return True
        self._rest = chain((first,), self._rest)
        return False

    def __iter__(self) -> Iterator[SourceItem]:
        """Take the images that are left."""
        return self._rest if self.shard is None else self._of_shard(self.shard)

    def count(self) -> int | None:
        """The number of all images of the source, or of the shard, where it is known."""
        total = self._source.count()
        return total if self.shard is None or total is None else self.shard.size(total)

    def close(self) -> None:
        """End a listing that waits in another thread until images are read, or arrive."""
        if self.watched is not None:
            self.watched.close()
        if self._read_ahead is not None:
            self._read_ahead.close()

    def _of_shard(self, shard: Shard) -> Iterator[SourceItem]:
        return (item for item in self._rest if shard.has(item.origin.index))
