"""Several video sources as one: their frames in turn, so that one batch holds frames of all.

The order of files is always the same. Of live sources, the first one with a waiting frame is next. A source that cannot
be opened, or is lost, becomes a gap in the results; the other sources continue.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from detcli.errors import SourceError, StreamAccessError
from detcli.sources.source import SourceItem
from detcli.sources.video.channel import Channel, ChannelSource
from detcli.sources.video.video_source import StreamGap, VideoInfo, gap_origin
from detcli.structures.frame import FailedFrame, Frame, Origin, Resize

_POLL_S = 0.1  # longest delay until a signal is noticed while sources are opened


class Multiplexer:
    """The frames of all sources, each with its index in the complete input.

    sources   none for a shard without videos
    max_open  maximum number of files open at a time; the next one is opened when one ends. Live sources do not count.
    """

    def __init__(self, sources: Sequence[ChannelSource], *, max_open: int = 16) -> None:
        self.sources = tuple(sources)
        self._max_open = max_open
        self._changed = threading.Condition()
        self._channels = [Channel(source, self._changed) for source in sources]
        self._arrived: dict[int, float] = {}
        self._last: dict[str, int] = {}

    @property
    def live(self) -> bool:
        """Whether one of the sources is live."""
        return any(source.video.live for source in self.sources)

    @property
    def dropped(self) -> int:
        """Number of frames dropped so far, of all sources."""
        return sum(channel.dropped for channel in self._channels)

    def open(self) -> None:
        """Open the first sources in parallel. Raises SourceError where none can be opened.

        `error` then returns the reason for each. A signal ends the wait at once: threads that wait for a silent server
        are left behind.
        """
        first = [channel for channel in self._channels if channel.source.video.live] + [
            channel for channel in self._channels if not channel.source.video.live
        ][: self._max_open]
        _run_in_parallel([channel.open for channel in first])
        errors = [channel.error for channel in self._channels if channel.error is not None]
        if errors and len(errors) == len(self._channels):
            if len(errors) == 1:
                raise errors[0]
            kind = StreamAccessError if all(error.refused for error in errors) else SourceError
            raise kind(errors[0].code, f"none of the {len(errors)} sources can be read")

    def __iter__(self) -> Iterator[SourceItem]:
        """The frames, in turn."""
        index = 0
        waiting = deque(channel for channel in self._channels if not channel.source.video.live)
        channels = deque(channel for channel in self._channels if channel.source.video.live)
        channels.extend(waiting.popleft() for _ in range(min(self._max_open, len(waiting))))
        while channels:
            channel = self._next(channels)
            taken = channel.take()
            if taken is None:
                channels.remove(channel)
                self._last[channel.source.name] = channel.last_index
                if waiting and not channel.source.video.live:
                    channels.append(waiting.popleft())
                continue
            channel.last_index = index
            item, self._arrived[index] = taken
            yield _MultiplexedItem(item, _multiplexed_origin(item, channel.source, index))
            index += 1

    def count(self) -> int | None:
        """The expected number of frames, where all sources are open and know it."""
        total = 0
        for channel in self._channels:
            count = channel.count()
            if count is None:
                return None
            total += count
        return total

    def info(self, name: str) -> VideoInfo | None:
        """What the source of this name reports; None where it could not be opened."""
        return self._channel(name).info()

    def known_info(self, name: str) -> VideoInfo | None:
        """The same where it is open already; opens nothing."""
        return self._channel(name).known_info

    def error(self, name: str) -> SourceError | None:
        """Why the source of this name cannot be opened, or was lost; None where there is no error."""
        return self._channel(name).error

    def waited_s(self, index: int) -> float | None:
        """Seconds since the frame of this index arrived; only the first call returns them."""
        arrived = self._arrived.pop(index, None)
        return None if arrived is None else time.monotonic() - arrived

    def last_index(self, name: str) -> int | None:
        """The index of a source's last item; None while more may come."""
        return self._last.get(name)

    def close(self) -> None:
        """Close all sources; ends an iteration in another thread."""
        for channel in self._channels:
            channel.close()

    def _channel(self, name: str) -> Channel:
        return next(channel for channel in self._channels if channel.source.name == name)

    def _next(self, channels: deque[Channel]) -> Channel:
        """The first channel that is ready; it moves to the end of the queue."""
        with self._changed:
            self._changed.wait_for(lambda: any(channel.is_ready() for channel in channels))
            channel = next(channel for channel in channels if channel.is_ready())
        channels.remove(channel)
        channels.append(channel)
        return channel


def _run_in_parallel(actions: Sequence[Callable[[], None]]) -> None:
    """Run each in its own thread, and wait. Raises the first exception."""
    raised: list[BaseException] = []

    def run(action: Callable[[], None]) -> None:
        try:
            action()
        except BaseException as error:
            raised.append(error)

    # Daemon threads, not a pool: the interpreter waits for a pool at its end, and these may wait for a silent server.
    threads = [threading.Thread(target=run, args=(action,), name="open", daemon=True) for action in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        while thread.is_alive():
            thread.join(_POLL_S)
    if raised:
        raise raised[0]


@dataclass(frozen=True, slots=True)
class _MultiplexedItem:
    """An item of one source, with its origin in the complete input."""

    item: SourceItem
    origin: Origin

    def __call__(self, resize: Resize | None = None) -> Frame | FailedFrame:
        return replace(self.item(resize), origin=self.origin)


def _multiplexed_origin(item: SourceItem, source: ChannelSource, index: int) -> Origin:
    """The same name below the source's unique name."""
    origin = item.origin
    if isinstance(item, StreamGap):
        frame, time_s = origin.frame or 0, origin.time_s or 0.0
        return gap_origin(index, file=source.file, source=source.name, frame=frame, time_s=time_s)
    return replace(
        origin,
        index=index,
        file=source.file,
        relative=f"{source.name}/{origin.relative.rpartition('/')[2]}",
        stem=f"{source.name}/{origin.stem.rpartition('/')[2]}",
        source=source.name,
    )
