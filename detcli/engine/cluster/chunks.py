"""The input of a run in chunks, cut off while it is listed: no more than a few chunks of names are in memory."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice

from detcli.engine.cluster.parts.part_files import names_digest
from detcli.engine.cluster.worker_job import Chunk, VideoItem
from detcli.sources.source import SourceItem

_FIRST = 8  # images of the first chunks, so that a few images are shared out too
_CHUNKS_PER_WORKER = 4  # of what is listed so far: the longer the input, the larger are the chunks


class ChunkPlan:
    """Cuts the input into chunks; those whose part exists already get its range.

    items      of the input, each taken once
    workers    that share the input
    fixed      inputs per chunk; None: few at first, and more the longer the input is
    at_most    inputs per chunk where it is not fixed
    parts      the end of each part that exists already, by its start
    """

    def __init__(
        self,
        items: Iterable[SourceItem | VideoItem],
        *,
        workers: int,
        fixed: int | None,
        at_most: int,
        parts: Mapping[int, int],
    ) -> None:
        self._items = iter(items)
        self._workers, self._fixed, self._at_most = workers, fixed, at_most
        self._ends = dict(parts)
        self._starts = sorted(parts)
        self._position = 0

    def __iter__(self) -> Iterator[tuple[Chunk, int | None]]:
        """Each chunk, and where its part ends, if that exists already."""
        while True:
            start = self._position
            end = self._ends.pop(start, None)
            taken = tuple(islice(self._items, (self._end(start) if end is None else end) - start))
            if not taken:
                if end is not None:
                    self._ends[start] = end
                return
            self._position = start + len(taken)
            yield chunk_of(start, taken), end

    @property
    def is_longer(self) -> bool:
        """Whether there are parts behind the end of the input, once all chunks are taken."""
        return bool(self._ends)

    def _end(self, start: int) -> int:
        """Where a new chunk ends: before the next part that exists."""
        size = self._fixed or min(self._at_most, max(_FIRST, start // (_CHUNKS_PER_WORKER * self._workers)))
        after = bisect_right(self._starts, start)
        return min([start + size, *self._starts[after : after + 1]])


def chunk_of(start: int, items: Sequence[SourceItem | VideoItem]) -> Chunk:
    """The chunk of these inputs."""
    names = [_name(item) for item in items]
    return Chunk(start, tuple(items), names_digest(names), names[0][0])


def halves(chunk: Chunk) -> tuple[Chunk, Chunk]:
    """The two halves of a chunk of several inputs; the next worker that ends on one of them is enough to halve it again."""
    middle = len(chunk.items) // 2
    first, second = chunk.items[:middle], chunk.items[middle:]
    return (
        replace(chunk_of(chunk.start, first), attempts=chunk.attempts - 1),
        replace(chunk_of(chunk.start + middle, second), attempts=chunk.attempts - 1),
    )


def _name(item: SourceItem | VideoItem) -> tuple[str, str]:
    if isinstance(item, VideoItem):
        return item.argument, item.name
    return item.origin.file, item.origin.relative
