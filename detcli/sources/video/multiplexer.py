"""Several video sources as one: their frames in turn, so that the network sees them together.

Where all of them wait for whoever takes their frames (files), the turns are always the same; of live ones, whoever has
a frame is next. A source that cannot be opened, or is lost, is a gap in the results; the others continue.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from detcli.errors import SourceError
from detcli.sources.source import SourceItem
from detcli.sources.video.channel import Channel, ChannelSource
from detcli.sources.video.video_source import StreamGap, VideoInfo, gap_origin
from detcli.structures.frame import FailedFrame, Frame, Origin, Resize

_POLL_S = 0.1  # how long a wait for sources may keep a signal from being noticed


class Multiplexer:
    """The frames of all parts, each with its place in the whole input.

    parts    one at least
    at_once  so many of those that are not live are open at a time; the next one is opened when one ends
    """

    def __init__(self, parts: Sequence[ChannelSource], *, at_once: int = 16) -> None:
        self.parts = tuple(parts)
        self._at_once = at_once
        self._changed = threading.Condition()
        self._turns = [Channel(part, self._changed) for part in parts]
        self._arrived: dict[int, float] = {}
        self._last: dict[str, int] = {}

    @property
    def live(self) -> bool:
        """Whether any of the sources is."""
        return any(part.source.live for part in self.parts)

    @property
    def dropped(self) -> int:
        """Frames that waited too long, of all sources so far."""
        return sum(turn.dropped for turn in self._turns)

    def open(self) -> None:
        """Open what is to be read at the beginning, all at a time. Raises SourceError where none can be opened.

        Of several, `error` then tells why of each. A signal ends the wait at once: threads that hang in the opening of
        a silent server are left behind.
        """
        first = [turn for turn in self._turns if turn.part.source.live] + [
            turn for turn in self._turns if not turn.part.source.live
        ][: self._at_once]
        _all_at_once([turn.open for turn in first])
        errors = [turn.error for turn in self._turns if turn.error is not None]
        if len(errors) == len(self._turns):
            if len(errors) == 1:
                raise errors[0]
            raise SourceError(errors[0].code, f"none of the {len(errors)} sources can be read")

    def __iter__(self) -> Iterator[SourceItem]:
        """The frames, in turn."""
        index = 0
        later = deque(turn for turn in self._turns if not turn.part.source.live)
        turns = deque(turn for turn in self._turns if turn.part.source.live)
        turns.extend(later.popleft() for _ in range(min(self._at_once, len(later))))
        while turns:
            turn = self._next(turns)
            taken = turn.take()
            if taken is None:
                turns.remove(turn)
                self._last[turn.part.place] = turn.last_index
                if later and not turn.part.source.live:
                    turns.append(later.popleft())
                continue
            turn.last_index = index
            image, self._arrived[index] = taken
            yield _MultiplexedItem(image, _placed(image, turn.part, index))
            index += 1

    def count(self) -> int | None:
        """How many frames there will be, where all sources are open and know."""
        total = 0
        for turn in self._turns:
            count = turn.count()
            if count is None:
                return None
            total += count
        return total

    def facts(self, place: str) -> VideoInfo | None:
        """What the source of a place says of itself; None where it could not be opened."""
        return self._turn(place).facts()

    def known(self, place: str) -> VideoInfo | None:
        """The same where it is open already; opens nothing."""
        return self._turn(place).known

    def error(self, place: str) -> SourceError | None:
        """Why the source of a place cannot be opened, or was lost; None where nothing is known against it.

        The message does not name the source.
        """
        turn = self._turn(place)
        return None if turn.error is None else SourceError(turn.error.code, turn.why(turn.error))

    def waited_s(self, index: int) -> float | None:
        """Seconds since the frame of an index came from its source; to be asked once, None afterwards."""
        arrived = self._arrived.pop(index, None)
        return None if arrived is None else time.monotonic() - arrived

    def last_index(self, place: str) -> int | None:
        """The index of a source's last image; None while more may come."""
        return self._last.get(place)

    def close(self) -> None:
        """Let all of them go; ends an iteration in another thread."""
        for turn in self._turns:
            turn.close()

    def _turn(self, place: str) -> Channel:
        return next(turn for turn in self._turns if turn.part.place == place)

    def _next(self, turns: deque[Channel]) -> Channel:
        """Whose turn it is: the first in line that need not be waited for. It goes to the end of the line."""
        with self._changed:
            self._changed.wait_for(lambda: any(turn.is_ready() for turn in turns))
            turn = next(turn for turn in turns if turn.is_ready())
        turns.remove(turn)
        turns.append(turn)
        return turn


def _all_at_once(actions: Sequence[Callable[[], None]]) -> None:
    """Do them in a thread each, and wait. Raises what the first of them raised."""
    raised: list[BaseException] = []

    def do(action: Callable[[], None]) -> None:
        try:
            action()
        except BaseException as error:
            raised.append(error)

    # Daemons, not a pool: the interpreter's end waits for the threads of a pool, and these may hang in a silent server.
    threads = [threading.Thread(target=do, args=(action,), name="open", daemon=True) for action in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        while thread.is_alive():
            thread.join(_POLL_S)
    if raised:
        raise raised[0]


@dataclass(frozen=True, slots=True)
class _MultiplexedItem:
    """An image of one of the sources, where it stands among those of all."""

    image: SourceItem
    origin: Origin

    def __call__(self, resize: Resize | None = None) -> Frame | FailedFrame:
        return replace(self.image(resize), origin=self.origin)


def _placed(image: SourceItem, part: ChannelSource, index: int) -> Origin:
    """The same name below the part's place."""
    origin = image.origin
    if isinstance(image, StreamGap):
        frame, time_s = origin.frame or 0, origin.time_s or 0.0
        return gap_origin(index, file=part.file, place=part.place, frame=frame, time_s=time_s)
    return replace(
        origin,
        index=index,
        file=part.file,
        relative=f"{part.place}/{origin.relative.rpartition('/')[2]}",
        stem=f"{part.place}/{origin.stem.rpartition('/')[2]}",
        source=part.place,
    )
